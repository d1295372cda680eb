"""What Go's libraries read and say, as recorded, and for any input."""
