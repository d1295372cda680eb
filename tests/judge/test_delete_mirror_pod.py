"""`delete-mirror-pod`: what earns its points, what does not, and when the judge still waits."""

from __future__ import annotations

import pytest

from labs.judge import Verdict
from tests.judge.story import ADMIN, KUBELET, Story

ALL = {"predicted", "deleted", "recreated", "same-container", "explained"}


@pytest.fixture
def story() -> Story:
    return Story("delete-mirror-pod")


def ruling(verdict: Verdict, id: str):  # type: ignore[no-untyped-def]
    return next(one for one in verdict.rulings if one.id == id)


def test_the_whole_way_earns_all_points(story: Story) -> None:
    story.started().answered(uid="new-uid").delete().kubelet_answers_delete().answered(why="file")

    assert story.passed() == ALL
    assert story.verdict().points == story.exercise.points


def test_a_forced_delete_is_the_same_deed(story: Story) -> None:
    story.started().answered(uid="new-uid").delete(grace=0).pause(81).make_mirror().answered(why="file")

    assert story.passed() == ALL


def test_an_empty_submission_earns_nothing(story: Story) -> None:
    assert story.verdict().points == 0
    assert story.started().verdict().points == 0


def test_what_was_done_before_the_start_does_not_count(story: Story) -> None:
    story.started().answered(uid="new-uid").delete().kubelet_answers_delete().answered(why="file")

    assert story.started().verdict().points == 0


def test_what_is_done_in_the_next_exercise_does_not_count_either(story: Story) -> None:
    story.started().answered(uid="new-uid").lab("start", exercise="edit-has-no-effect")
    story.delete().kubelet_answers_delete()

    assert story.passed() == {"predicted"}


def test_what_was_earned_outlives_the_nodes_and_nothing_is_earned_on_new_ones(story: Story) -> None:
    story.started().answered(uid="new-uid").delete().kubelet_answers_delete().lab("renewed")
    story.answered(why="file")

    assert story.passed() == ALL - {"explained"}


def test_a_prediction_made_after_the_delete_is_none(story: Story) -> None:
    story.started().delete().kubelet_answers_delete().answered(uid="new-uid", why="file")

    assert story.passed() == ALL - {"predicted"}
    assert ruling(story.verdict(), "predicted").seen == "Your answer came after the deed."


def test_the_last_prediction_before_the_delete_counts(story: Story) -> None:
    story.started().answered(uid="gone").answered(uid="new-uid").delete().kubelet_answers_delete()

    assert "predicted" in story.passed()


def test_a_correction_after_the_delete_changes_nothing(story: Story) -> None:
    story.started().answered(uid="gone").delete().kubelet_answers_delete().answered(uid="new-uid")

    assert "predicted" not in story.passed()


def test_an_explanation_given_before_anything_happened_is_none(story: Story) -> None:
    story.started().answered(uid="new-uid", why="file").delete().kubelet_answers_delete()

    assert story.passed() == ALL - {"explained"}


def test_removing_the_manifest_earns_the_prediction_only(story: Story) -> None:
    story.started().answered(uid="new-uid").remove_manifest().stop_container().delete(by=KUBELET, grace=0)
    story.answered(why="file")

    assert story.passed() == {"predicted"}


def test_restarting_the_kubelet_earns_the_prediction_only(story: Story) -> None:
    story.started().answered(uid="new-uid").pause(3).answered(why="file")

    assert story.passed() == {"predicted"}


def test_editing_the_manifest_earns_the_prediction_only(story: Story) -> None:
    story.started().answered(uid="new-uid").write_manifest("busybox:1.37").stop_container()
    story.delete(by=KUBELET, grace=0).run_container().make_mirror(hash="other").answered(why="file")

    assert story.passed() == {"predicted"}
    assert "Only the kubelet deleted" in ruling(story.verdict(), "deleted").seen


def test_a_mirror_of_another_static_pod_is_no_answer_to_the_delete(story: Story) -> None:
    story.started().delete(grace=0).write_manifest("busybox:1.37").stop_container().run_container()
    story.make_mirror(hash="other")

    assert story.passed() == {"deleted"}


def test_a_mirror_made_with_the_kubelets_credentials_is_not_the_kubelets(story: Story) -> None:
    story.started().delete(grace=0).make_mirror(announced=False)

    assert story.passed(after=200) == {"deleted"}
    assert "its journal is silent" in ruling(story.verdict(), "recreated").seen


def test_a_mirror_made_by_the_administrator_is_not_the_kubelets(story: Story) -> None:
    story.started().delete(grace=0).make_mirror(by=ADMIN, announced=False)

    assert "recreated" not in story.passed(after=200)


def test_a_container_that_was_stopped_meanwhile_is_not_the_same(story: Story) -> None:
    story.started().delete(grace=0).stop_container().run_container().make_mirror()

    assert story.passed() == {"deleted", "recreated"}
    assert "exited with code 137" in ruling(story.verdict(), "same-container").seen


def test_what_happens_to_the_container_after_the_new_mirror_stands_is_another_story(story: Story) -> None:
    story.started().delete().kubelet_answers_delete().remove_manifest().stop_container()

    assert "same-container" in story.passed()


def test_a_refused_delete_is_no_delete(story: Story) -> None:
    story.started().audit("delete", ADMIN, story.pod(), code=403)

    assert story.passed() == set()
    assert "was refused" in ruling(story.verdict(), "deleted").seen


def test_a_second_try_makes_good_for_the_first(story: Story) -> None:
    story.started().answered(uid="new-uid")
    story.delete(grace=0).stop_container().run_container().make_mirror()
    story.delete().kubelet_answers_delete().answered(why="file")

    assert story.passed() == ALL


def test_the_judge_waits_for_a_mirror_deleted_by_force(story: Story) -> None:
    story.started().delete(grace=0)

    (wait,) = story.verdict(after=80).waits
    assert wait.what == "a new mirror web-cks-control-plane, made by the kubelet"
    assert (wait.until - story.now).total_seconds() == 180


def test_the_judge_does_not_wait_longer_than_the_bound(story: Story) -> None:
    story.started().delete(grace=0)

    assert story.verdict(after=181).waits == ()


def test_the_judge_does_not_wait_for_the_mirror_of_a_manifest_that_is_gone(story: Story) -> None:
    story.started().delete(grace=0).remove_manifest()

    assert story.verdict().waits == ()


def test_without_the_audit_trail_an_unseen_delete_cannot_be_judged(story: Story) -> None:
    story.started().answered(uid="new-uid")

    verdict = story.verdict(silent=("audit",))
    assert ruling(verdict, "deleted").passed is None
    assert ruling(verdict, "predicted").passed is True
    assert verdict.needs_attention


def test_without_the_runtimes_log_an_undisturbed_container_cannot_be_judged(story: Story) -> None:
    story.started().delete().kubelet_answers_delete()

    verdict = story.verdict(silent=("runtime",))
    assert ruling(verdict, "same-container").passed is None
    assert ruling(verdict, "recreated").passed is True


def test_what_was_seen_is_sure_whoever_is_silent(story: Story) -> None:
    story.started().delete(grace=0).stop_container().run_container().make_mirror()

    assert ruling(story.verdict(silent=("audit", "runtime")), "same-container").passed is False
