"""Whether a container's image is there, pulled when the policy says so, and told in the real words."""

import asyncio
import json
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as api

from labs.kubelet.backoff import Backoff
from labs.kubelet.cri import CriError
from labs.kubelet.images import Image, ImageManager
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.sync_errors import StartError
from tests.kubelet.node import manifest
from tests.kubelet.virtual_time import virtual

SANDBOX = api.PodSandboxConfig()


def pod_of(image: str = "b:1", policy: str = "IfNotPresent", uid: str = "u") -> Pod:
    obj = manifest(container={"image": image, "imagePullPolicy": policy}, metadata={"uid": uid})
    return pod_from_file(json.dumps(obj).encode(), "/m/web.yaml", "n")


class Store:
    """An image service: what it has, and how pulling ends."""

    def __init__(self, *names: str) -> None:
        self.images = {name: api.Image(id=f"id of {name}", size=7) for name in names}
        self.asked: list[str] = []
        self.pulls: list[str] = []
        self.takes = 0.0
        self.pulling = self.most_at_once = 0
        self.pull_error: CriError | None = None
        self.status_error: CriError | None = None
        self.keeps = True

    async def image_status(self, image: str) -> api.Image | None:
        self.asked.append(image)
        if self.status_error is not None:
            raise self.status_error
        return self.images.get(image)

    async def pull_image(self, image: str, sandbox_config: api.PodSandboxConfig) -> str:
        assert sandbox_config is SANDBOX
        self.pulls.append(image)
        self.pulling += 1
        self.most_at_once = max(self.pulling, self.most_at_once)
        await asyncio.sleep(self.takes)
        self.pulling -= 1
        if self.pull_error is not None:
            raise self.pull_error
        if self.keeps:
            self.images[image] = api.Image(id=f"id of {image}", size=11)
        return f"ref of {image}"


