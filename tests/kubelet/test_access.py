"""Who may use the kubelet's own API, as the API server says (`authentication`, `authorization` webhooks)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from labs.kubelet.access import Access, Denied, Rules, User
from labs.kubelet.api_client import ApiError

ALICE = User("alice", ("dev",))


class Reviewer:
    """An API server that answers reviews."""

    def __init__(self, allowed: Mapping[str, list[str]], down: bool = False) -> None:
        self._allowed = allowed
        self.down = down
        self.asked: list[dict[str, Any]] = []

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = ""
    ) -> dict[str, Any]:
        self.asked.append(body)
        if self.down:
            raise ApiError(0, "connection refused")
        spec = body["spec"]
        if path.endswith("/tokenreviews"):
            known = spec["token"] == "good"
            user = {"username": "bot", "groups": ["bots"]}
            return {"status": {"authenticated": True, "user": user} if known else {"error": "no"}}
        wanted = spec["resourceAttributes"]["subresource"]
        return {"status": {"allowed": wanted in self._allowed.get(spec["user"], ())}}


def admit(
    api: Reviewer | None, user: User | None, path: str, rules: Rules | None = None, header: str = ""
) -> User:
    return asyncio.run(Access(api, "node-1", rules or Rules()).admit(user, header, "GET", path))


def test_the_api_server_is_asked_about_nodes_proxy() -> None:
    api = Reviewer({"alice": ["proxy"]})

    admit(api, ALICE, "/containerLogs/default/web/main")

    assert api.asked[0]["spec"] == {
        "user": "alice",
        "groups": ["dev", "system:authenticated"],
        "resourceAttributes": {
            "verb": "get",
            "version": "v1",
            "resource": "nodes",
            "subresource": "proxy",
            "name": "node-1",
        },
    }


@pytest.mark.parametrize(
    ("path", "subresource"),
    [
        ("/pods", "pods"),
        ("/runningpods/", "pods"),
        ("/healthz", "healthz"),
        ("/configz", "configz"),
        ("/metrics/cadvisor", "metrics"),
        ("/stats/summary", "stats"),
        ("/logs/", "log"),
    ],
)
def test_a_finer_subresource_will_do(path: str, subresource: str) -> None:
    assert admit(Reviewer({"alice": [subresource]}), ALICE, path).name == "alice"


def test_who_may_not_is_told_in_the_real_kubelets_words() -> None:
    with pytest.raises(Denied) as denied:
        admit(Reviewer({}), ALICE, "/pods")

    assert denied.value.status == 403
    assert str(denied.value) == (
        "Forbidden (user=alice, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"
    )


def test_masters_are_asked_about_like_everybody() -> None:
    with pytest.raises(Denied, match=r"Authorization error \(user=root, verb=get, resource=nodes") as denied:
        admit(Reviewer({}, down=True), User("root", ("system:masters",)), "/pods")
    assert denied.value.status == 500


def test_without_credentials_nothing_is_told() -> None:
    with pytest.raises(Denied, match="Unauthorized") as denied:
        admit(Reviewer({}), None, "/pods")
    assert denied.value.status == 401


def test_anonymous_users_are_asked_about_where_they_are_let_in() -> None:
    with pytest.raises(Denied, match=r"user=system:anonymous"):
        admit(Reviewer({}), None, "/pods", Rules(anonymous=True))


def test_a_token_that_nobody_reviews_is_as_good_as_none() -> None:
    rules = Rules(anonymous=True, webhook=False, mode="AlwaysAllow")

    assert admit(None, None, "/pods", rules, "Bearer good").name == "system:anonymous"


def test_always_allow_lets_everybody_in() -> None:
    assert admit(None, None, "/pods", Rules(anonymous=True, mode="AlwaysAllow")).name == "system:anonymous"


def test_a_token_is_reviewed() -> None:
    api = Reviewer({"bot": ["proxy"]})

    assert admit(api, None, "/exec", header="Bearer good") == User("bot", ("bots",))
    with pytest.raises(Denied, match="Unauthorized"):
        admit(api, None, "/exec", header="Bearer bad")


def test_tokens_are_refused_where_the_webhook_is_off() -> None:
    with pytest.raises(Denied, match="Unauthorized"):
        admit(Reviewer({}), None, "/exec", Rules(webhook=False), "Bearer good")


def test_an_api_server_that_is_away_is_an_error_and_no_refusal() -> None:
    with pytest.raises(Denied, match=r"Authorization error \(user=alice") as denied:
        admit(Reviewer({}, down=True), ALICE, "/exec")
    assert denied.value.status == 500


def test_answers_are_kept_for_their_time() -> None:
    now = 0.0
    api = Reviewer({"alice": ["proxy"]})
    access = Access(api, "node-1", Rules(allowed_ttl=300), lambda: now)

    async def twice() -> None:
        await access.admit(ALICE, "", "GET", "/exec")
        await access.admit(ALICE, "", "GET", "/exec")

    asyncio.run(twice())
    assert len(api.asked) == 1
    now = 301.0
    asyncio.run(twice())
    assert len(api.asked) == 2
