"""Where components find the API server: the real ones' words for flags and kubeconfigs that leave it open."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.controlplane.client import KubeconfigError, config, from_flags

EMPTY = (
    "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment "
    "variable"
)
MASTER = "https://192.0.2.1:6443"


@pytest.fixture
def conf(tmp_path: Path) -> str:
    """A kubeconfig of somebody with a token."""
    path = tmp_path / "conf"
    path.write_text(
        "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443'}}]\n"
        "users: [{name: u, user: {token: abc}}]\n"
    )
    return str(path)


def changed(conf: str, old: str, new: str) -> str:
    path = Path(conf)
    path.write_text(path.read_text().replace(old, new))
    return conf


def test_the_kubeconfigs_server_it_is(conf: str) -> None:
    found = from_flags(conf, "")

    assert (found.server, found.token) == ("https://127.0.0.1:6443", "abc")


def test_a_master_is_asked_instead_as_the_same_user(conf: str) -> None:
    found = from_flags(conf, MASTER)

    assert (found.server, found.token) == (MASTER, "abc")


def test_a_master_is_enough(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")

    assert from_flags("", MASTER).server == MASTER
    assert from_flags(str(tmp_path / "empty"), MASTER).server == MASTER


def test_a_master_needs_no_cluster_but_the_context_that_is_named(conf: str) -> None:
    assert from_flags(changed(conf, "clusters: [{name: c,", "clusters: [{name: d,"), MASTER).server == MASTER

    with pytest.raises(KubeconfigError) as caught:
        from_flags(changed(conf, "current-context: a", "current-context: b"), MASTER)
    assert str(caught.value) == "invalid configuration: context was not found for specified context: b"


@pytest.mark.parametrize("server", ["127.0.0.1:6443", "nobody", "http://127.0.0.1:6443"])
def test_without_tls_nobody_says_who_he_is(conf: str, server: str) -> None:
    found = from_flags(changed(conf, "https://127.0.0.1:6443", server), "")

    url = server if "//" in server else f"http://{server}"
    assert (found.server, found.token, found.tls(print)) == (url, "", None)


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("a b", 'parse "http://a b": invalid character " " in host name'),
        ("x:y:z", 'parse "http://x:y:z": invalid port ":y:z" after host'),
        ("/x", 'host must be a URL or a host:port pair: "/x"'),
        ("https://[x", 'host must be a URL or a host:port pair: "https://[x"'),
    ],
)
def test_what_is_no_address_is_refused_when_it_is_to_be_used(server: str, why: str) -> None:
    found = from_flags("", server)

    with pytest.raises(KubeconfigError) as caught:
        found.tls(print)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (
            {},
            "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
            "must be defined",
        ),
        (
            {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"},
            "open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory",
        ),
    ],
)
def test_with_neither_it_cannot_know(
    inside: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in inside.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(KubeconfigError) as caught:
        from_flags("", "")

    assert str(caught.value) == EMPTY
    first, second = capfd.readouterr().err.splitlines()
    told = (
        "Neither --kubeconfig nor --master was specified.  Using the inClusterConfig.  This might not work."
    )
    assert first.endswith(f"client_config.go:683] {told}")
    assert second.endswith(
        f"client_config.go:689] error creating inClusterConfig, falling back to default config: {why}"
    )


def test_a_mounted_service_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("abc\n")
    (tmp_path / "ca.crt").write_text("an authority")
    monkeypatch.setattr(config, "_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    found = from_flags("", "")

    assert (found.server, found.token, found.authority) == ("https://[fd00::1]:443", "abc", b"an authority")
