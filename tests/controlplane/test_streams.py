"""`kubectl exec`, `attach`, `cp`, `logs`, `port-forward` and the API's proxies, on clusters of every backend.

The client is the node's real kubectl, by WebSocket and by SPDY; what it reaches is a container, through the
API server, the kubelet and the runtime.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from labs.cluster import Cluster
from labs.runtime.images.build import static_busybox

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the nodes of this machine have no curl")
needs_httpd = pytest.mark.skipif(
    static_busybox() is None, reason="the images have no httpd without busybox-static"
)

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: streams}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: busybox:1.36
    command: [sh, -c, "mkdir /w; echo hello > /w/index.html; httpd -f -p 80 -h /w || sleep 100000"]
    ports: [{containerPort: 80}]
  - name: echo
    image: busybox:1.36
    stdin: true
    command: [sh, -c, "echo started; while read line; do echo got $line; done"]
"""
#: How a client of before Kubernetes 1.31 speaks.
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
WAIT = """
until kubectl get pod "$1" -o 'jsonpath={.status.containerStatuses[*].ready}' 2>/dev/null |
    grep -q 'true true'; do sleep 0.1; done
"""


class Streams:
    """The cluster, and its static pod `streams`."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.node = self.sh("hostname").strip()
        self.pod = f"streams-{self.node}"
        self.sh('cat > "$1/.s" && mv "$1/.s" "$1/streams.yaml"', "/etc/kubernetes/manifests", given=MANIFEST)
        self.sh(WAIT, self.pod)

    def sh(self, script: str, *arguments: str, given: str | None = None, **env: str) -> str:
        """What a script on the node prints; all must go well."""
        result = self.cluster.run(["sh", "-c", script, "sh", *arguments], input=given, env=env, timeout=120)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def kubectl(
        self, *arguments: str, given: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """kubectl to its end; POD and NODE in arguments are the pod's and the node's names."""
        words = [word.replace("POD", self.pod).replace("NODE", self.node) for word in arguments]
        return self.cluster.run(["kubectl", *words], input=given, env=env, timeout=120)

    def raw(self, path: str) -> tuple[str, str]:
        """What the API answers at a path, and what kubectl complains of."""
        result = self.kubectl("get", "--raw", path)
        return result.stdout, result.stderr


@pytest.fixture(scope="module")
def streams(each_backend: Cluster) -> Iterator[Streams]:
    """The pod runs; it is removed afterwards."""
    standing = Streams(each_backend)
    yield standing
    standing.sh("rm /etc/kubernetes/manifests/streams.yaml")


@pytest.fixture(params=[pytest.param({}, id="websocket"), pytest.param(SPDY, id="spdy")])
def protocol(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment that makes kubectl speak so."""
    env: dict[str, str] = request.param
    return env


def test_a_command_has_two_outputs_and_an_exit_code(streams: Streams, protocol: dict[str, str]) -> None:
    script = "echo out; echo err >&2; exit 3"

    result = streams.kubectl("exec", "POD", "-c", "web", "--", "sh", "-c", script, env=protocol)

    assert (result.stdout, result.returncode) == ("out\n", 3)
    assert result.stderr == "err\ncommand terminated with exit code 3\n"


def test_a_command_reads_to_the_end_of_its_input(streams: Streams, protocol: dict[str, str]) -> None:
    given = "".join(f"line {number}\n" for number in range(20_000))

    result = streams.kubectl(
        "exec", "-i", "POD", "-c", "web", "--", "sh", "-c", "cat; echo end", given=given, env=protocol
    )

    assert result.stdout == f"{given}end\n"


def test_a_command_that_is_not_there_is_told_as_on_a_real_cluster(streams: Streams) -> None:
    result = streams.kubectl("exec", "POD", "-c", "web", "--", "/nope")

    assert result.returncode == 1
    assert result.stderr.startswith(
        "error: Internal error occurred: Internal error occurred: error executing command in container: "
        "failed to exec in container: "
    )
    assert 'exec: "/nope": stat /nope: no such file or directory' in result.stderr


def test_a_pod_or_container_that_is_not_there_is_named(streams: Streams) -> None:
    assert streams.kubectl("exec", "nope", "--", "ls").stderr == (
        'Error from server (NotFound): pods "nope" not found\n'
    )
    nowhere = f"Error from server (BadRequest): container nope is not valid for pod {streams.pod}\n"
    path = f"/api/v1/namespaces/default/pods/{streams.pod}/exec?command=ls&stdout=true&container="
    assert streams.raw(f"{path}nope")[1] == nowhere


def test_a_stream_is_to_be_asked_for_as_one(streams: Streams) -> None:
    path = f"/api/v1/namespaces/default/pods/{streams.pod}/exec?command=ls&stdout=true&container=web"
    assert "Upgrade request required" in streams.raw(path)[1]


def test_files_are_copied_both_ways(streams: Streams) -> None:
    streams.sh('echo content > /tmp/there; kubectl cp /tmp/there "$1:/tmp/file" -c web', streams.pod)
    streams.sh('kubectl cp "$1:/tmp/file" /tmp/back -c web', streams.pod)

    assert streams.sh("cat /tmp/back") == "content\n"


def test_a_container_is_attached_to(streams: Streams, protocol: dict[str, str]) -> None:
    script = """
    exec 3>&1
    { echo line; until grep -q got /tmp/attached; do sleep 0.1; done; } |
        timeout 60 kubectl attach -i "$1" -c echo > /tmp/attached 2>/dev/null &
    until grep -q got /tmp/attached; do sleep 0.1; done
    kill $!; cat /tmp/attached
    """

    assert streams.sh(f": > /tmp/attached; {script}", streams.pod, **protocol) == "got line\n"


