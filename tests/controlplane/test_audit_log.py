"""The audit log that `--audit-policy-file` and `--audit-log-path` ask for, as the real server keeps it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.controlplane.apiserver.audit._log import Log
from labs.controlplane.apiserver.audit._policy import Level, Policy
from labs.controlplane.apiserver.context import Target, User
from labs.controlplane.apiserver.options import InvalidOptions

from .plane import Plane, pod, until

HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
POLICY = (
    HEAD
    + """
omitStages: [RequestReceived]
rules:
- {level: None, nonResourceURLs: ["/readyz*", "/livez", "/api*", "/apis*", "/openapi*"]}
- {level: None, userGroups: ["system:unauthenticated"]}
- {level: Metadata, resources: [{resources: [secrets, configmaps]}]}
- {level: Request, verbs: [watch], omitStages: []}
- {level: RequestResponse, namespaces: [default], resources: [{group: "", resources: [pods]}]}
- {level: Metadata, verbs: [create], omitStages: [ResponseComplete]}
- {level: Metadata, nonResourceURLs: [/version]}
"""
)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plane, Path]]:
    """A control plane with an audit log."""
    plane = Plane(tmp_path_factory.mktemp("logged"))
    policy, log = plane.folder / "policy.yaml", plane.folder / "audit" / "audit.log"
    policy.write_text(POLICY)
    plane.start_etcd()
    plane.api = plane.spawn(plane.flags(audit_policy_file=str(policy), audit_log_path=str(log)))
    plane.wait_ready()
    plane.give_account("default")
    yield plane, log
    plane.stop()


def _events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def _since(log: Path, act: Callable[[], object]) -> list[dict[str, Any]]:
    """What `act` adds to the log, at the latest when it returns."""
    before = len(_events(log))
    act()
    return _events(log)[before:]


def test_a_request_is_in_the_log_before_its_answer(logged: tuple[Plane, Path]) -> None:
    plane, log = logged

    events = _since(log, lambda: plane.request("POST", "/api/v1/namespaces/default/pods", pod("one")))

    assert [(e["stage"], e["level"], e["verb"]) for e in events] == [
        ("ResponseComplete", "RequestResponse", "create")
    ]
    assert events[0]["requestObject"]["metadata"]["name"] == "one"
    assert events[0]["responseObject"]["metadata"]["uid"]
    assert events[0]["responseStatus"] == {"metadata": {}, "code": 201}
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_first_matching_rule_decides(logged: tuple[Plane, Path]) -> None:
    plane, log = logged

    events = _since(log, lambda: plane.request("GET", "/api/v1/namespaces/default/secrets"))

    assert [(e["level"], e["verb"]) for e in events] == [("Metadata", "list")]
    assert "responseObject" not in events[0]


def test_what_no_rule_matches_is_not_logged(logged: tuple[Plane, Path]) -> None:
    plane, log = logged

    assert _since(log, lambda: plane.request("GET", "/api/v1/nodes")) == []


def test_paths_of_the_server_have_rules_of_their_own(logged: tuple[Plane, Path]) -> None:
    plane, log = logged

    events = _since(log, lambda: plane.request("GET", "/version"))

    assert [(e["verb"], e["requestURI"]) for e in events] == [("get", "/version")]
    assert "objectRef" not in events[0]


def test_a_stage_can_be_left_out_for_one_rule(logged: tuple[Plane, Path]) -> None:
    plane, log = logged

    body = {"metadata": {"name": "quiet"}}
    assert _since(log, lambda: plane.request("POST", "/api/v1/namespaces", body)) == []


def test_a_watch_is_logged_when_it_starts_and_when_it_ends(logged: tuple[Plane, Path]) -> None:
    plane, log = logged
    before = len(_events(log))

    plane.request("GET", "/api/v1/namespaces/default/services?watch=1&timeoutSeconds=1")
    until(lambda: len(_events(log)) >= before + 2)

    started, ended = _events(log)[before:]
    assert (started["stage"], ended["stage"]) == ("ResponseStarted", "ResponseComplete")
    assert started["auditID"] == ended["auditID"]


def test_the_answer_names_its_record(logged: tuple[Plane, Path]) -> None:
    plane, log = logged
    connection = plane.connection()

    connection.request("GET", "/version", headers={"Audit-ID": "mine"})
    answer = connection.getresponse()
    answer.read()
    connection.close()

    assert answer.headers["Audit-Id"] == "mine"
    assert _events(log)[-1]["auditID"] == "mine"


def test_a_request_is_also_logged_when_it_comes_in(tmp_path: Path) -> None:
    plane = Plane(tmp_path)
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text(f"{HEAD}rules: [{{level: Metadata, nonResourceURLs: [/version]}}]\n")
    plane.start_etcd()
    try:
        flags = plane.flags(audit_policy_file=str(policy), audit_log_path=str(log), audit_log_format="legacy")
        plane.api = plane.spawn(flags)
        plane.wait_ready()
        plane.request("GET", "/version")
    finally:
        plane.stop()

    received, complete = log.read_text().splitlines()
    assert 'stage="RequestReceived"' in received
    assert 'response="<deferred>"' in received
    assert 'method="get" user="kubernetes-admin"' in complete
    assert complete.endswith('namespace="<none>" uri="/version" response="200"')


#: Recorded of kube-apiserver 1.36.2: the policy, and what stands between `file: ` and `: from file`.
REFUSED = {
    "": "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy",
    "a: b\n c: [\n": "failed decoding: yaml: line 2: mapping values are not allowed in this context",
    "apiVersion: audit.k8s.io/v1\nrules: []\n": "loaded illegal policy with 0 rules",
    "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]\n": "failed decoding: no kind "
    '"Policy" is registered for version "audit.k8s.io/v1beta1" in scheme '
    '"k8s.io/apiserver/pkg/audit/scheme.go:30"',
    f"{HEAD}rules:\n- level: metadata\n- {{}}\n": '[rules[0].level: Unsupported value: "metadata": supported '
    'values: "None", "Metadata", "Request", "RequestResponse", rules[1].level: Required value]',
    f"{HEAD}omitStages: [Foo]\nrules:\n- {{level: None}}\n": 'omitStages[0]: Invalid value: "Foo": allowed '
    "stages are RequestReceived,ResponseStarted,ResponseComplete,Panic",
    f"{HEAD}rules:\n- {{level: None, nonResourceURLs: [/a], namespaces: [x]}}\n": "rules[0].nonResourceURLs: "
    'Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs',
    f"{HEAD}rules:\n- {{level: None, nonResourceURLs: [b, '/a*b']}}\n": "[rules[0].nonResourceURLs[0]: "
    "Invalid value: \"b\": non-resource URL rules must begin with a '/' character, "
    "rules[0].nonResourceURLs[1]: Invalid value: \"/a*b\": non-resource URL wildcards '*' must be the final "
    "character of the rule]",
    f"{HEAD}rules:\n- {{level: None, resources: [{{group: '', resourceNames: [x]}}]}}\n": "rules[0].resources"
    '.resourceNames: Invalid value: ["x"]: using resourceNames requires at least one resource',
    f"{HEAD}rules:\n- {{level: None, users: bob}}\n": "failed decoding: json: cannot unmarshal string into "
    "Go struct field PolicyRule.rules.users of type []string",
    f"{HEAD}rules:\n  level: None\n": "failed decoding: json: cannot unmarshal object into Go struct field "
    "Policy.rules of type []v1.PolicyRule",
    "hello\n": "failed decoding: couldn't get version/kind; json parse error: json: cannot unmarshal string "
    'into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string '
    '"json:\\"kind,omitempty\\"" }',
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_bad_policy_is_refused_in_the_real_servers_words(text: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)

    with pytest.raises(InvalidOptions) as refused:
        Policy.load(str(path))

    assert str(refused.value) == f"loading audit policy file: {REFUSED[text]}: from file {path}"


def test_a_missing_policy_is_refused_in_the_real_servers_words(tmp_path: Path) -> None:
    path = tmp_path / "no.yaml"

    with pytest.raises(InvalidOptions) as refused:
        Policy.load(str(path))

    why = f"open {path}: no such file or directory"
    assert str(refused.value) == f'loading audit policy file: failed to read file path "{path}": {why}'


def test_a_field_nobody_knows_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"{HEAD}foo: bar\nrules:\n- {{level: None, resource: [x]}}\n")

    Policy.load(str(path))

    assert 'strict decoding error: unknown field "foo", unknown field "rules[0].resource"' in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("resources", "target", "matches"),
    [
        ("{resources: [pods]}", ("pods", "", "a"), True),
        ("{resources: [pods]}", ("pods", "log", "a"), False),
        ("{resources: [pods/log]}", ("pods", "log", "a"), True),
        ("{resources: ['pods/*']}", ("pods", "log", "a"), True),
        ("{resources: ['pods/*']}", ("pods", "", "a"), True),
        ("{resources: ['*/log']}", ("pods", "log", "a"), True),
        ("{resources: ['*']}", ("pods", "log", "a"), True),
        ("{group: '*'}", ("pods", "", "a"), True),
        ("{group: apps}", ("pods", "", "a"), False),
        ("{resources: [pods], resourceNames: [b]}", ("pods", "", "a"), False),
        ("{resources: [pods], resourceNames: [a]}", ("pods", "", "a"), True),
    ],
)
def test_a_rule_means_these_resources(
    resources: str, target: tuple[str, str, str], matches: bool, tmp_path: Path
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"{HEAD}rules:\n- {{level: Request, resources: [{resources}]}}\n")
    resource, subresource, name = target
    asked = Target("get", "/", "", "v1", resource, subresource, "default", name)

    decision = Policy.load(str(path)).decide(User("bob", ()), asked)

    assert decision.level == (Level.REQUEST if matches else Level.NONE)


def test_a_full_log_is_moved_aside_and_the_oldest_dropped(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "audit.log"), megabytes=1, backups=1, days=0, compress=True)

    for letter in b"abc":
        log.write(bytes([letter]) * 900_000 + b"\n")

    (backup,) = (path for path in tmp_path.iterdir() if path.name != "audit.log")
    assert backup.name.startswith("audit-")
    assert backup.name.endswith(".log.gz")
    assert (tmp_path / "audit.log").read_bytes().startswith(b"ccc")


def test_a_log_that_cannot_be_opened_ends_the_server(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match=f"ensureLogFile: open {tmp_path}: is a directory"):
        Log(str(tmp_path), megabytes=1, backups=1, days=0, compress=False)
