"""ReplicaSets: as many pods of one template as they are told to have."""
