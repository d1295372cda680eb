"""`edit-has-no-effect`: what earns its points and what does not."""

from __future__ import annotations

import pytest

from tests.judge.story import ADMIN, KUBELET, Story

ALL = {"predicted", "edited", "same-container", "manifest-untouched", "restored", "explained"}
OTHER = "busybox:1.37"


@pytest.fixture
def story() -> Story:
    return Story("edit-has-no-effect")


def test_the_whole_way_earns_all_points(story: Story) -> None:
    story.started().answered(image="lie").patch(OTHER).delete().kubelet_answers_delete().answered(why="hash")

    assert story.passed() == ALL
    assert story.verdict().points == story.exercise.points


def test_an_edit_that_is_left_standing_misses_the_restoration_only(story: Story) -> None:
    story.started().answered(image="lie").patch(OTHER).answered(why="hash")

    assert story.passed() == ALL - {"restored"}


def test_an_empty_submission_earns_nothing(story: Story) -> None:
    assert story.verdict().points == 0
    assert story.started().verdict().points == 0


def test_deleting_the_mirror_without_having_edited_it_earns_nothing(story: Story) -> None:
    story.started().delete().kubelet_answers_delete().answered(why="hash")

    assert story.passed() == set()


def test_editing_the_manifest_earns_the_prediction_only(story: Story) -> None:
    story.started().answered(image="lie").write_manifest(OTHER).stop_container()
    story.delete(by=KUBELET, grace=0).run_container().make_mirror(hash="other").answered(why="hash")

    assert story.passed() == {"predicted"}


def test_a_label_is_not_the_claim_that_was_asked_for(story: Story) -> None:
    story.started().answered(image="lie").label().answered(why="hash")

    assert story.passed() == {"predicted"}


def test_an_edit_that_the_api_server_refused_is_none(story: Story) -> None:
    story.started().patch(OTHER, code=422)

    assert story.passed() == set()


def test_the_kubelets_own_writes_are_no_edits(story: Story) -> None:
    story.started().patch(OTHER, by=KUBELET)

    assert story.passed() == set()


def test_typing_the_old_image_back_is_no_restoration(story: Story) -> None:
    story.started().answered(image="lie").patch(OTHER).patch("busybox:1.36").answered(why="hash")

    assert story.passed() == ALL - {"restored"}


def test_typing_the_old_image_back_is_no_deed_of_its_own(story: Story) -> None:
    story.started().patch(OTHER).stop_container().run_container().patch("busybox:1.36")

    assert "same-container" not in story.passed()


def test_changing_the_file_as_well_leaves_nothing_to_conclude(story: Story) -> None:
    story.started().patch(OTHER).write_manifest(OTHER).stop_container()
    story.delete(by=KUBELET, grace=0).run_container().make_mirror(hash="other")

    assert story.passed() == {"edited"}


def test_a_second_file_for_the_same_pod_touches_its_manifest_too(story: Story) -> None:
    story.started().patch(OTHER).write_manifest(OTHER, path="/etc/kubernetes/manifests/web.yaml.bak")

    assert "manifest-untouched" not in story.passed()


def test_writing_the_same_content_again_is_no_change(story: Story) -> None:
    story.started().patch(OTHER).write_manifest("busybox:1.36")

    assert "manifest-untouched" in story.passed()


def test_what_happens_after_the_liar_was_deleted_is_another_story(story: Story) -> None:
    story.started().patch(OTHER).delete().kubelet_answers_delete().write_manifest(OTHER).stop_container()

    assert {"same-container", "manifest-untouched", "restored"} <= story.passed()


def test_a_new_mirror_that_still_lies_restores_nothing(story: Story) -> None:
    story.started().patch(OTHER).delete(grace=0).make_mirror(by=ADMIN, announced=False)

    assert "restored" not in story.passed(after=200)
