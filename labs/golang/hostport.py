"""Addresses of servers as Go's `net` writes them."""

from __future__ import annotations


def join(host: str, port: int | str) -> str:
    """`net.JoinHostPort`: an address of IPv6, which has colons itself, stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
