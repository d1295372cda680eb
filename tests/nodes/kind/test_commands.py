"""Commands on a kind node: the same as on an embedded one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from labs.errors import LabsError
from tests.nodes.conftest import Supervised
from tests.nodes.test_client import (  # noqa: F401 - these are to hold on every kind of node
    test_a_child_that_keeps_the_output_open_does_not_keep_the_caller,
    test_a_command_that_takes_too_long_is_hung_up_on,
    test_a_killed_client_takes_its_command_along,
    test_a_shell_starts_in_roots_home_with_roots_environment,
    test_a_terminal_follows_its_window,
    test_a_terminal_is_a_terminal_there,
    test_ctrl_c_in_a_terminal_is_the_nodes,
    test_ctrl_c_reaches_the_command_and_its_status_comes_back,
    test_evidence_is_followed_as_it_comes,
    test_input_environment_and_directory_go_there,
    test_large_output_is_whole,
    test_output_errors_and_status_come_back,
    test_the_status_is_what_a_shell_says,
)
from tests.nodes.test_supervisor import (  # noqa: F401
    Ask,
    test_nonsense_is_answered_and_harms_nobody_else,
    test_students_commands_are_evidence,
    test_the_students_socket_refuses,
)

pytestmark = pytest.mark.long


def test_the_status_names_the_backend(standing: Supervised) -> None:
    status = standing.student.call("status")

    assert (status["backend"], status["nodes"]) == ("kind", [standing.node])


def test_what_docker_refuses_is_one_line(standing: Supervised) -> None:
    with pytest.raises(LabsError, match=r"^[^\n]*no such file or directory[^\n]*$"):
        standing.student.run(["true"], cwd="/no/such/directory")


def test_many_commands_at_once_do_not_wait_for_each_other(standing: Supervised) -> None:
    meet = (
        'mkdir -p /tmp/meet; touch /tmp/meet/$0; until [ "$(ls /tmp/meet | wc -l)" = 8 ]; do sleep 0.05; done'
    )

    def come(number: int) -> int:
        return standing.student.run(["sh", "-c", meet, str(number)], timeout=60).returncode

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(come, range(8))) == [0] * 8
