"""`/flagz` and `/statusz`, against those of real components with the flags of kubeadm's manifests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from labs.controlplane.apiserver import options
from labs.controlplane.controllermanager.options import FLAGS as MANAGER
from labs.controlplane.flags import Flag, Flags
from labs.controlplane.scheduler.options import FLAGS as SCHEDULER
from labs.controlplane.zpages import NotAcceptable, Pages

from .plane import Plane

#: Of each component, 1.36.2: its command line and the document of its `/flagz`.
RECORDED = json.loads(Path(__file__).with_name("flagz.json").read_text())
FLAGS = {
    "kube-apiserver": options.FLAGS,
    "kube-controller-manager": MANAGER,
    "kube-scheduler": SCHEDULER,
}
#: What the API server settles when it starts.
SETTLED = {"external-hostname", "watch-cache-sizes"}
WARNING = (
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees "
    "and is for debugging purposes only."
)
FLAGZ = "application/json;as=Flagz;v=v1beta1;g=config.k8s.io"
STATUSZ = "application/json;as=Statusz;v=v1beta1;g=config.k8s.io"


@pytest.fixture
def pages() -> Pages:
    return Pages("kube-nothing", {"leader-elect": "true", "v": "0"}, ["/metrics", "/configz"])


@pytest.mark.parametrize("program", FLAGS)
def test_the_flags_of_a_command_line_are_written_as_the_real_program_writes_them(program: str) -> None:
    recorded = RECORDED[program]

    written = FLAGS[program].parse(recorded["command"]).written()

    unsettled = SETTLED if program == "kube-apiserver" else set()
    assert {n: v for n, v in written.items() if n not in unsettled} == {
        n: v for n, v in recorded["flagz"].items() if n not in unsettled
    }


@pytest.mark.parametrize(
    ("kind", "given", "written"),
    [
        ("bool", "T", "true"),
        ("duration", "90s", "1m30s"),
        ("float32", "20", "20"),
        ("float", "0.010", "0.01"),
        ("int", "0x10", "16"),
        ("int32Slice", "1,2", "[1,2]"),
        ("mapStringString", "b=false,a=true", "a=true,b=false"),
        ("namedCertKey", "a.crt,a.key\0b.crt,b.key:*.x", "[a.crt,a.key;b.crt,b.key:*.x]"),
        ("stringArray", "one\0two", "[one,two]"),
        ("strings", 'a,"b,c"', '[a,"b,c"]'),
        ("stringToString", "a=1", "[a=1]"),
        ("uint", "10", "10"),
        ("version", "", "false"),
    ],
)
def test_a_value_is_written_as_its_type_is(kind: str, given: str, written: str) -> None:
    flags = Flags({"x": Flag("x", kind)}, {"x": given} if given else {})

    assert flags.written() == {"x": written}


def test_the_separator_is_another_at_times(pages: Pages) -> None:
    told = {pages.page("/flagz", "").body.decode() for _ in range(200)}

    assert told == {
        f"\nkube-nothing flagz\n{WARNING}\nleader-elect{between}true\nv{between}0\n"
        for between in (":", ": ", "=", " ")
    }


def test_the_status_in_words(pages: Pages) -> None:
    def told() -> str:
        text = pages.page("/statusz", "text/plain").body.decode()
        text = re.sub(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d UTC \d{4}", "THEN", text)
        return re.sub(r"\d+ hr \d\d min \d\d sec", "LONG", text)

    assert {told() for _ in range(200)} == {
        f"\nkube-nothing statusz\n{WARNING}\n\nStarted{between} THEN\nUp{between} LONG\n"
        f"Go version{between} go1.27.3\nBinary version{between} 1.36.2\nEmulation version{between} 1.36\n"
        f"Paths{between} /configz /metrics\n"
        for between in (":", ": ", "=", " ")
    }


def test_who_asks_for_a_document_gets_one(pages: Pages) -> None:
    page = pages.page("/statusz", f"application/json, {STATUSZ}")

    document = json.loads(page.body)
    assert page.headers == {"Content-Type": "application/json;g=config.k8s.io;v=v1beta1;as=Statusz"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document.pop("startTime"))
    assert document.pop("uptimeSeconds") >= 0
    assert document == {
        "kind": "Statusz",
        "apiVersion": "config.k8s.io/v1beta1",
        "metadata": {"name": "kube-nothing"},
        "goVersion": "go1.27.3",
        "binaryVersion": "1.36.2",
        "emulationVersion": "1.36",
        "paths": ["/configz", "/metrics"],
    }


def test_the_older_version_of_a_document_comes_with_a_warning(pages: Pages) -> None:
    page = pages.page("/flagz", "application/yaml;as=Flagz;v=v1alpha1;g=config.k8s.io")

    assert page.headers == {
        "Content-Type": "application/yaml;g=config.k8s.io;v=v1alpha1;as=Flagz",
        "Warning": '299 - "This version of the flagz endpoint is deprecated. Please use a newer version."',
    }
    assert page.body.decode() == (
        'apiVersion: config.k8s.io/v1alpha1\nflags:\n  leader-elect: "true"\n  v: "0"\nkind: Flagz\n'
        "metadata:\n  name: kube-nothing\n"
    )


@pytest.mark.parametrize("accept", ["application/json", "text/html", STATUSZ])
def test_other_forms_are_refused(pages: Pages, accept: str) -> None:
    why = "only the following media types are accepted: application/json, application/yaml, text/plain"

    with pytest.raises(NotAcceptable, match=re.escape(why)):
        pages.page("/flagz", accept)


def test_the_api_server_tells_which_flags_it_settled_itself(plane: Plane) -> None:
    status, document = plane.request("GET", "/flagz", headers={"Accept": FLAGZ})

    told = document["flags"]
    assert (status, document["metadata"]) == (200, {"name": "apiserver"})
    assert told["secure-port"] == str(plane.port)
    assert {name: told[name] for name in ("advertise-address", *SETTLED)} == {
        "advertise-address": "127.0.0.1",
        "external-hostname": "127.0.0.1",
        "watch-cache-sizes": "[events#0,events.events.k8s.io#0]",
    }


def test_only_those_who_may_see_the_api_servers_flags(plane: Plane) -> None:
    status, refused = plane.request("GET", "/flagz", user=None)

    why = 'forbidden: User "system:anonymous" cannot get path "/flagz"'
    assert (status, refused["message"]) == (403, why)
    assert plane.request("GET", "/flagz", headers={"Accept": "text/html"})[0] == 406
