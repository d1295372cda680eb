"""Who may use port 10250: what CIS 4.2.1 to 4.2.4 ask for, in the real kubelet's words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from labs.kubelet.__main__ import _configuration
from labs.kubelet.hostfs import HostFs
from tests.kubelet.server.serving import OPEN, served
from tests.kubelet.test_access import Reviewer

DENIED = "Forbidden (user={}, verb=get, resource=nodes, subresource(s)=[{}])\n"


def ask(
    root: Path,
    path: str,
    client: str | None = None,
    headers: dict[str, str] | None = None,
    **settings: object,
) -> tuple[int, str]:
    async def scenario() -> tuple[int, str]:
        api = Reviewer({"jane": ["metrics"], "bot": ["pods"]})
        async with served(root, api, **settings) as kubelet:  # type: ignore[arg-type]
            answer = await kubelet.ask(path, client=client, headers=headers)
            return answer.status, answer.text

    return asyncio.run(scenario())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Connection": "close"}


@pytest.mark.parametrize("client", [None, "mallory"])
def test_without_a_certificate_of_this_cluster_nothing_is_told(tmp_path: Path, client: str | None) -> None:
    assert ask(tmp_path, "/pods", client) == (401, "Unauthorized")


def test_a_foreign_certificate_is_worse_than_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, "/pods", "mallory", **OPEN) == (401, "Unauthorized")
    assert (
        'server.go:376] "Unable to authenticate the request due to an error" err="verifying certificate SN='
        in (log := capsys.readouterr().err)
    )
    assert 'failed: x509: certificate signed by unknown authority"' in log


def test_a_user_of_the_cluster_may_what_the_api_server_allows(tmp_path: Path) -> None:
    assert ask(tmp_path, "/metrics", "jane")[0] == 200


@pytest.mark.parametrize(
    ("path", "subresources"),
    [
        ("/pods", "pods proxy"),
        ("/healthz/ping", "healthz proxy"),
        ("/configz", "configz proxy"),
        ("/stats/summary", "stats"),
        ("/logs/", "log"),
        ("/exec/x", "proxy"),
    ],
)
def test_and_nothing_else(tmp_path: Path, path: str, subresources: str) -> None:
    assert ask(tmp_path, path, "jane") == (403, DENIED.format("jane", subresources))


def test_a_path_that_nobody_has_is_told_to_everybody(tmp_path: Path) -> None:
    assert ask(tmp_path, "/nope") == (404, "404 page not found\n")


def test_a_token_is_as_good_as_a_certificate(tmp_path: Path) -> None:
    assert ask(tmp_path, "/pods", headers=bearer("good"))[0] == 200


def test_a_bad_token_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, "/pods", headers=bearer("bad")) == (401, "Unauthorized")
    assert 'err="invalid bearer token"' in capsys.readouterr().err


def test_anonymous_users_are_let_in_where_they_are_allowed_and_told_what_they_may_not(tmp_path: Path) -> None:
    expected = (403, DENIED.format("system:anonymous", "pods proxy"))

    assert ask(tmp_path, "/pods", anonymous_auth=True) == expected


def test_always_allow_with_anonymous_users_is_an_open_door(tmp_path: Path) -> None:
    assert ask(tmp_path, "/pods", **OPEN)[0] == 200


def test_a_kubelet_without_a_configuration_file_has_the_old_open_defaults(tmp_path: Path) -> None:
    config = _configuration(HostFs(str(tmp_path)), [])

    assert (config.anonymous_auth, config.webhook_auth) == (True, False)
    assert (config.authorization_mode, config.read_only_port) == ("AlwaysAllow", 10255)


def test_a_configuration_file_closes_them_and_flags_win(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
    )
    fs = HostFs(str(tmp_path))

    closed = _configuration(fs, ["--config=/config.yaml"])
    opened = _configuration(fs, ["--config=/config.yaml", "--read-only-port=10255", "--anonymous-auth=true"])

    assert (closed.anonymous_auth, closed.authorization_mode, closed.read_only_port) == (False, "Webhook", 0)
    assert (opened.anonymous_auth, opened.read_only_port) == (True, 10255)
