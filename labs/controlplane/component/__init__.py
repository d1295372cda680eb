"""What every component but the API server does alike: serve its health, be the leader, end."""
