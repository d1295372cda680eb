"""postStart and preStop hooks (`pkg/kubelet/lifecycle/handlers.go`)."""

import asyncio
from dataclasses import replace

from labs.golang.httpresponse import BodyError
from labs.golang.quoting import quote
from labs.kubelet.http_get import HOOK, HttpFailure, PlainHttpError, http_get
from labs.kubelet.pod.model import Action, Container, Exec, HttpGet, Pod, Sleep, TcpSocket
from labs.kubelet.prober import Execer, ProbeError, execute, port_of


class HookError(Exception):
    """A hook failed; the text is upstream's. `cause` is what the journal is told: the failure alone."""

    def __init__(self, text: str, cause: str) -> None:
        super().__init__(text)
        self.cause = cause


async def run_hook(
    runtime: Execer, pod: Pod, container: Container, container_id: str, hook: Action, ips: tuple[str, ...]
) -> None:
    """Run one hook to its end. Raises HookError."""
    try:
        match hook:
            case Sleep(seconds):
                await asyncio.sleep(seconds)
            case HttpGet():
                await _ask(hook, container, hook.host or (ips[0] if ips else "127.0.0.1"))
            case Exec(command):
                await _execute(runtime, container_id, command)
            case _:
                why = f"invalid handler: {_in_go(hook)}"
                raise HookError(f"Cannot run handler: {why}", why)
    except (HttpFailure, ProbeError, _CommandError) as error:
        kind, what = ("HTTP", hook.path) if isinstance(hook, HttpGet) else ("Exec", _shown(hook))
        printed = error.output if isinstance(error, _CommandError) else ""
        output = f", message: {quote(printed)}" if isinstance(hook, Exec) else ""
        where = f"for Container {quote(container.name)} in Pod {quote(pod.described)}"
        text = f"{kind} lifecycle hook ({what}) {where} failed - error: {error}{output}"
        raise HookError(text, str(error)) from None


async def _ask(hook: HttpGet, container: Container, host: str) -> None:
    """Any answer will do, and where a server speaks no TLS it is asked without."""
    try:
        await http_get(hook, host, port_of(hook.port, container), HOOK, None)
    except PlainHttpError:
        await _ask(replace(hook, scheme="HTTP"), container, host)
    except BodyError:
        return


class _CommandError(Exception):
    """A command that ended badly."""

    def __init__(self, text: str, output: str) -> None:
        super().__init__(text)
        self.output = output


async def _execute(runtime: Execer, container_id: str, command: tuple[str, ...]) -> None:
    code, output, errors = await execute(runtime, container_id, command, 0)
    if code:
        raise _CommandError(f"command '{' '.join(command)}' exited with {code}: {errors}", output + errors)


def _in_go(hook: Action) -> str:
    """As Go prints the `LifecycleHandler` of a kind that hooks do not have."""
    socket = "nil"
    if isinstance(hook, TcpSocket):
        number, name = (hook.port, "") if isinstance(hook.port, int) else (0, hook.port)
        port = f"{{{int(bool(name))} {number} {name}}}"
        socket = f"&TCPSocketAction{{Port:{port},Host:{hook.host},}}"
    return f"&LifecycleHandler{{Exec:nil,HTTPGet:nil,TCPSocket:{socket},Sleep:nil,}}"


def _shown(hook: Action) -> str:
    return f"[{' '.join(hook.command)}]" if isinstance(hook, Exec) else str(hook)
