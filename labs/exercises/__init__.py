"""The exercises: one YAML each, read by `labs.judge.exercise`."""
