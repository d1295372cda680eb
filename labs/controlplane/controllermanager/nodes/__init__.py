"""Nodes: whether they are well, what becomes of their pods when not, and their address ranges."""
