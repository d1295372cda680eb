"""What a student's kernel may ask about exercises, answered by the judge in a process of its own.

The kernel is never asked what happened, and never sees how it is judged: it names a verb and an exercise,
`python -m labs.judge` looks at evidence and state through `judge.sock`, and what it prints is passed on.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from labs.nodes import boot
from labs.nodes.evidence import Evidence

#: `solve` and `reset` are for the command line and the tests: they would spoil or undo a student's work.
STUDENT_VERBS = frozenset({"start", "check", "question", "answer", "view", "hint", "list"})


class RefusedVerbError(ValueError):
    """The verb is not for this socket."""


class Exercises:
    """The judge of one cluster, as its sockets offer it."""

    def __init__(self, cluster: str, evidence: Evidence) -> None:
        self._cluster = cluster
        self._evidence = evidence
        self.grading = False
        """A grader is at work: `check` notes that it was called, and tells the student nothing."""

    async def ask(
        self, verb: str, arguments: Mapping[str, Any], *, student: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Have the judge do `verb`; what it says comes as {"progress": …} lines and one {"result": …}.

        Raises `OSError` with the judge's own words when it fails.
        """
        if student and verb not in STUDENT_VERBS:
            raise RefusedVerbError(f"'{verb}' is not offered here")
        if student and self.grading and verb == "check":
            self._evidence.append("lab", None, event="check", exercise=arguments.get("exercise"))
            yield {"result": {"recorded": True}}
            return
        judge = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", boot.__file__, "labs.judge", "--cluster", self._cluster, verb),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        assert judge.stdin and judge.stdout and judge.stderr
        errors = asyncio.create_task(judge.stderr.read())
        try:
            judge.stdin.write(json.dumps(dict(arguments)).encode())
            judge.stdin.close()
            async for line in judge.stdout:
                yield json.loads(line)
            said = (await errors).decode(errors="replace").strip()
            if await judge.wait() != 0:
                raise OSError(said.splitlines()[0] if said else "the judge ended without a word")
        finally:
            errors.cancel()
            if judge.returncode is None:
                judge.terminate()
                await judge.wait()
