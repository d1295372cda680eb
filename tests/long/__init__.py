"""What takes minutes: run by `make test-long`."""
