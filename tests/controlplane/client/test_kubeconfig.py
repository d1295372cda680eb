"""What is wrong with a kubeconfig is told in clientcmd's words; these were said by a real kube-scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.controlplane.client import KubeconfigError, load

CONTEXT = "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
EMPTY = (
    "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment "
    "variable"
)
GO = (
    "json parse error: json: cannot unmarshal {} into Go value of type struct "
    '{{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }}'
)
WRONG = {
    "empty": ("", EMPTY),
    "a word": (
        "garbage\n",
        f'error loading config file "PATH": couldn\'t get version/kind; {GO.format("string")}',
    ),
    "a list": (
        "- a\n",
        f'error loading config file "PATH": couldn\'t get version/kind; {GO.format("array")}',
    ),
    "a context that is not there": (
        "current-context: nope\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n",
        "invalid configuration: [context was not found for specified context: nope, cluster has no server "
        "defined]",
    ),
    "a cluster that is not there": (f"{CONTEXT}clusters: [{{name: other, cluster: {{}}}}]\n", EMPTY),
    "files that are not there": (
        f"{CONTEXT}clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1', "
        "certificate-authority: /nope/ca.crt}}]\n"
        "users: [{name: u, user: {client-certificate: /nope/c.crt, client-key: /nope/c.key}}]\n",
        "invalid configuration: ["
        "unable to read client-cert /nope/c.crt for u due to open /nope/c.crt: no such file or directory, "
        "unable to read client-key /nope/c.key for u due to open /nope/c.key: no such file or directory, "
        "unable to read certificate-authority /nope/ca.crt for c due to open /nope/ca.crt: no such file or "
        "directory]",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_as_clientcmd_does(case: str, tmp_path: Path) -> None:
    text, message = WRONG[case]
    path = tmp_path / "kubeconfig"
    path.write_text(text)

    with pytest.raises(KubeconfigError) as error:
        load(str(path))

    assert str(error.value) == message.replace("PATH", str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError) as error:
        load(str(tmp_path / "none"))

    assert str(error.value) == f"stat {tmp_path}/none: no such file or directory"


def test_a_directory_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError) as error:
        load(str(tmp_path))

    assert str(error.value) == f'error loading config file "{tmp_path}": read {tmp_path}: is a directory'


def test_what_is_good_is_the_current_context(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    (tmp_path / "ca.crt").write_text("authority")
    path.write_text(
        f"{CONTEXT}clusters: [{{name: c, cluster: {{server: 'https://10.0.0.1:6443/', "
        "certificate-authority: ca.crt}}]\nusers: [{name: u, user: {token: secret}}]\n"
    )

    config = load(str(path))

    assert (config.server, config.host, config.port) == ("https://10.0.0.1:6443", "10.0.0.1", 6443)
    assert (config.authority, config.token) == (b"authority", "secret")