class Said:
    """Keeps what events say."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, str]] = []

    def pod(self, pod: Pod, kind: str, reason: str, message: str, container: Any = None) -> None:
        self.events.append((kind, reason, message, container.name))


class Bench:
    def __init__(self, store: Store, parallel: bool = False) -> None:
        self.store = store
        self.said = Said()
        loop = asyncio.get_running_loop()
        events: Any = self.said
        self.manager = ImageManager(store, events, Backoff(10, 300, loop.time), parallel)

    async def ensure(self, pod: Pod) -> Image:
        return await self.manager.ensure(pod, pod.containers[0], SANDBOX)

    async def refused(self, pod: Pod) -> tuple[str, str]:
        with pytest.raises(StartError) as caught:
            await self.ensure(pod)
        assert caught.value.container == "main"
        return caught.value.reason, caught.value.message


@virtual
@pytest.mark.parametrize("policy", ["IfNotPresent", "Never"])
async def test_an_image_that_is_there_is_not_pulled(policy: str) -> None:
    bench = Bench(Store("b:1"))

    image = await bench.ensure(pod_of(policy=policy))

    assert image.id == "id of b:1"
    assert bench.store.pulls == []
    message = 'Container image "b:1" already present on machine and can be accessed by the pod'
    assert bench.said.events == [("Normal", "Pulled", message, "main")]


@virtual
@pytest.mark.parametrize(("policy", "names"), [("Always", ["b:1"]), ("IfNotPresent", [])])
async def test_an_image_is_pulled_where_it_lacks_and_where_always_is_asked_for(
    policy: str, names: list[str]
) -> None:
    bench = Bench(Store(*names))
    bench.store.takes = 1.5

    image = await bench.ensure(pod_of(policy=policy))

    assert image.id == "id of b:1"
    done = 'Successfully pulled image "b:1" in 1500ms (1500ms including waiting). Image size: 11 bytes.'
    assert bench.said.events == [
        ("Normal", "Pulling", 'Pulling image "b:1"', "main"),
        ("Normal", "Pulled", done, "main"),
    ]


@virtual
async def test_an_image_without_a_tag_is_asked_for_with_one_and_told_without() -> None:
    bench = Bench(Store())

    await bench.ensure(pod_of("b", "Always"))

    assert (bench.store.pulls, bench.store.asked) == (["b:latest"], ["b:latest", "b:latest"])
    assert bench.said.events[0][2] == 'Pulling image "b"'


@virtual
async def test_an_image_that_the_runtime_names_and_does_not_show_is_known_by_its_reference() -> None:
    bench = Bench(Store())
    bench.store.keeps = False

    assert await bench.ensure(pod_of()) == Image("ref of b:1")
    assert bench.said.events[-1][2].endswith("Image size: 0 bytes.")


@virtual
async def test_an_image_that_must_not_be_pulled_is_missing() -> None:
    bench = Bench(Store())

    why = 'Container image "b:1" is not present with pull policy of Never'
    assert await bench.refused(pod_of(policy="Never")) == ("ErrImageNeverPull", why)
    assert bench.said.events == [("Warning", "ErrImageNeverPull", why, "main")]
    assert bench.store.pulls == []


@virtual
async def test_a_runtime_that_cannot_say_whether_it_has_an_image_is_told() -> None:
    bench = Bench(Store())
    bench.store.status_error = CriError("Unavailable", "away")

    why = f'Failed to inspect image "b:1": {bench.store.status_error}'
    assert await bench.refused(pod_of()) == ("ImageInspectError", why)
    assert bench.said.events == [("Warning", "InspectFailed", why, "main")]


@virtual
async def test_what_is_no_image_name_is_told_and_nobody_is_asked() -> None:
    bench = Bench(Store())

    reason, why = await bench.refused(pod_of("B:1"))

    assert reason == "InvalidImageName"
    assert why.startswith('Failed to apply default image tag "B:1": couldn\'t parse image name "B:1": ')
    assert bench.said.events == [("Warning", "InspectFailed", why, "main")]
    assert bench.store.asked == []


@virtual
async def test_a_pull_that_fails_is_tried_again_after_10_20_40_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench, pod = Bench(Store()), pod_of()
    bench.store.pull_error = CriError("NotFound", "no such host")
    loop = asyncio.get_running_loop()
    tried = []
    while len(tried) < 4:
        before = len(bench.store.pulls)
        reason, message = await bench.refused(pod)
        if len(bench.store.pulls) > before:
            assert (reason, message) == ("ErrImagePull", "no such host")
            tried.append(round(loop.time()))
        else:
            assert reason == "ImagePullBackOff"
            assert message == 'Back-off pulling image "b:1": ErrImagePull: no such host'
        await asyncio.sleep(1)

    assert tried == [0, 10, 30, 70]
    assert bench.said.events[:3] == [
        ("Normal", "Pulling", 'Pulling image "b:1"', "main"),
        ("Warning", "Failed", 'Failed to pull image "b:1": no such host', "main"),
        ("Normal", "BackOff", 'Back-off pulling image "b:1"', "main"),
    ]
    logged = capsys.readouterr().err
    assert 'remote_image.go:250] "PullImage from image service failed"' in logged
    assert 'kuberuntime_image.go:43] "Failed to pull image" err="no such host" image="b:1"' in logged


@virtual
async def test_a_pull_that_succeeds_at_last_leaves_nothing_to_wait_for() -> None:
    bench, pod = Bench(Store()), pod_of(policy="Always")
    bench.store.pull_error = CriError("NotFound", "no such host")
    await bench.refused(pod)
    bench.store.pull_error = None
    await asyncio.sleep(10)
    await bench.ensure(pod)

    await bench.ensure(pod)

    assert len(bench.store.pulls) == 3


@virtual
async def test_pods_wait_for_their_own_failures_only_until_they_are_gone() -> None:
    bench = Bench(Store())
    bench.store.pull_error = CriError("NotFound", "no such host")
    for uid in ("u", "other"):
        assert (await bench.refused(pod_of(uid=uid)))[0] == "ErrImagePull"

    bench.manager.forget("u")

    assert (await bench.refused(pod_of(uid="u")))[0] == "ErrImagePull"
    assert (await bench.refused(pod_of(uid="other")))[0] == "ImagePullBackOff"


@virtual
@pytest.mark.parametrize(("parallel", "at_once"), [(False, 1), (True, 3)])
async def test_images_are_pulled_one_after_another_unless_the_node_says_otherwise(
    parallel: bool, at_once: int
) -> None:
    bench = Bench(Store(), parallel)
    bench.store.takes = 1

    await asyncio.gather(*(bench.ensure(pod_of(f"i{i}:1")) for i in range(3)))

    assert bench.store.most_at_once == at_once
    waited = [message for _, reason, message, _ in bench.said.events if reason == "Pulled"]
    assert all("in 1000ms" in message for message in waited)


@pytest.mark.parametrize(
    ("image", "user"),
    [
        (api.Image(id="x", uid=api.Int64Value(value=101)), Image("x", 101)),
        (api.Image(id="x", uid=api.Int64Value(value=0)), Image("x", 0)),
        (api.Image(id="x", username="web"), Image("x", 0, "web")),
        (api.Image(id="x"), Image("x")),
    ],
)
def test_an_image_runs_as_a_number_or_a_name(image: api.Image, user: Image) -> None:
    assert Image.of(image) == user
