"""What a node's shell offers where the node lacks the real one: crictl, journalctl, systemctl, sudo, vi."""
