"""What clients say of an answer that is no Status; recorded from components 1.36.2 asking in plain HTTP."""

import pytest

from labs.golang.genericresponse import refusal

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"


@pytest.mark.parametrize(
    ("method", "path", "code", "body", "said"),
    [
        ("GET", f"{LEASE}?timeout=5s", 400, b"Client sent an HTTP request to an HTTPS server.\n",
         "the server rejected our request for an unknown reason "
         "(get leases.coordination.k8s.io kube-scheduler)"),
        ("GET", "/api/v1/pods?limit=500", 400, b"",
         "the server rejected our request for an unknown reason (get pods)"),
        ("POST", "/api/v1/namespaces/a/events", 502, b"Bad Gateway\n",
         'an error on the server ("Bad Gateway") has prevented the request from succeeding (post events)'),
        ("GET", "/api/v1/namespaces/a", 404, b"404 page not found\n",
         "the server could not find the requested resource (get namespaces a)"),
        ("GET", "/version", 500, b"",
         'an error on the server ("unknown") has prevented the request from succeeding'),
        ("PATCH", "/api/v1/nodes/n/status", 418, b"tea",
         "the server responded with the status code 418 but did not return more information (patch nodes n)"),
    ],
)  # fmt: skip
def test_a_refusal_names_what_was_asked_for(
    method: str, path: str, code: int, body: bytes, said: str
) -> None:
    assert refusal(method, path, code, body)[1] == said
