"""A container: its files, its process, how it starts, ends and is remembered."""

from __future__ import annotations

import re
import signal

import grpc
import pytest
from cri_api.v1 import api_pb2 as cri

from tests.runtime.harness import RuntimeNode

SLEEP = ("sleep", "100000")


def refusal(call: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[str, str]:
    return call.value.code().name, call.value.details()


def test_it_has_a_root_of_its_own_and_its_command_is_process_one(node: RuntimeNode) -> None:
    container = node.run_container(node.sandbox("root"), *SLEEP)

    _, listing, _ = node.exec_sync(container, "ls", "/")
    _, command, _ = node.exec_sync(container, "cat", "/proc/1/cmdline")

    # with the machine's own programs in place of a static busybox there are /lib and the like, too
    own = {"bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var"}
    assert own <= set(listing.split())
    assert "node" not in listing.split()
    assert command == "sleep\x00100000\x00"


def test_it_sees_its_pods_name_and_none_of_the_nodes_processes(node: RuntimeNode) -> None:
    container = node.run_container(node.sandbox("private"), *SLEEP)

    assert node.exec_sync(container, "hostname")[1] == "private\n"
    _, processes, _ = node.exec_sync(container, "ls", "/proc")
    assert sorted(name for name in processes.split() if name.isdigit())[0] == "1"
    assert "containerd" not in node.exec_sync(container, "sh", "-c", "cat /proc/[0-9]*/cmdline")[1]


def test_what_it_writes_is_gone_with_it(node: RuntimeNode) -> None:
    sandbox = node.sandbox("layers")
    first = node.run_container(sandbox, "sh", "-c", "rm /etc/passwd; echo mine > /etc/new; sleep 100000")
    node.exec_sync(first, "true")

    second = node.run_container(sandbox, *SLEEP, attempt=1)

    assert node.exec_sync(second, "ls", "/etc/new")[0] != 0
    assert "root" in node.exec_sync(second, "cat", "/etc/passwd")[1]


def test_its_exit_code_and_reason_are_kept(node: RuntimeNode) -> None:
    sandbox = node.sandbox("exits")

    failed = node.wait_exit(node.run_container(sandbox, "sh", "-c", "exit 3"))
    done = node.wait_exit(node.run_container(sandbox, "true", attempt=1))

    assert (failed.exit_code, failed.reason) == (3, "Error")
    assert (done.exit_code, done.reason) == (0, "Completed")
    assert failed.created_at < failed.started_at <= failed.finished_at


def test_killed_from_outside_it_exits_137(node: RuntimeNode) -> None:
    container = node.run_container(node.sandbox("killed"), "sleep", "4711")

    # bwrap is told to have started it, and becomes it a moment later
    node.sh("until pid=$(pgrep -x -f 'sleep 4711'); do sleep 0.05; done; kill -9 $pid")

    assert node.wait_exit(container).exit_code == 137


def test_when_its_guard_is_killed_nothing_of_it_is_left(node: RuntimeNode) -> None:
    container = node.run_container(node.sandbox("guard"), "sh", "-c", "sleep 4712 & sleep 4712; true")
    node.exec_sync(container, "true")

    node.sh("kill -9 $(pgrep -f '[b]wrap.*sleep 4712')")

    assert node.wait_exit(container).exit_code == 137
    node.sh("while pgrep -x -f 'sleep 4712'; do sleep 0.05; done")  # the kernel ends them in a moment


def test_stop_sends_term_and_kills_only_after_the_grace_period(node: RuntimeNode) -> None:
    sandbox = node.sandbox("stop")
    polite = node.run_container(
        sandbox, "sh", "-c", "trap 'exit 5' TERM; touch /ready; while :; do sleep 0.02; done"
    )
    deaf = node.run_container(sandbox, *SLEEP, name="deaf")
    node.exec_sync(polite, "sh", "-c", "until test -e /ready; do sleep 0.01; done")

    node.cri.StopContainer(cri.StopContainerRequest(container_id=polite, timeout=30))
    node.cri.StopContainer(cri.StopContainerRequest(container_id=deaf, timeout=1))

    assert node.status(polite).exit_code == 5
    assert node.status(deaf).exit_code == 128 + signal.SIGKILL


def test_its_output_is_logged_in_the_format_of_cri(node: RuntimeNode) -> None:
    container = node.run_container(node.sandbox("logs"), "sh", "-c", "echo hello; echo oops >&2; printf half")
    node.wait_exit(container)

    lines = node.log_of(container).splitlines()

    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
    assert sorted(re.sub(stamp, "TIME", line) for line in lines) == [
        "TIME stderr F oops",
        "TIME stdout F hello",
        "TIME stdout P half",
    ]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("kube-apiservr", 'exec: "kube-apiservr": executable file not found in $PATH'),
        ("/bin/nothing", 'exec: "/bin/nothing": stat /bin/nothing: no such file or directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_an_unknown_program_fails_the_start_in_runcs_words(
    node: RuntimeNode, program: str, reason: str
) -> None:
    container = node.create(node.sandbox(f"missing-{len(program)}"), program)

    with pytest.raises(grpc.RpcError) as call:
        node.cri.StartContainer(cri.StartContainerRequest(container_id=container))

    message = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f"runc create failed: unable to start container process: {reason}: unknown"
    )
    assert refusal(call) == ("UNKNOWN", message)
    status = node.status(container)
    assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 128, "StartError")
    assert status.message == message


