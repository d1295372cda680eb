"""What Go's libraries read and say, for all who are to read and say the same."""
