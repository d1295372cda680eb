"""Reading evidence: what real components recorded, and whatever else a student may bring into it."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from labs.judge.facts import ManifestWritten, PodChanged, PodCreated, PodDeleted, Refused, read, short_image
from labs.judge.state import State
from tests.judge.story import UNHURRIED

RECORDED = Path(__file__).parent / "recorded" / "audit.jsonl"
AT = "2026-11-23T17:55:13.104750Z"


def recorded() -> list[object]:
    """An API server's audit trail: a mirror is made, deleted, made anew, edited, deleted by force."""
    events = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    records = [{"seq": seq, "at": AT, "source": "audit", "event": event} for seq, event in enumerate(events)]
    return [read(record) for record in records]


def test_a_real_audit_trail_reads_as_the_story_it_is() -> None:
    told = [(type(fact), fact.by) for fact in recorded() if fact is not None]  # type: ignore[attr-defined]
    kubelet, admin = "system:node:cks-control-plane", "kubernetes-admin"

    assert told == [
        (PodCreated, kubelet),
        (Refused, kubelet),
        (PodChanged, kubelet),
        (PodDeleted, admin),
        (PodDeleted, kubelet),
        (PodCreated, kubelet),
        (Refused, kubelet),
        (PodChanged, kubelet),
        (PodChanged, admin),
        (PodChanged, admin),
        (Refused, admin),
        (PodDeleted, admin),
        (Refused, kubelet),
    ]


def test_a_graceful_delete_only_marks_the_object_and_a_forced_one_removes_it() -> None:
    deletes = [fact for fact in recorded() if isinstance(fact, PodDeleted)]

    assert [fact.gone for fact in deletes] == [False, True, True]


def test_an_edit_shows_in_the_image_and_not_in_the_uid() -> None:
    before, after = [fact.pod for fact in recorded() if isinstance(fact, PodChanged)][1:3]

    assert (before.images, after.images) == ({"main": "busybox:1.36"}, {"main": "busybox:1.37"})
    assert before.uid == after.uid


def test_where_nodes_are_new_nothing_is_left_of_what_was() -> None:
    facts = [fact for fact in recorded() if fact is not None][:1]
    assert State().apply_all(facts).pods  # type: ignore[arg-type]

    renewed = read({"seq": 9, "at": AT, "source": "lab", "event": "renewed"})

    assert State().apply_all([*facts, renewed]).pods == {}  # type: ignore[list-item]


def test_after_the_forced_delete_the_api_knows_the_pod_no_more() -> None:
    state = State().apply_all(fact for fact in recorded() if fact is not None)  # type: ignore[misc]

    assert state.pod("web-cks-control-plane") is None


def test_images_are_compared_by_the_names_that_manifests_use() -> None:
    assert short_image("docker.io/library/busybox:1.36") == "busybox:1.36"
    assert short_image("registry.k8s.io/pause:3.10") == "registry.k8s.io/pause:3.10"


def test_a_manifest_that_is_no_yaml_names_no_pod() -> None:
    for content in (
        "a: [",
        "metadata: {name: 2026-99-99}",
        "\t",
        "x: 1\n" * 100_000,
        "[" * 5_000,
        "!!python/x y",
    ):
        record = {
            "seq": 1,
            "at": AT,
            "source": "file",
            "event": "written",
            "path": "/m/a.yaml",
            "content": content,
        }

        fact = read(record)

        assert isinstance(fact, ManifestWritten)
        assert fact.pod == ""


def test_hidden_files_are_no_manifests() -> None:
    record = {"seq": 1, "at": AT, "source": "file", "event": "written", "path": "/m/.web.yaml", "content": ""}

    assert read(record) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = """event pod id container image attempt exitCode path content unit identifier message
exercise question choice seed number"""
fields = st.sampled_from(FIELDS.split())
verbs = st.sampled_from(["create", "update", "patch", "delete"])


@UNHURRIED
@given(
    st.sampled_from(["runtime", "journal", "file", "lab", "shell", "else"]), st.dictionaries(fields, anything)
)
def test_no_record_stops_the_judge(source: str, data: dict[str, object]) -> None:
    read({**data, "seq": 1, "at": AT, "source": source})


@UNHURRIED
@given(verbs, anything, anything, anything, anything)
def test_no_audit_event_stops_the_judge(
    verb: str, user: object, status: object, request: object, response: object
) -> None:
    event = {
        "verb": verb,
        "objectRef": {"resource": "pods"},
        "user": user,
        "responseStatus": status,
        "requestObject": request,
        "responseObject": {
            "kind": "Pod",
            "metadata": {"uid": "u", "annotations": response},
            "spec": response,
        },
    }
    read({"seq": 1, "at": AT, "source": "audit", "event": event})


def journal(message: str) -> object:
    about = {"unit": "kubelet.service", "identifier": "kubelet", "message": message}
    return read({"seq": 1, "at": AT, "source": "journal", **about})


def test_the_kubelet_says_itself_that_it_makes_a_mirror() -> None:
    said = '"Creating a mirror pod for static pod" pod="default/web-cks-control-plane"'

    assert journal(f"I1123 17:55:13.118413  132932 kubelet.go:3514] {said}") is not None
    assert journal(f"\t{said}") is None
    assert journal(f'E1123 17:55:13.118413  132932 file.go:108] "Could not process" err=<\n{said}') is None