def test_environment_and_working_directory_are_the_images_and_the_configs(node: RuntimeNode) -> None:
    container = node.run_container(
        node.sandbox("env"),
        "sh",
        "-c",
        "pwd; env",
        env={"LD_PRELOAD": "", "COLOUR": "blue"},
        working_dir="/new/place",
    )
    node.wait_exit(container)

    output = [line.split(" ", 3)[3] for line in node.log_of(container).splitlines()]

    assert output[0] == "/new/place"
    assert {"COLOUR=blue", "HOSTNAME=env", "HOME=/root", "LD_PRELOAD="} <= set(output)
    assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in output


def test_paths_of_the_node_are_mounted_and_made_where_missing(node: RuntimeNode) -> None:
    node.sh("mkdir -p /srv/data; echo from the node > /srv/data/file")
    mounts = [
        cri.Mount(host_path="/srv/data", container_path="/data"),
        cri.Mount(host_path="/srv/data/file", container_path="/etc/config", readonly=True),
        cri.Mount(host_path="/srv/new/directory", container_path="/new"),
    ]
    container = node.run_container(node.sandbox("mounts"), *SLEEP, mounts=mounts)

    assert node.exec_sync(container, "cat", "/data/file")[1] == "from the node\n"
    assert node.exec_sync(container, "sh", "-c", "echo x > /etc/config")[0] != 0
    assert node.exec_sync(container, "touch", "/data/written", "/new/written")[0] == 0
    assert node.sh("ls /srv/data/written /srv/new/directory/written")


def test_a_link_on_the_node_leads_nowhere_outside_it(node: RuntimeNode) -> None:
    node.sh("mkdir -p /cks; ln -sfn /cks /srv/secrets")
    mounts = [cri.Mount(host_path="/srv/secrets", container_path="/look")]
    container = node.create(node.sandbox("escape"), *SLEEP, mounts=mounts)

    node.cri.StartContainer(cri.StartContainerRequest(container_id=container))

    assert node.exec_sync(container, "ls", "/look") == (0, "", "")  # the student's own /cks
    assert (node.trusted / "containers" / container).is_dir()


def test_a_read_only_root_refuses_writes_but_not_to_volumes(node: RuntimeNode) -> None:
    mounts = [cri.Mount(host_path="/srv/volume", container_path="/volume")]
    container = node.run_container(
        node.sandbox("readonly"), *SLEEP, mounts=mounts, security={"readonly_rootfs": True}
    )

    assert "Read-only file system" in node.exec_sync(container, "touch", "/file")[2]
    assert node.exec_sync(container, "touch", "/volume/file")[0] == 0


def test_its_capabilities_are_containerds_defaults_with_additions_and_drops(node: RuntimeNode) -> None:
    def capabilities(name: str, **security: object) -> int:
        container = node.run_container(
            node.sandbox(name), "grep", "CapBnd", "/proc/self/status", security=security
        )
        node.wait_exit(container)
        return int(node.log_of(container).split()[-1], 16)

    net_admin, chown = 1 << 12, 1 << 0
    unknown = "NONE_SUCH"  # means nothing
    changed = cri.Capability(add_capabilities=["NET_ADMIN", unknown], drop_capabilities=["CHOWN", unknown])

    assert capabilities("caps") == 0xA80425FB
    assert capabilities("caps-changed", capabilities=changed) == 0xA80425FB & ~chown | net_admin
    assert capabilities("caps-none", capabilities=cri.Capability(drop_capabilities=["ALL"])) == 0
    assert capabilities("caps-all", privileged=True) > 0x3FFFFFFFFF - 1


def test_it_inherits_no_descriptor_of_the_runtime(node: RuntimeNode) -> None:
    sandbox = node.sandbox("descriptors")
    for attempt, security in enumerate(({}, {"readonly_rootfs": True})):
        container = node.run_container(sandbox, "sleep", "100000", attempt=attempt, security=security)

        begun = "until [ $(cat /proc/1/comm) = sleep ]; do :; done"  # until then it is the launcher
        listing = f"{begun}; for fd in /proc/1/fd/*; do readlink $fd; done"
        links = node.exec_sync(container, "sh", "-c", listing)[1].split()
        own = node.exec_sync(container, "readlink", "/proc/self/ns/user")[1].strip()
        assert [link.partition(":")[0] for link in links if link != own] == ["/dev/null", "pipe", "pipe"]


