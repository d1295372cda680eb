"""From a manifest's bytes to a static pod, or to the words that refuse it: facts 18-26."""

import json

import pytest
import yaml

from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import pod_from_file
from tests.kubelet.node import manifest
from tests.kubelet.recorded import NOT_PODS, NOT_VALID, short

PATH = "/etc/kubernetes/manifests/bad.yaml"
HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\n"


def refusal(text: str) -> str:
    """The words a manifest is refused with, in place of its path PATH."""
    with pytest.raises(ManifestError) as caught:
        pod_from_file(text.encode(), PATH, "node")
    return str(caught.value)


@pytest.mark.parametrize("text", NOT_PODS, ids=map(short, NOT_PODS.values()))
def test_fact_18_what_is_no_pod_is_refused_in_the_real_words(text: str) -> None:
    assert refusal(text) == f"{PATH}: couldn't parse as pod({NOT_PODS[text]}), please check config file"


def test_fact_18_unknown_fields_are_dropped() -> None:
    plain = manifest()
    odd = {**plain, "spec": {**plain["spec"], "wibble": 3}, "extra": True}

    one, other = (pod_from_file(yaml.safe_dump(m).encode(), PATH, "n") for m in (plain, odd))

    assert one == other


def test_fact_18_only_the_first_document_counts() -> None:
    text = yaml.safe_dump(manifest("one")) + "---\n" + yaml.safe_dump(manifest("two")) + "---\n\t: broken"

    assert pod_from_file(text.encode(), PATH, "n").name == "one-n"


def test_fact_18_json_is_as_good_as_yaml() -> None:
    text = json.dumps(manifest("j"))

    assert pod_from_file(text.encode(), PATH, "n").name == "j-n"


def test_fact_19_a_name_is_required() -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {containers: [{name: a, image: b}]}\n"

    assert refusal(text) == "invalid pod: name is needed for the pod"


@pytest.mark.parametrize("spec", NOT_VALID, ids=short)
def test_fact_20_validation_speaks_the_apis_words(spec: str) -> None:
    assert refusal(f"{HEAD}spec: {spec}\n") == f"invalid pod: [{NOT_VALID[spec]}]"


def test_fact_20_all_findings_are_named_in_order() -> None:
    mounts = "volumeMounts: [{name: v, mountPath: /v}]"
    spec = f"{{restartPolicy: Sometimes, containers: [{{name: A_b}}, {{name: c, image: b, {mounts}}}]}}"

    causes = refusal(f"{HEAD}spec: {spec}\n")

    positions = [
        causes.index(part)
        for part in (
            "containers[0].name:",
            "containers[0].image:",
            "containers[1].volumeMounts[0]",
            "restartPolicy:",
        )
    ]
    assert positions == sorted(positions)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("{serviceAccountName: sa, containers: [{name: a, image: b}]}", "serviceaccounts"),
        ("{imagePullSecrets: [{name: r}], containers: [{name: a, image: b}]}", "secrets"),
        ("{volumes: [{name: v, secret: {secretName: s}}], containers: [{name: a, image: b}]}", "secrets"),
        ("{volumes: [{name: v, configMap: {name: s}}], containers: [{name: a, image: b}]}", "configmaps"),
        (
            "{volumes: [{name: v, persistentVolumeClaim: {claimName: s}}], containers: [{name: a, image: "
            "b}]}",
            "persistentvolumeclaims",
        ),
        ("{containers: [{name: a, image: b, envFrom: [{configMapRef: {name: c}}]}]}", "configmaps"),
        (
            "{containers: [{name: a, image: b, env: [{name: X, valueFrom: {secretKeyRef: {name: s, key: "
            "k}}}]}]}",
            "secrets",
        ),
        (
            "{volumes: [{name: v, csi: {driver: d}}], containers: [{name: a, image: b}]}",
            "csidrivers (via CSI volumes)",
        ),
        *(
            (
                f"{{volumes: [{{name: u, emptyDir: {{}}}}, {{name: v, {volume}}}], "
                "containers: [{name: a, image: b}]}",
                what,
            )
            for volume, what in (
                ("glusterfs: {endpoints: e, path: p}", "endpoints (via glusterFS volumes)"),
                ("azureFile: {secretName: s, shareName: share}", "secrets"),
                ("flexVolume: {driver: a/b, secretRef: {name: s}}", "secrets"),
                ("projected: {sources: [{downwardAPI: {}}, {configMap: {name: c}}]}", "configmaps"),
                ("projected: {sources: [{secret: {name: s}}]}", "secrets"),
                ("projected: {sources: [{configMap: {name: c}}, {secret: {name: s}}]}", "secrets"),
                ("projected: {sources: [{podCertificate: {signerName: a/b}}]}", "podcertificates"),
                ("projected: {sources: [{clusterTrustBundle: {path: p, name: b}}]}", "clustertrustbundles"),
            )
        ),
        (
            "{volumes: [{name: u, configMap: {name: c}}, {name: v, secret: {secretName: s}}], "
            "containers: [{name: a, image: b}]}",
            "secrets",
        ),
        ("{containers: [{name: a, image: b, envFrom: [{secretRef: {name: s}}]}]}", "secrets"),
        (
            "{initContainers: [{name: i, image: b, env: [{name: X, value: x}, {name: Z, "
            "valueFrom: {configMapKeyRef: {name: c, key: k}}}]}], containers: [{name: a, image: b}]}",
            "configmaps",
        ),
        (
            "{resourceClaims: [{name: r, resourceClaimName: x}], containers: [{name: a, image: b}]}",
            "resourceclaims",
        ),
    ],
)
def test_fact_21_what_needs_an_object_of_the_api_is_refused(spec: str, what: str) -> None:
    assert refusal(f"{HEAD}spec: {spec}\n") == f"static pods may not reference {what}"


