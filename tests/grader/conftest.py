"""A course that nbgrader knows already, copied for each test that wants one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.grader.courses import Course


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Generated once, and left as it is."""
    course = Course(tmp_path_factory.mktemp("course"))
    course.generate()
    return course


@pytest.fixture
def course(generated: Course, tmp_path: Path) -> Course:
    return generated.copy(tmp_path / "course")


@pytest.fixture(scope="module")
def shared_course(generated: Course, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Course]:
    """For a module whose tests look at one batch."""
    return lambda: generated.copy(tmp_path_factory.mktemp("batch") / "course")
