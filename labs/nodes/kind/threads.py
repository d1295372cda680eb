"""Docker's client blocks, and the supervisor's loop must not: whatever waits for Docker has its own thread.

The threads are daemons, so that none of them keeps a supervisor that ends; and they are not an executor's,
whose few workers a student's terminals would keep busy for hours.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn, TypeVar

T = TypeVar("T")


def start(function: Callable[..., object], *arguments: object, name: str) -> None:
    """Call `function` in a new thread, which nobody waits for."""
    threading.Thread(target=function, args=arguments, name=name, daemon=True).start()


def tell(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> None:
    """From a thread, have the loop call `function`; a loop that has ended needs no telling."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


async def blocking(function: Callable[..., T], *arguments: object) -> T:
    """What `function` returns or raises, called in a thread. When cancelled, the call goes on unheard."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(give: Callable[[], T]) -> None:
        if outcome.done():
            return
        try:
            outcome.set_result(give())
        except Exception as error:
            outcome.set_exception(error)

    def call() -> None:
        try:
            result = function(*arguments)
        except Exception as error:
            tell(loop, settle, partial(_raise, error))
        else:
            tell(loop, settle, lambda: result)

    start(call, name=getattr(function, "__name__", "blocking"))
    return await outcome


def _raise(error: Exception) -> NoReturn:
    raise error
