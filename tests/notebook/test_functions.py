"""`start`, `predict`, `explain`, `check`, `hint`, `live`: what they ask, and what they show."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from labs.judge import load
from labs.notebook.live import Feeds, LiveView
from labs.notebook.question import QuestionCard
from labs.notebook.session import Session
from tests.judge.story import Story
from tests.notebook.conftest import Run
from tests.notebook.desk import Desk, desk

QUESTION = {
    "exercise": "delete-mirror-pod",
    "question": "uid",
    "kind": "prediction",
    "text": "What of `web` & <co>?",
    "options": [{"key": "gone", "text": "Gone."}, {"key": "new-uid", "text": "A new `UID`."}],
    "answer": None,
}
VIEW: dict[str, Any] = {
    "pod": "web",
    "mirror": "web-desk",
    "node": "desk",
    "file": [
        {"path": "/etc/kubernetes/manifests/web.yaml", "name": "web", "image": "a:1", "sha256": "0" * 64}
    ],
    "runtime": [],
    "api": {"reachable": True, "pod": None},
}


def test_start_says_what_was_set_up(run: Run, the_desk: Desk) -> None:
    the_desk.answers["start"] = lambda asked: [
        {"progress": {"doing": "waiting for the kubelet to run web"}},
        {"result": {"exercise": asked["exercise"], "title": "A title", "minutes": 10, "max": 10}},
    ]

    ran = run('start("delete-mirror-pod")')

    assert the_desk.asked == [("start", {"exercise": "delete-mirror-pod", "follow": True})]
    assert "Waiting for the kubelet to run web …" in ran.text
    assert "It takes about 10 minutes and gives up to 10 points." in ran.text


def test_a_prediction_in_the_call_is_recorded_and_shown(run: Run, the_desk: Desk) -> None:
    the_desk.answers["answer"] = lambda asked: [{"result": asked}]
    the_desk.answers["question"] = lambda _: [{"result": QUESTION}]

    ran = run('predict("delete-mirror-pod", "uid", "new-uid")')

    assert the_desk.asked[0] == (
        "answer",
        {"exercise": "delete-mirror-pod", "question": "uid", "choice": "new-uid"},
    )
    assert "(x) new-uid: A new `UID`." in ran.text
    assert "<code>web</code> &amp; &lt;co&gt;" in ran.html


def test_a_question_that_is_left_open_is_no_error(run: Run, the_desk: Desk) -> None:
    the_desk.answers["question"] = lambda _: [{"result": QUESTION}]

    ran = run('explain("delete-mirror-pod", "uid",\n# Your work goes here.\n)')

    assert ran.error is None
    assert "(x)" not in ran.text


def test_a_click_records_the_choice_and_says_what_to_hand_in() -> None:
    given: list[str] = []
    card = QuestionCard(dict(QUESTION), "predict", given.append)

    card.choice = "new-uid"

    assert given == ["new-uid"]
    assert card.note == (
        "Recorded: `new-uid`. To hand it in, make the cell say "
        '`predict("delete-mirror-pod", "uid", "new-uid")`.'
    )


def test_the_verdict_is_shown_as_a_card(run: Run, the_desk: Desk) -> None:
    verdict = (
        Story("delete-mirror-pod").started().answered(uid="gone").delete().kubelet_answers_delete().verdict()
    )
    the_desk.answers["check"] = lambda _: [{"result": verdict.to_json()}]

    ran = run('check("delete-mirror-pod")')

    assert "delete-mirror-pod: 6 / 10 points" in ran.text
    assert "✓ The container ran on through all of it." in ran.text
    assert "✗ Your prediction did not come true" in ran.text
    assert ran.html.count('class="yes"') == 3
    assert ran.html.count('class="no"') == 2
    assert load("delete-mirror-pod").criteria[0].hint in ran.html


def test_a_criterion_that_could_not_be_judged_is_neither(run: Run, the_desk: Desk) -> None:
    verdict = Story("delete-mirror-pod").started().verdict(silent=("audit", "runtime"))
    the_desk.answers["check"] = lambda _: [{"result": verdict.to_json()}]

    assert 'class="unknown"' in run('check("delete-mirror-pod")').html


def test_a_check_says_what_it_waits_for(run: Run, the_desk: Desk) -> None:
    verdict = Story("delete-mirror-pod").verdict().to_json()
    the_desk.answers["check"] = lambda _: [
        {"progress": {"doing": "waiting for a new mirror", "seconds_left": 81}},
        {"result": verdict},
    ]

    assert "Waiting for a new mirror … (81 s at most)" in run('check("delete-mirror-pod")').text


def test_where_submissions_are_graded_check_keeps_quiet(run: Run, the_desk: Desk) -> None:
    the_desk.answers["check"] = lambda _: [{"result": {"recorded": True}}]

    ran = run('check("delete-mirror-pod")')

    assert ran.text.splitlines()[-1] == "Recorded. This exercise is graded outside of the notebook."


def test_hints_are_counted(run: Run, the_desk: Desk) -> None:
    the_desk.answers["hint"] = lambda _: [{"result": {"number": 1, "of": 3, "hint": "Look at `crictl ps`."}}]

    assert run('hint("delete-mirror-pod")').text == "Hint 1 of 3: Look at `crictl ps`."


def test_what_the_judge_refuses_is_one_line(run: Run, the_desk: Desk) -> None:
    ran = run('hint("nothing")')

    assert str(ran.error) == "'hint' is not offered here"
    assert "Traceback" not in ran.captured.stdout + ran.captured.stderr


def test_in_the_sandbox_a_live_view_is_a_still(run: Run, the_desk: Desk) -> None:
    the_desk.answers["view"] = lambda _: [{"result": VIEW}]

    ran = run('live("web")')

    assert the_desk.asked == [("view", {"pod": "web"})]
    assert "The file says: file /etc/kubernetes/manifests/web.yaml; image a:1" in ran.text
    assert "The API claims: nothing" in ran.text


def test_a_live_view_shows_each_change_until_its_cell_is_run_again(run: Run, the_desk: Desk) -> None:
    changed = {**VIEW, "api": {"reachable": False, "pod": None}}

    def answer(asked: dict[str, Any]):  # type: ignore[no-untyped-def]
        if not asked.get("follow"):
            return [{"result": VIEW}]
        return [{"progress": VIEW}, {"progress": changed}]

    the_desk.answers["view"] = answer
    feeds = Feeds(Session(print))
    first = feeds.show("web", "cell 1")
    _until_it_shows(first, "view", changed)
    second = feeds.show("web", "cell 1")

    assert second.view == changed
    assert first.note == "no longer live: this cell was run again"


def test_a_live_view_outlives_the_cluster_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labs.notebook.live.PAUSE", 0.01)
    monkeypatch.setenv("CKS_LABS_STUDENT_SOCKET", str(tmp_path / "a.sock"))
    changed = {**VIEW, "file": []}
    followed = threading.Event()

    def answer(asked: dict[str, Any]) -> list[dict[str, Any]]:
        if asked.get("follow"):
            followed.set()
        return [{"progress" if asked.get("follow") else "result": VIEW}]

    with desk(tmp_path / "a.sock") as first:
        first.answers["view"] = answer
        view = Feeds(Session(print)).show("web", "cell 1")
        assert followed.wait(10)
    _until_it_shows(view, "note", "waiting for the cluster: cluster", beginning=True)

    with desk(tmp_path / "a.sock") as second:
        second.answers["view"] = lambda _: [{"progress": changed}]
        _until_it_shows(view, "view", changed)


def _until_it_shows(view: LiveView, trait: str, value: Any, *, beginning: bool = False) -> None:
    def fits(seen: Any) -> bool:
        return bool(seen.startswith(value) if beginning else seen == value)

    shown = threading.Event()
    view.observe(lambda change: shown.set() if fits(change["new"]) else None, trait)
    assert fits(getattr(view, trait)) or shown.wait(10)
