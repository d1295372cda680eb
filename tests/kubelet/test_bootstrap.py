"""A kubeconfig that is not good any more: what the journal says, and what the kubelet ends with."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs.kubelet import bootstrap
from labs.kubelet.config import ConfigError
from tests.controlplane import pki

NOW = datetime.now(UTC)
CONF, BOOTSTRAP = "kubelet.conf", "bootstrap-kubelet.conf"
GARBAGE = base64.b64encode(b"garbage").decode()
NO_BOOTSTRAP = "unable to load bootstrap kubeconfig: stat {}: no such file or directory"
UNREADABLE = "unable to read existing bootstrap client config from {}: "
NO_TLS = "unable to load TLS configuration from existing bootstrap client config read from {}: "
UNKNOWN = "context was not found for specified context: other"
NO_CONTEXT = f"invalid configuration: [{UNKNOWN}, cluster has no server defined]"
NO_PEM = "unable to load root certificates: unable to parse bytes as PEM block"

Json = dict[str, Any]
Break = Callable[[Json], None]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.write(folder)
    return folder


@pytest.fixture
def kubeconfig(certificates: Path) -> Json:
    """One that is good."""

    def data(name: str) -> str:
        return base64.b64encode((certificates / name).read_bytes()).decode()

    cluster = {"server": "https://localhost:6443", "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kubernetes", "cluster": cluster}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "kubernetes", "user": "me"}}],
        "current-context": "here",
    }


def load(folder: Path, *, fallback: bool, now: datetime = NOW) -> bootstrap.Client:
    other = str(folder / BOOTSTRAP) if fallback else ""
    return bootstrap.load(str(folder / CONF), other, lambda path: Path(path).read_bytes(), now)


def end(folder: Path, kubeconfig: Json | None, *, fallback: bool, now: datetime = NOW) -> str:
    """What a kubelet ends with that has this kubeconfig, or none."""
    if kubeconfig is not None:
        (folder / CONF).write_text(yaml.safe_dump(kubeconfig))
    with pytest.raises(ConfigError) as ended:
        load(folder, fallback=fallback, now=now)
    prefix = "failed to run Kubelet: "
    assert str(ended.value).startswith(prefix)
    return str(ended.value).removeprefix(prefix)


def cluster(key: str, value: str) -> Break:
    return lambda it: it["clusters"][0]["cluster"].update({key: value})


def user(**fields: str) -> Break:
    named = {key.replace("_", "-"): value for key, value in fields.items()}
    return lambda it: it["users"][0]["user"].update(named)


def other_context(it: Json) -> None:
    it["current-context"] = "other"


def nobody(it: Json) -> None:
    it["contexts"][0]["context"]["user"] = "nobody"


def test_a_good_one_is_taken(tmp_path: Path, kubeconfig: Json) -> None:
    (tmp_path / CONF).write_text(yaml.safe_dump(kubeconfig))

    for fallback in (True, False):
        config, context = load(tmp_path, fallback=fallback)

        assert (config.server, context is not None) == ("https://localhost:6443", True)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (cluster("certificate-authority-data", GARBAGE), f"failed to initialize kubelet client: {NO_PEM}"),
        (
            cluster("certificate-authority-data", "***"),
            'invalid kubeconfig: error loading config file "{}": illegal base64 data at input byte 0',
        ),
        (other_context, f"invalid kubeconfig: {NO_CONTEXT}"),
        (
            user(client_certificate_data="", client_certificate="/nope.pem"),
            "invalid kubeconfig: invalid configuration: unable to read client-cert /nope.pem for me due to "
            "open /nope.pem: no such file or directory",
        ),
    ],
)
def test_without_a_bootstrap_kubeconfig_it_ends_with_what_is_wrong(
    tmp_path: Path, kubeconfig: Json, broken: Break, why: str
) -> None:
    broken(kubeconfig)

    assert end(tmp_path, kubeconfig, fallback=False) == why.format(tmp_path / CONF)


def test_without_either_it_ends_with_the_missing_file(tmp_path: Path) -> None:
    missing = f"invalid kubeconfig: stat {tmp_path / CONF}: no such file or directory"

    assert end(tmp_path, None, fallback=False) == missing


@pytest.mark.parametrize(
    ("broken", "line", "why"),
    [
        (other_context, 242, UNREADABLE + NO_CONTEXT),
        (cluster("certificate-authority-data", GARBAGE), 252, NO_TLS + NO_PEM),
        (
            user(client_certificate_data=GARBAGE),
            252,
            f"{NO_TLS}tls: failed to find any PEM data in certificate input",
        ),
        (
            nobody,
            257,
            "unable to load TLS certificates from existing bootstrap client config read from {}: data does "
            "not contain any valid RSA or ECDSA certificates",
        ),
    ],
)
def test_with_a_bootstrap_kubeconfig_the_journal_says_what_is_wrong(
    tmp_path: Path, kubeconfig: Json, broken: Break, line: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken(kubeconfig)

    ended = end(tmp_path, kubeconfig, fallback=True)

    assert ended == NO_BOOTSTRAP.format(tmp_path / BOOTSTRAP)
    said = (
        f'bootstrap.go:{line}] "Unhandled Error" err="{why.format(tmp_path / CONF)}" logger="UnhandledError"'
    )
    assert capsys.readouterr().err.rstrip("\n").endswith(said)


def test_a_client_certificate_that_is_over_is_told_with_its_end(
    tmp_path: Path, kubeconfig: Json, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = end(tmp_path, kubeconfig, fallback=True, now=NOW + timedelta(days=36500))

    assert ended == NO_BOOTSTRAP.format(tmp_path / BOOTSTRAP)
    what = re.escape(f"part of the existing bootstrap client certificate in {tmp_path / CONF}")
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC"
    assert re.search(rf'bootstrap\.go:267\] .* err="{what} is expired: {when}"', capsys.readouterr().err)


def test_one_that_is_missing_is_not_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert end(tmp_path, None, fallback=True) == NO_BOOTSTRAP.format(tmp_path / BOOTSTRAP)
    assert "Unhandled Error" not in capsys.readouterr().err


def test_a_bootstrap_kubeconfig_that_is_there_is_of_no_use_here(tmp_path: Path, kubeconfig: Json) -> None:
    (tmp_path / BOOTSTRAP).write_text(yaml.safe_dump(kubeconfig))

    assert end(tmp_path, None, fallback=True) == (
        f"this kubelet does not bootstrap from {tmp_path / BOOTSTRAP}: restore {tmp_path / CONF}"
    )
