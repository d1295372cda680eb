"""Evidence written by hand, in the shapes that real components leave behind (`recorded/` has originals).

A `Story` is told in the order in which things happened; each method adds what the recorders would have
written down for it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from hypothesis import HealthCheck, settings

from labs.judge import Exercise, Verdict, judge, load

NODE = "cks-control-plane"
MIRROR = f"web-{NODE}"
KUBELET = f"system:node:{NODE}"
ADMIN = "kubernetes-admin"
MANIFEST = "/etc/kubernetes/manifests/web.yaml"
START = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
"""For properties: they hold however slow the machine is."""


class Story:
    """What happened on a node, told to the judge."""

    def __init__(self, exercise: str) -> None:
        self.exercise: Exercise = load(exercise)
        self.records: list[dict[str, Any]] = []
        self.now = START
        self.uid = ""
        self.container = ""
        self.image = "busybox:1.36"
        self.hash = "538c85545d97f5c72d75e6c035d947c8"
        self._names = 0

    def started(self) -> Self:
        """The exercise was set up: manifest, container, mirror, and the lab's word for it."""
        self.write_manifest(self.image)
        self.run_container()
        self.make_mirror()
        return self.lab("start", seed="a")

    def lab(self, event: str, **data: Any) -> Self:
        return self._add("lab", event=event, exercise=data.pop("exercise", self.exercise.id), **data)

    def answered(self, **choices: str) -> Self:
        for question, choice in choices.items():
            self.lab("answer", question=question, choice=choice)
        return self

    def pause(self, seconds: float) -> Self:
        self.now += timedelta(seconds=seconds)
        return self

    # The node.

    def write_manifest(self, image: str, *, path: str = MANIFEST) -> Self:
        content = self.exercise.manifests["web.yaml"].replace("busybox:1.36", image)
        digest = hashlib.sha256(content.encode()).hexdigest()
        return self._add("file", event="written", path=path, sha256=digest, content=content)

    def remove_manifest(self) -> Self:
        return self._add("file", event="removed", path=MANIFEST)

    def run_container(self) -> Self:
        self.container = self._name("c") * 8
        return self._container("ContainerStarted")

    def stop_container(self, code: int = 137) -> Self:
        return self._container("ContainerExited", exitCode=code)

    def _container(self, event: str, **more: Any) -> Self:
        pod = {"name": MIRROR, "namespace": "default", "uid": self.hash}
        about = {"id": self.container, "sandbox": "s", "pod": pod, "container": "main", "attempt": 0}
        return self._add("runtime", event=event, image=f"docker.io/library/{self.image}", **about, **more)

    # The API server.

    def make_mirror(self, *, by: str = KUBELET, announced: bool = True, hash: str | None = None) -> Self:
        """Have the kubelet (or who has its credentials) create the mirror; the kubelet's journal tells."""
        if announced:
            self.announce()
        self.hash = hash or self.hash
        self.uid = self._name("uid")
        return self.audit("create", by, self.pod())

    def announce(self) -> Self:
        said = f'"Creating a mirror pod for static pod" pod="default/{MIRROR}"'
        line = f"I1123 17:57:39.038382       1 kubelet.go:3514] {said}"
        return self._add("journal", unit="kubelet.service", identifier="kubelet", pid=1, message=line)

    def delete(self, *, by: str = ADMIN, grace: int = 1) -> Self:
        """Delete the mirror; with grace 0 it is gone at once, else only marked."""
        marked = self.pod(deletionTimestamp="2026-11-23T17:57:40Z", deletionGracePeriodSeconds=grace)
        return self.audit("delete", by, marked, request={"gracePeriodSeconds": grace} if grace == 0 else {})

    def kubelet_answers_delete(self) -> Self:
        """What a kubelet does when its mirror is marked as deleted: it removes it and makes a new one."""
        return self.pause(0.02).delete(by=KUBELET, grace=0).make_mirror()

    def patch(self, image: str, *, by: str = ADMIN, code: int = 200) -> Self:
        """Set the mirror's image."""
        return self.audit("patch", by, self.pod(image=image), code=code)

    def label(self) -> Self:
        return self.audit("patch", ADMIN, self.pod(labels={"image": "busybox-1.37"}))

    def audit(
        self,
        verb: str,
        by: str,
        pod: dict[str, Any],
        *,
        code: int = 200,
        request: dict[str, Any] | None = None,
    ) -> Self:
        """One write as the API server's audit trail has it."""
        status: dict[str, Any] = {"metadata": {}, "code": code}
        if code >= 400:
            status |= {"status": "Failure", "message": "no", "reason": "Forbidden"}
        event = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "RequestResponse",
            "stage": "ResponseComplete",
            "requestURI": f"/api/v1/namespaces/default/pods/{MIRROR}",
            "verb": verb,
            "user": {"username": by},
            "objectRef": {"resource": "pods", "namespace": "default", "name": MIRROR, "apiVersion": "v1"},
            "responseStatus": status,
            "requestObject": request or {},
            "responseObject": pod if code < 400 else {"kind": "Status"},
        }
        return self._add("audit", event=event)

    def pod(
        self, *, image: str | None = None, labels: dict[str, str] | None = None, **meta: Any
    ) -> dict[str, Any]:
        """The mirror as the API server has it."""
        annotations = {
            "kubernetes.io/config.hash": self.hash,
            "kubernetes.io/config.mirror": self.hash,
            "kubernetes.io/config.source": "file",
        }
        metadata = {"name": MIRROR, "namespace": "default", "uid": self.uid, "annotations": annotations}
        metadata |= {"labels": labels or {"app": "web"}, **meta}
        spec = {"containers": [{"name": "main", "image": image or self.image}]}
        return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}

    # The judge.

    def verdict(self, *, silent: tuple[str, ...] = (), after: float = 0.0) -> Verdict:
        """What the judge says, so many seconds after the last thing that happened."""
        now = self.now + timedelta(seconds=after)
        return judge(self.exercise, self.records, node=NODE, now=now, silent=silent)

    def passed(self, **about: Any) -> set[str]:
        """The criteria that passed."""
        return {ruling.id for ruling in self.verdict(**about).rulings if ruling.passed}

    def _add(self, source: str, **fields: Any) -> Self:
        self.now += timedelta(milliseconds=10)
        at = self.now.isoformat().replace("+00:00", "Z")
        self.records.append({"seq": len(self.records), "at": at, "source": source, "node": NODE, **fields})
        return self

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names:07d}"
