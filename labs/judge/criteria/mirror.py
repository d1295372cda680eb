"""What happens to a mirror pod in the API: deleted, edited, made anew by the kubelet.

Upstream: `pkg/kubelet/kubelet.go` (SyncPod makes the mirror) and `pkg/kubelet/pod/mirror_client.go`.
"""

from __future__ import annotations

from datetime import timedelta

from labs.judge.case import Case
from labs.judge.criteria._registry import criterion, deed
from labs.judge.facts import ApiFact, Fact, MirrorAnnounced, Pod, PodChanged, PodCreated, PodDeleted, Refused
from labs.judge.finding import Finding, Recorder, awaited, missed, saw

PATIENCE = timedelta(seconds=180)
"""How long a new mirror may take: a real kubelet needs 71 to 92 s after a forced delete."""


@deed("mirror-deleted")
def deletions(case: Case) -> tuple[ApiFact, ...]:
    """Each delete of the mirror by a person that the API server accepted."""
    return tuple(
        fact
        for fact in case.facts
        if isinstance(fact, PodDeleted) and fact.by_student and _is_mirror(case, fact.pod)
    )


@deed("mirror-image-edited")
def edits(case: Case) -> tuple[ApiFact, ...]:
    """Each change by a person after which the mirror names images that its manifest does not."""
    found = []
    for fact in case.facts:
        if not isinstance(fact, PodChanged) or not fact.by_student or not _is_mirror(case, fact.pod):
            continue
        state = case.state(before=fact)
        known = state.pod(fact.pod.name, fact.pod.namespace)
        truths = [one.images for one in state.manifests_of(case.pod, fact.pod.namespace)]
        if known is not None and fact.pod.images != known.images and fact.pod.images not in truths:
            found.append(fact)
    return tuple(found)


@criterion("mirror-deleted")
def mirror_deleted(case: Case) -> Finding:
    """A person deleted the mirror through the API."""
    if isinstance(case.deed, PodDeleted):
        uid = case.deed.pod.uid
        return saw(f"{case.deed.by} deleted {case.mirror} with UID {uid} at {_clock(case.deed)}.")
    return missed(_instead(case, "delete", PodDeleted), Recorder.AUDIT)


@criterion("mirror-image-edited")
def mirror_image_edited(case: Case) -> Finding:
    """A person gave the mirror an image that its manifest does not name, and the API server took it."""
    if isinstance(case.deed, PodChanged):
        return saw(f"{case.deed.by} set {_named(case.deed.pod)} on {case.mirror} at {_clock(case.deed)}.")
    return missed(_instead(case, "patch", PodChanged), Recorder.AUDIT)


@criterion("mirror-recreated")
def mirror_recreated(case: Case) -> Finding:
    """After the delete the node's kubelet made a mirror of the same static pod, with another UID."""
    if not isinstance(case.deed, PodDeleted):
        return missed("There was no delete after which a mirror could return.", Recorder.AUDIT)
    return _returned(case, case.deed)


@criterion("truth-restored")
def truth_restored(case: Case) -> Finding:
    """After the edit a person deleted the mirror, and the kubelet made one with the manifest's image."""
    if not isinstance(case.deed, PodChanged):
        return missed("There was no false claim to put right.", Recorder.AUDIT)
    claim = _named(case.deed.pod)
    for deletion in deletions(case):
        assert isinstance(deletion, PodDeleted)
        if deletion.seq > case.deed.seq:
            return _returned(case, deletion)
    now = case.state().pod(case.mirror)
    if now is not None and now.images != case.deed.pod.images:
        return missed(f"The claim is {_named(now)} now, but you did not get there by deleting the mirror.")
    return missed(f"The API still claims {claim}.", Recorder.AUDIT)


def recreation(case: Case, deletion: PodDeleted) -> PodCreated | None:
    """The first mirror that the kubelet made after that delete, if the kubelet itself says so.

    Whoever is root on the node can use the kubelet's credentials, so the audit trail's word is checked
    against the kubelet's journal, which nobody on the node can write.
    """
    announced = any(
        (one.namespace, one.pod) == (deletion.pod.namespace, case.mirror)
        for one in case.after(deletion, MirrorAnnounced)
    )
    return _made_by_node(case, deletion) if announced else None


def _made_by_node(case: Case, deletion: PodDeleted) -> PodCreated | None:
    for fact in case.after(deletion, PodCreated):
        same_name = _is_mirror(case, fact.pod) and fact.pod.namespace == deletion.pod.namespace
        if same_name and fact.by_node(case.node) and fact.pod.uid != deletion.pod.uid:
            return fact
    return None


def _returned(case: Case, deletion: PodDeleted) -> Finding:
    made = recreation(case, deletion)
    if made is not None and made.pod.hash == deletion.pod.hash:
        seconds = (made.at - deletion.at).total_seconds()
        return saw(f"{made.by} created it with UID {made.pod.uid}, {max(seconds, 0):.1f} s after the delete.")
    if made is not None:
        return missed("The kubelet made a mirror of another static pod: the manifest had changed meanwhile.")
    if not case.state().manifests_of(case.pod, deletion.pod.namespace):
        return missed("The manifest is gone, so there is nothing that a mirror could reflect.")
    until = deletion.at + PATIENCE
    what = f"a new mirror {case.mirror}, made by the kubelet"
    if _made_by_node(case, deletion) is not None:
        seen = (
            "One was created with the kubelet's credentials, but not by the kubelet: its journal is silent."
        )
        return awaited(seen, what, until, Recorder.JOURNAL)
    return awaited("No new mirror has appeared since your delete.", what, until, Recorder.AUDIT)


def _instead(case: Case, verb: str, kind: type[PodDeleted] | type[PodChanged]) -> str:
    """What was seen in place of the deed that was asked for."""
    for fact in reversed(case.facts):
        if isinstance(fact, Refused) and fact.name == case.mirror and fact.by_student:
            return f"Your {fact.verb} of {case.mirror} was refused: {fact.message}"
        if isinstance(fact, kind) and fact.pod.name == case.mirror and fact.by_student:
            return f"Your {verb} of {case.mirror} was accepted, but it is not the one that was asked for."
    if kind is PodDeleted and any(_by_kubelet(case, fact) for fact in case.facts):
        return f"Only the kubelet deleted {case.mirror}, as it does when the manifest changes or goes."
    return f"The audit trail has no {verb} of {case.mirror} by an administrator."


def _by_kubelet(case: Case, fact: Fact) -> bool:
    return isinstance(fact, PodDeleted) and fact.pod.name == case.mirror and fact.by_node(case.node)


def _is_mirror(case: Case, pod: Pod) -> bool:
    return pod.is_mirror and pod.name == case.mirror


def _named(pod: Pod) -> str:
    return ", ".join(pod.images.values())


def _clock(fact: Fact) -> str:
    return f"{fact.at:%H:%M:%S} UTC"
