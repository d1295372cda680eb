"""postStart and preStop hooks (`pkg/kubelet/lifecycle/handlers.go`)."""

import asyncio

from labs.kubelet.pod.model import Action, Container, Exec, HttpGet
from labs.kubelet.prober import Execer, probe


class HookError(Exception):
    """A hook failed; the text is what the event says."""


async def run_hook(
    runtime: Execer, container_id: str, container: Container, hook: Action, ips: tuple[str, ...], timeout: int
) -> None:
    """Run one hook to its end, at most `timeout` seconds. Raises HookError."""
    try:
        async with asyncio.timeout(timeout):
            done, output = await probe(
                runtime, container_id, container, hook, ips[0] if ips else "127.0.0.1", timeout
            )
    except TimeoutError:
        raise HookError(f"hook did not end within {timeout}s") from None
    if not done:
        if isinstance(hook, Exec):
            command = " ".join(hook.command)
            raise HookError(f"command '{command}' exited with error, message: \"{output}\"")
        kind = "http" if isinstance(hook, HttpGet) else "tcp"
        raise HookError(f"{kind} hook failed: {output}")