@pytest.mark.parametrize(
    "volume", ["hostPath: {path: /x}", "emptyDir: {}", "downwardAPI: {items: []}", "projected: {sources: []}"]
)
def test_fact_21_volumes_that_need_no_object_are_allowed(volume: str) -> None:
    text = f"{HEAD}spec: {{volumes: [{{name: v, {volume}}}], containers: [{{name: a, image: b}}]}}\n"

    assert pod_from_file(text.encode(), PATH, "n").volumes[0].name == "v"


def uid(text: str, path: str = PATH, node: str = "n") -> str:
    return pod_from_file(text.encode(), path, node).uid


TEXT = yaml.safe_dump(manifest())


def test_fact_23_the_uid_is_32_hexadecimal_digits() -> None:
    assert len(uid(TEXT)) == 32
    assert int(uid(TEXT), 16)


def test_fact_23_comments_and_white_space_do_not_change_the_uid() -> None:
    assert uid("# a comment\n\n" + TEXT + "\n# another\n") == uid(TEXT)


@pytest.mark.parametrize(
    "changed",
    [
        manifest(metadata={"name": "web", "labels": {"app": "other"}}),
        manifest(metadata={"name": "web", "labels": {"app": "web"}, "annotations": {"note": "x"}}),
        manifest(container={"image": "busybox:1.37"}),
        manifest(container={"command": ["sleep", "1"]}),
        manifest(terminationGracePeriodSeconds=2),
    ],
)
def test_fact_23_any_change_of_content_changes_the_uid(changed: dict[str, object]) -> None:
    assert uid(yaml.safe_dump(changed)) != uid(TEXT)


def test_fact_23_file_and_node_are_part_of_the_uid() -> None:
    assert len({uid(TEXT), uid(TEXT, path=PATH + ".bak"), uid(TEXT, node="m")}) == 3


def test_fact_23_a_uid_in_the_manifest_is_kept() -> None:
    own = manifest(metadata={"name": "web", "uid": "11111111-2222-3333-4444-555555555555"})

    assert uid(yaml.safe_dump(own)) == "11111111-2222-3333-4444-555555555555"


def test_fact_24_name_namespace_node_and_phase_are_given() -> None:
    elsewhere = yaml.safe_dump(manifest(nodeName="elsewhere"))

    pod = pod_from_file(elsewhere.encode(), PATH, "node-a")

    assert (pod.name, pod.namespace) == ("web-node-a", "default")
    assert pod.object["spec"]["nodeName"] == "node-a"
    assert pod.object["status"] == {"phase": "Pending"}


def test_fact_25_the_hash_annotation_is_the_uid() -> None:
    pod = pod_from_file(TEXT.encode(), PATH, "n")

    assert pod.annotations["kubernetes.io/config.hash"] == pod.uid


def test_fact_26_file_pods_tolerate_everything_that_evicts() -> None:
    pod = pod_from_file(TEXT.encode(), PATH, "n")

    assert pod.object["spec"]["tolerations"] == [{"effect": "NoExecute", "operator": "Exists"}]


