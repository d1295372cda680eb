"""Forgetting history: every five minutes etcd drops what was overwritten more than five minutes ago."""

from __future__ import annotations

import asyncio

from labs.controlplane import klog

from .etcd import Etcd, EtcdError

INTERVAL_SECONDS = 300.0


async def compact_for_ever(etcd: Etcd, interval: float = INTERVAL_SECONDS) -> None:
    """The task."""
    before = 0
    while True:
        await asyncio.sleep(interval)
        try:
            now = (await etcd.range("compact_rev_key", count_only=True)).revision
            if before:
                await etcd.compact(before)
            before = now
        except EtcdError as error:
            klog.error("compact.go:220", "compact failed", err=error)
