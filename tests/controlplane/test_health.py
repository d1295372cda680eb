"""`/livez` and `/readyz` as probes and people use them."""

from __future__ import annotations

from .plane import Plane

HOOKS = [
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/peer-endpoint-reconciler-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-apiserver-identity-lease-controller",
    "poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
    "poststarthook/storage-readiness",
    "poststarthook/start-legacy-token-tracking-controller",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/bootstrap-controller",
    "poststarthook/start-kubernetes-service-cidr-controller",
    "poststarthook/aggregator-reload-proxy-client-cert",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-wait-for-first-sync",
    "poststarthook/apiservice-discovery-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
]


def _page(endpoint: str, *names: str) -> str:
    return "".join(f"[+]{name} ok\n" for name in names) + f"{endpoint} check passed\n"


def test_livez_lists_its_checks_as_recorded(plane: Plane) -> None:
    expected = _page("livez", "ping", "log", "loopback-serving-certificate", "etcd", *HOOKS)

    assert plane.request("GET", "/livez?verbose", user=None) == (200, expected)


def test_readyz_lists_its_checks_as_recorded(plane: Plane) -> None:
    expected = _page("readyz", "ping", "log", "informer-sync", *HOOKS, "shutdown")

    assert plane.request("GET", "/readyz?verbose", user=None) == (200, expected)


def test_without_verbose_it_is_one_word(plane: Plane) -> None:
    assert plane.request("GET", "/livez", user=None) == (200, "ok")


def test_a_single_check_can_be_asked_for(plane: Plane) -> None:
    assert plane.request("GET", "/livez/etcd") == (200, "ok")
    assert plane.request("GET", "/livez/nonsense")[0] == 404
    # only /livez as such is open to everybody
    assert plane.request("GET", "/livez/etcd", user=None)[0] == 403


def test_a_single_check_that_fails_says_why(own_plane: Plane) -> None:
    own_plane.stop_etcd()

    code, text = own_plane.request("GET", "/livez/etcd")

    why = "error getting data from etcd: context deadline exceeded"
    assert (code, text) == (500, f"internal server error: {why}\n")


def test_the_version_is_as_recorded(plane: Plane) -> None:
    version = plane.request("GET", "/version", user=None)[1]

    assert version["gitVersion"] == "v1.36.2"
    assert set(version) == {
        *("major", "minor", "emulationMajor", "emulationMinor", "minCompatibilityMajor"),
        *("minCompatibilityMinor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion"),
        *("compiler", "platform"),
    }


def test_requests_are_counted(plane: Plane) -> None:
    plane.request("GET", "/api/v1/pods")

    page = plane.request("GET", "/metrics")[1]

    assert 'apiserver_request_total{code="200",component="apiserver",group="",resource="pods",' in page