def test_the_apis_defaults_are_those_of_the_recorded_mirror() -> None:
    recorded = {
        "containers": [
            {
                "command": ["sh", "-c", "echo hello; exec sleep 100000"],
                "image": "busybox:1.36",
                "imagePullPolicy": "IfNotPresent",
                "name": "main",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "nodeName": "cks-control-plane",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
    }
    text = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox:1.36
    command: [sh, -c, echo hello; exec sleep 100000]
    ports: [{containerPort: 80}]
"""
    assert pod_from_file(text.encode(), PATH, "cks-control-plane").object["spec"] == recorded


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("h:5000/a", "Always"),
        ("a@sha256:0", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    pod = pod_from_file(f"{HEAD}spec: {{containers: [{{name: a, image: '{image}'}}]}}".encode(), PATH, "n")

    assert pod.containers[0].pull_policy == policy


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("100m", "100m"),
        ("0.1", "100m"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.1Mi", "104857600m"),
        ("5.5Ki", "5632"),
        ("7.5Ei", "7680Pi"),
        ("8Ei", "9223372036854775807"),
        ("1023.5", "1023500m"),
        ("1e3", "1e3"),
        ("1e4", "10e3"),
        ("12E6", "12E6"),
        ("1.5e3", "1500"),
        ("1000e0", "1e3"),
        ("100e-3", "100e-3"),
        ("0.0000000001", "1n"),
        (".", "0"),
        ("0", "0"),
        pytest.param("9" * 5000, "9" * 5000, id="5,000 digits"),
        pytest.param("9" * 5000 + "Ki", "9223372036854775807", id="5,000 digits of Ki"),
    ],
)
def test_quantities_are_shown_in_their_canonical_form(written: str, shown: str) -> None:
    spec = f"{{containers: [{{name: a, image: b, resources: {{requests: {{cpu: '{written}'}}}}}}]}}"

    pod = pod_from_file(f"{HEAD}spec: {spec}".encode(), PATH, "n")

    assert pod.containers[0].resources["requests"]["cpu"] == shown


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("10Q", "quantities must match the regular expression"),
        ("1.2.3", "quantities must match the regular expression"),
        ("", "quantities must match the regular expression"),
        ("1KM", "unable to parse quantity's suffix"),
        ("1e", "unable to parse quantity's suffix"),
        pytest.param("1e" + "9" * 5000, "unable to parse quantity's suffix", id="huge exponent"),
    ],
)
def test_what_is_no_quantity_is_refused_in_kubernetes_words(written: str, why: str) -> None:
    spec = f"{{containers: [{{name: a, image: b, resources: {{requests: {{cpu: '{written}'}}}}}}]}}"

    assert why in refusal(f"{HEAD}spec: {spec}")


@pytest.mark.parametrize("written", ["true", "[1]", "{a: b}"])
def test_what_is_neither_text_nor_a_number_is_no_quantity(written: str) -> None:
    spec = f"{{containers: [{{name: a, image: b, resources: {{requests: {{cpu: {written}}}}}}}]}}"

    assert "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*" in refusal(
        f"{HEAD}spec: {spec}"
    )


def test_fact_20_references_to_fields_and_resources_are_defaulted() -> None:
    field, resource = (
        {"fieldRef": {"fieldPath": "metadata.labels"}},
        {"resourceFieldRef": {"resource": "limits.cpu"}},
    )
    item = {"path": "cpu", "resourceFieldRef": {"containerName": "main", "resource": "limits.cpu"}}
    volume = {"name": "v", "downwardAPI": {"items": [{"path": "labels", **field}, item]}}
    text = yaml.safe_dump(
        manifest(volumes=[volume], container={"env": [{"name": "CPU", "valueFrom": resource}]})
    )

    spec = pod_from_file(text.encode(), PATH, "n").object["spec"]

    labels, cpu = spec["volumes"][0]["downwardAPI"]["items"]
    assert labels["fieldRef"]["apiVersion"] == "v1"
    assert cpu["resourceFieldRef"]["divisor"] == "0"
    assert spec["containers"][0]["env"][0]["valueFrom"]["resourceFieldRef"]["divisor"] == "0"


@pytest.mark.parametrize(("tag", "text"), [("float", ""), ("float", "1:30.5"), ("int", ""), ("bool", "x")])
def test_fact_18_text_that_its_tag_cannot_mean_is_refused(tag: str, text: str) -> None:
    assert f"yaml: cannot decode !!str `{text}` as a !!{tag}" in refusal(f"a: !!{tag} {text}")


@pytest.mark.parametrize(("levels", "refused"), [(3, False), (4, True)])
def test_fact_18_a_document_that_aliases_blow_up_is_refused(levels: int, refused: bool) -> None:
    lines = ["x0: &x0 [" + ",".join("y" * 10) + "]"]
    lines += [f"x{i}: &x{i} [{','.join([f'*x{i - 1}'] * 10)}]" for i in range(1, levels)]
    text = HEAD + "spec: {containers: [{name: a, image: b}]}\n" + "\n".join(lines) + "\n"

    if refused:
        assert "yaml: document contains excessive aliasing" in refusal(text)
    else:
        assert pod_from_file(text.encode(), PATH, "n").name == "bad-n"