def test_a_user_that_the_node_has_is_that_user_and_another_is_refused(node: RuntimeNode) -> None:
    sandbox = node.sandbox("user")
    security = {"run_as_user": cri.Int64Value(value=1000), "run_as_group": cri.Int64Value(value=3000)}
    script = "id -u; id -g; cat /root/.profile; touch /tmp/mine; stat -c %u:%g /tmp/mine"
    single = node.sh("wc -l < /proc/self/uid_map; awk '{print $3}' /proc/self/uid_map").split() == ["1", "1"]

    if single:
        with pytest.raises(grpc.RpcError) as call:
            node.create(sandbox, "sh", "-c", script, security=security)
        code, message = refusal(call)
        assert code == "INVALID_ARGUMENT"
        assert "uidmap" in message
    else:
        container = node.run_container(sandbox, "sh", "-c", script, security=security)
        node.wait_exit(container)
        lines = [line.split(" ", 3)[3] for line in node.log_of(container).splitlines()]
        assert [line for line in lines if "Permission denied" not in line] == ["1000", "3000", "1000:3000"]
        assert any("Permission denied" in line for line in lines)


def test_a_name_can_be_taken_once_per_attempt(node: RuntimeNode) -> None:
    sandbox = node.sandbox("names")
    first = node.create(sandbox, *SLEEP)

    with pytest.raises(grpc.RpcError) as call:
        node.create(sandbox, *SLEEP)

    assert f'is reserved for "{first}"' in refusal(call)[1]
    assert node.create(sandbox, *SLEEP, attempt=1)


def test_removing_a_running_container_kills_it(node: RuntimeNode) -> None:
    container = node.run_container(node.sandbox("remove"), "sleep", "4713")

    node.cri.RemoveContainer(cri.RemoveContainerRequest(container_id=container))
    node.cri.RemoveContainer(cri.RemoveContainerRequest(container_id=container))

    assert node.run("pgrep", "-x", "-f", "sleep 4713")[0] == 1
    with pytest.raises(grpc.RpcError) as call:
        node.status(container)
    assert refusal(call) == (
        "NOT_FOUND",
        f'an error occurred when try to find container "{container}": not found',
    )


def test_lists_are_filtered_by_id_sandbox_state_and_labels(node: RuntimeNode) -> None:
    sandbox, other = node.sandbox("filters"), node.sandbox("filters-other")
    running = node.run_container(sandbox, *SLEEP, labels={"tier": "one"})
    created = node.create(sandbox, *SLEEP, name="second")
    node.run_container(other, *SLEEP)

    def listed(**wanted: object) -> set[str]:
        answer = node.cri.ListContainers(cri.ListContainersRequest(filter=cri.ContainerFilter(**wanted)))
        return {each.id for each in answer.containers}

    assert listed(id=running[:12]) == {running}
    assert listed(pod_sandbox_id=sandbox) == {running, created}
    state = cri.ContainerStateValue(state=cri.CONTAINER_CREATED)
    assert listed(pod_sandbox_id=sandbox, state=state) == {created}
    assert listed(label_selector={"tier": "one"}) == {running}


def test_a_log_is_reopened_after_rotation(node: RuntimeNode) -> None:
    script = "echo before; until test -e /go; do sleep 0.01; done; echo after"
    container = node.run_container(node.sandbox("rotate"), "sh", "-c", script)
    path = node.status(container).log_path
    node.sh(f"until grep -q before {path}; do sleep 0.01; done; mv {path} {path}.1")

    node.cri.ReopenContainerLog(cri.ReopenContainerLogRequest(container_id=container))
    node.exec_sync(container, "touch", "/go")
    node.wait_exit(container)

    assert node.sh(f"cat {path}").endswith(" stdout F after\n")
    assert node.sh(f"cat {path}.1").endswith(" stdout F before\n")


def test_events_tell_each_step(node: RuntimeNode) -> None:
    stream = node.cri.GetContainerEvents(cri.GetEventsRequest())
    sandbox = node.sandbox("events")
    # the stream is open once an event of an earlier step has come through
    probe = node.create(sandbox, "true", name="probe")
    container = node.run_container(sandbox, "sh", "-c", "exit 2")
    node.wait_exit(container)
    node.cri.RemoveContainer(cri.RemoveContainerRequest(container_id=container))

    kinds = []
    for event in stream:
        if event.container_id == container:
            kinds.append(cri.ContainerEventType.Name(event.container_event_type))
        if kinds[-1:] == ["CONTAINER_DELETED_EVENT"]:
            stream.cancel()
            break

    assert probe
    assert kinds == [
        "CONTAINER_CREATED_EVENT",
        "CONTAINER_STARTED_EVENT",
        "CONTAINER_STOPPED_EVENT",
        "CONTAINER_DELETED_EVENT",
    ]


def test_a_component_that_is_stopped_in_its_first_moment_ends_at_once(node: RuntimeNode) -> None:
    # its interpreter has no handler yet, and process 1 of a namespace gets no signal that it does not handle
    sandbox = node.sandbox("early", host_network=True)
    image = "registry.k8s.io/kube-scheduler:v1.36.2"
    container = node.create(sandbox, "kube-scheduler", "--kubeconfig=/none", image=image)

    node.cri.StartContainer(cri.StartContainerRequest(container_id=container))
    node.cri.StopContainer(cri.StopContainerRequest(container_id=container, timeout=600))

    assert node.status(container).exit_code == 128 + 15
