"""One loop for everything process 1 waits for: descriptors, children and points in time."""

from __future__ import annotations

import heapq
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: A child's status as os.waitpid gives it.
Status = int


class Timer:
    """A call that is due at a point in time, unless it is cancelled before."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], object] | None) -> None:
        self.due = due
        self.call = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: Timer) -> bool:
        return self.due < other.due


class Reactor:
    """Calls back when a descriptor is ready, a child has ended, or a time has come.

    A callback that raises is a defect, but the node must outlive it: it is reported on stderr, which
    is the supervisor's log, and the loop goes on.
    """

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._readers: dict[int, Callable[[], object]] = {}
        self._writers: dict[int, Callable[[], object]] = {}
        self._children: dict[int, Callable[[Status], object]] = {}
        self._timers: list[Timer] = []
        self._running = True
        self._wake, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.on_readable(self._wake, self._reap)

    def on_readable(self, fd: int, call: Callable[[], object] | None) -> None:
        """Call whenever the descriptor has something to read (or has ended); None stops that."""
        self._set(self._readers, fd, call)

    def on_writable(self, fd: int, call: Callable[[], object] | None) -> None:
        """Call whenever the descriptor takes more; None stops that."""
        self._set(self._writers, fd, call)

    def on_exit(self, pid: int, call: Callable[[Status], object]) -> None:
        """Call once with the status when this child has ended."""
        self._children[pid] = call

    def after(self, seconds: float, call: Callable[[], object]) -> Timer:
        timer = Timer(time.monotonic() + seconds, call)
        heapq.heappush(self._timers, timer)
        return timer

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        while self._running:
            self.turn()

    def turn(self) -> None:
        """Wait for the next thing to happen and deal with it."""
        for fd, events in self._poll.poll(self._patience()):
            if events & ~select.EPOLLOUT and fd in self._readers:
                self._guarded(self._readers[fd])
            if events & (select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP) and fd in self._writers:
                self._guarded(self._writers[fd])
        while self._timers and self._timers[0].due <= time.monotonic():
            call = heapq.heappop(self._timers).call
            if call is not None:
                self._guarded(call)

    def _patience(self) -> float:
        while self._timers and self._timers[0].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0].due - time.monotonic()) if self._timers else -1.0

    def _set(
        self, calls: dict[int, Callable[[], object]], fd: int, call: Callable[[], object] | None
    ) -> None:
        known = fd in self._readers or fd in self._writers
        if call is None:
            calls.pop(fd, None)
        else:
            calls[fd] = call
        events = (select.EPOLLIN if fd in self._readers else 0) | (
            select.EPOLLOUT if fd in self._writers else 0
        )
        if not known and events:
            self._poll.register(fd, events)
        elif known and events:
            self._poll.modify(fd, events)
        elif known:
            self._poll.unregister(fd)

    def _reap(self) -> None:
        """Collect every child that has ended, those of others that process 1 inherited included."""
        os.read(self._wake, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            call = self._children.pop(pid, None)
            if call is not None:
                self._guarded(call, status)

    def _guarded(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception as defect:
            report(defect)


def report(defect: BaseException) -> None:
    """A defect in one line, with the place it came from. Printing must not bring process 1 down either."""
    trace = defect.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
    try:
        sys.stderr.write(f"init: {type(defect).__name__}: {defect} ({place})\n")
        sys.stderr.flush()
    except OSError:  # the supervisor's log is gone or its disk is full: nobody is left to tell
        return


def exit_code(status: Status) -> int:
    """A shell's view of a status: 128 + the signal's number for a process that a signal ended."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