@needs_curl
@needs_httpd
def test_a_port_is_forwarded_many_times(streams: Streams, protocol: dict[str, str]) -> None:
    script = """
    : > /tmp/forward  # not what a run before has left
    kubectl port-forward "$1" :80 > /tmp/forward 2>&1 &
    until grep -q '^Forwarding from 127' /tmp/forward; do sleep 0.1; done
    port=$(sed -n 's/^Forwarding from 127.0.0.1:\\([0-9]*\\) .*/\\1/p' /tmp/forward)
    for number in 1 2 3; do curl -s "http://127.0.0.1:$port/"; done
    kill $!
    """

    assert streams.sh(script, streams.pod, **protocol) == "hello\n" * 3


@needs_curl
def test_a_refused_port_is_told_by_the_client(streams: Streams) -> None:
    script = """
    : > /tmp/forward  # not what a run before has left
    kubectl port-forward "$1" :81 > /tmp/forward 2>&1 &
    until grep -q '^Forwarding from 127' /tmp/forward; do sleep 0.1; done
    port=$(sed -n 's/^Forwarding from 127.0.0.1:\\([0-9]*\\) .*/\\1/p' /tmp/forward)
    curl -s "http://127.0.0.1:$port/" || true
    until grep -q 'error' /tmp/forward; do sleep 0.1; done
    kill $! 2>/dev/null || true; cat /tmp/forward
    """

    said = streams.sh(script, streams.pod)

    assert "error forwarding port 81 to pod" in said
    assert "connection refused" in said


def test_logs_are_cut_as_asked(streams: Streams) -> None:
    def logs(*options: str) -> str:
        return streams.kubectl("logs", "POD", "-c", "echo", *options).stdout

    assert logs("--limit-bytes=5") == "start"
    assert logs("--since=1h").startswith("started\n")
    assert logs("--tail=0") == ""
    stamp, _, text = logs("--timestamps").partition(" ")
    assert (stamp[-1], text[:8]) == ("Z", "started\n")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "tailLines=-1",
            'The PodLogOptions "POD" is invalid: tailLines: Invalid value: -1: '
            "must be greater than or equal to 0\n",
        ),
        (
            "sinceSeconds=0",
            'The PodLogOptions "POD" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0\n',
        ),
        ("tailLines=x", 'Error from server (BadRequest): strconv.ParseInt: parsing "x": invalid syntax\n'),
    ],
)
def test_impossible_logs_are_refused(streams: Streams, query: str, message: str) -> None:
    path = f"/api/v1/namespaces/default/pods/{streams.pod}/log?container=echo&{query}"

    assert streams.raw(path)[1] == message.replace("POD", streams.pod)


def test_a_kubelet_is_reached_through_the_api(streams: Streams) -> None:
    base = f"/api/v1/nodes/{streams.node}"

    assert streams.raw(f"{base}/proxy/healthz") == ("ok", "")
    assert streams.raw(f"{base}:10250/proxy/healthz") == ("ok", "")
    summary = json.loads(streams.raw(f"{base}/proxy/stats/summary")[0])
    assert streams.pod in [pod["podRef"]["name"] for pod in summary["pods"]]
    assert "kubelet_running_pods" in streams.raw(f"{base}/proxy/metrics")[0]
    assert streams.raw(f"{base}/proxy/nope")[1] == (
        "Error from server (NotFound): the server could not find the requested resource\n"
    )
    assert streams.raw("/api/v1/nodes/nope/proxy/healthz")[1] == (
        'Error from server (NotFound): nodes "nope" not found\n'
    )


@needs_httpd
def test_a_pod_is_reached_through_the_api(streams: Streams) -> None:
    base = "/api/v1/namespaces/default/pods"

    assert streams.raw(f"{base}/{streams.pod}/proxy/index.html") == ("hello\n", "")
    assert streams.raw(f"{base}/http:{streams.pod}:80/proxy/index.html") == ("hello\n", "")
    refused = streams.raw(f"{base}/{streams.pod}:81/proxy/")[1]
    assert refused.startswith(
        "Error from server (ServiceUnavailable): error trying to reach service: dial tcp "
    )
    assert refused.endswith(":81: connect: connection refused\n")


def test_streams_take_an_upgrade(streams: Streams) -> None:
    for action in ("exec", "attach", "portforward"):
        path = f"/api/v1/namespaces/default/pods/{streams.pod}/{action}?container=web"
        assert streams.raw(path)[1] == "Error from server (BadRequest): Upgrade request required\n"


@needs_curl
def test_the_exam_hardens_a_kubelet(streams: Streams) -> None:
    """CIS 4.2.1 and 4.2.2: the door is opened by the configuration file, and closed again."""
    script = """
    until_up() { until curl -sko /dev/null https://localhost:10250/nope; do sleep 0.1; done; }
    cp /var/lib/kubelet/config.yaml /tmp/config.yaml
    sed -i '/^  anonymous:/,/enabled/ s/enabled: false/enabled: true/; s/mode: Webhook/mode: AlwaysAllow/' \\
        /var/lib/kubelet/config.yaml
    systemctl restart kubelet; until_up
    curl -sk https://localhost:10250/pods | cut -c 1-16
    sed -i 's/mode: AlwaysAllow/mode: Webhook/' /var/lib/kubelet/config.yaml
    systemctl restart kubelet; until_up
    curl -sk https://localhost:10250/pods
    cp /tmp/config.yaml /var/lib/kubelet/config.yaml
    systemctl restart kubelet; until_up
    curl -sk https://localhost:10250/pods
    """

    assert streams.sh(script) == (
        '{"kind":"PodList\n'
        "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"
        "Unauthorized"
    )
