"""What happens below the API: the containers that run, the file that says so."""

from __future__ import annotations

from labs.judge.case import Case
from labs.judge.criteria._registry import criterion
from labs.judge.criteria.mirror import recreation
from labs.judge.facts import (
    ContainerExited,
    ContainerStarted,
    Fact,
    ManifestRemoved,
    ManifestWritten,
    PodDeleted,
)
from labs.judge.finding import Finding, Recorder, missed, undisturbed


@criterion("same-container")
def same_container(case: Case) -> Finding:
    """The pod's container ran through the deed and what followed from it.

    What follows from a delete is the new mirror; from an edit, nothing: there the container must still run
    when the case closes, or have run when the edited mirror was deleted.
    """
    if case.deed is None:
        return missed(
            "What this exercise is about was not done, so nothing was put to the test.", Recorder.AUDIT
        )
    running = case.state(before=case.deed).running(case.mirror)
    if len(running) != 1:
        return missed(f"{len(running)} containers of {case.mirror} were running then.", Recorder.RUNTIME)
    closing = _closing(case)
    if closing is None and isinstance(case.deed, PodDeleted):
        return missed("There is no new mirror by which it could have lived on.", Recorder.AUDIT)
    (id,) = running
    for fact in _during(case, closing):
        if isinstance(fact, ContainerExited) and fact.pod == case.mirror:
            return missed(f"Container {fact.id[:13]} of {case.mirror} exited with code {fact.exit_code}.")
        if isinstance(fact, ContainerStarted) and fact.pod == case.mirror:
            return missed(f"Container {fact.id[:13]} of {case.mirror} was started.")
    return undisturbed(f"Container {id[:13]} ran before and after.", Recorder.RUNTIME)


@criterion("manifest-untouched")
def manifest_untouched(case: Case) -> Finding:
    """No file that asks for the pod changed its content or went while the mirror told something else."""
    if case.deed is None:
        return missed("The mirror was not edited, so the manifest was not put to the test.", Recorder.AUDIT)
    before = {one.path: one.sha256 for one in case.state(before=case.deed).manifests_of(case.pod)}
    if not before:
        return missed(f"There was no manifest of {case.pod} then.")
    for fact in _during(case, _closing(case)):
        if isinstance(fact, ManifestRemoved) and fact.path in before:
            return missed(f"{fact.path} was removed.")
        if not isinstance(fact, ManifestWritten) or (fact.path not in before and fact.pod != case.pod):
            continue
        if fact.sha256 != before.get(fact.path):
            return missed(f"{fact.path} was changed.")
    (path, digest), *_ = before.items()
    return undisturbed(f"{path} still has the SHA-256 {digest[:12]}…")


def _closing(case: Case) -> Fact | None:
    """The fact up to which a deed is followed; None for an edited mirror that still stands."""
    if isinstance(case.deed, PodDeleted):
        return recreation(case, case.deed)
    assert case.deed is not None
    own = (one for one in case.after(case.deed, PodDeleted) if one.by_student and one.pod.name == case.mirror)
    return next(own, None)


def _during(case: Case, closing: Fact | None) -> list[Fact]:
    assert case.deed is not None
    end = closing.seq if closing is not None else None
    return [fact for fact in case.after(case.deed, Fact) if end is None or fact.seq < end]
