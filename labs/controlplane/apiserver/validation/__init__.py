"""What the API refuses to store, in the words of `pkg/apis/core/validation`."""
