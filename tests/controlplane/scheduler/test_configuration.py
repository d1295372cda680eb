"""A file for `--config`: what the real scheduler 1.36.2 said of each, or that it went on."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.controlplane.component import StartError
from labs.controlplane.scheduler import __main__ as scheduler
from labs.controlplane.scheduler.config import Configuration, Profile

#: `{kc}` is a kubeconfig.
RECORDED = [
    json.loads(line)
    for line in Path(__file__).parent.with_name("scheduler_configurations.jsonl").read_text().splitlines()
]
HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


@pytest.mark.parametrize("case", [each for each in RECORDED if each["says"]], ids=lambda case: case["case"])
def test_a_wrong_file_ends_it_with_the_real_ones_words(
    case: dict[str, Any],
    tmp_path: Path,
    kubeconfig: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(case["file"].replace("{kc}", kubeconfig))
    monkeypatch.setattr(sys, "argv", ["kube-scheduler", f"--config={file}", "--secure-port=0"])

    status = scheduler.main()

    said = re.split(r"^[EF]\d{4} \S+ +\d+ \S+\] ", capfd.readouterr().err, flags=re.MULTILINE)[-1]
    assert (status, said.removesuffix("\n")) == (1, case["says"])


@pytest.mark.parametrize(
    "case", [each for each in RECORDED if not each["says"]], ids=lambda case: case["case"]
)
def test_a_file_with_which_the_real_one_goes_on_is_taken(
    case: dict[str, Any], tmp_path: Path, kubeconfig: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(case["file"].replace("{kc}", kubeconfig))

    assert Configuration.read(str(file)).kubeconfig == kubeconfig


def test_a_profile_does_without_the_filters_it_turns_off(tmp_path: Path, kubeconfig: str) -> None:
    file = tmp_path / "config.yaml"
    off = "plugins: {filter: {disabled: [{name: NodePorts}]}, multiPoint: {disabled: [{name: NodeName}]}}"
    file.write_text(
        f"{HEAD}clientConnection: {{kubeconfig: {kubeconfig}}}\n"
        f"profiles:\n- schedulerName: a\n  {off}\n- schedulerName: b\n"
    )

    profiles = Configuration.read(str(file)).profiles

    assert profiles == (Profile("a", frozenset(("NodePorts", "NodeName"))), Profile("b"))


def test_what_names_itself_is_refused(tmp_path: Path, kubeconfig: str) -> None:
    file = tmp_path / "config.yaml"
    config = "pluginConfig: [{name: NodeAffinity, args: &a {b: *a, c: 1, c: 2}}]"
    file.write_text(
        f"{HEAD}clientConnection: {{kubeconfig: {kubeconfig}}}\nprofiles: [{{schedulerName: a, {config}}}]\n"
    )

    with pytest.raises(StartError, match=r"^yaml: anchor 'a' value contains itself$"):
        Configuration.read(str(file))
