"""Waiting for a child process in an asyncio program, without a thread and without a handler for SIGCHLD."""

import asyncio
import os


async def ended(pid: int) -> int:
    """Wait for the child `pid`, which no one else waits for; its exit status, negative for a signal."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    handle = os.pidfd_open(pid)
    loop.add_reader(handle, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # noqa: ASYNC222 - it has ended
