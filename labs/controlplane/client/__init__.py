"""A client of the API server, as client-go is one: requests, informers, work queues, leases, events."""
