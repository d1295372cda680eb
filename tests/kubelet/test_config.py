"""Flags and the KubeletConfiguration file."""

import pytest
import yaml

from labs.kubelet.config import ConfigError, KubeletConfig
from labs.kubelet.flags import FlagError, config_fields, parse

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"


def read(text: str) -> KubeletConfig:
    return KubeletConfig.from_file((HEAD + text).encode(), "/var/lib/kubelet/config.yaml")


def test_fact_03_the_defaults_are_the_real_ones() -> None:
    config = read("")

    assert (config.file_check_frequency, config.sync_frequency) == (20, 60)
    assert (config.node_status_update_frequency, config.node_lease_duration_seconds) == (10, 40)
    assert (config.port, config.healthz_port, config.max_pods) == (10250, 10248, 110)


def test_fact_04_the_kubelets_own_default_path_is_empty() -> None:
    assert read("").static_pod_path == ""


def test_a_zero_duration_means_the_default() -> None:
    assert read("fileCheckFrequency: 0s\nsyncFrequency: 0s\n") == read("")


def test_settings_are_taken_from_the_file() -> None:
    config = read(
        "staticPodPath: /etc/kubernetes/manifests\nfileCheckFrequency: 5s\nclusterDNS: [10.96.0.10]\n"
        "authentication: {anonymous: {enabled: true}, x509: {clientCAFile: /ca.crt}}\n"
        "authorization: {mode: AlwaysAllow}\ncrashLoopBackOff: {maxContainerRestartPeriod: 60s}\n"
        "registerWithTaints: [{key: k, effect: NoSchedule}]\n"
    )

    assert config.static_pod_path == "/etc/kubernetes/manifests"
    assert config.file_check_frequency == 5
    assert config.cluster_dns == ("10.96.0.10",)
    assert (config.anonymous_auth, config.client_ca_file) == (True, "/ca.crt")
    assert config.authorization_mode == "AlwaysAllow"
    assert config.max_container_restart_period == 60
    assert config.register_with_taints == ({"key": "k", "effect": "NoSchedule"},)


SCHEME = "k8s.io/kubernetes/pkg/kubelet/apis/config/scheme/scheme.go:33"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n",
            'no kind "KubeletConfiguration" is registered for version "kubelet.config.k8s.io/v1" in scheme '
            f'"{SCHEME}"',
        ),
        (
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfig\n",
            f'no kind "KubeletConfig" is registered for version "kubelet.config.k8s.io/v1beta1" in scheme '
            f'"{SCHEME}"',
        ),
        ("{}", "Object 'Kind' is missing in '{}'"),
        (HEAD + "fileCheckFrequency: often\n", 'time: invalid duration "often"'),
        (HEAD + "fileCheckFrequency: '20'\n", 'time: missing unit in duration "20"'),
        (
            HEAD + "fileCheckFrequency: 20\n",
            "json: cannot unmarshal number into Go struct field KubeletConfiguration.fileCheckFrequency of "
            "type string",
        ),
        (
            HEAD + "readOnlyPort: many\n",
            "json: cannot unmarshal string into Go struct field KubeletConfiguration.readOnlyPort of type "
            "int32",
        ),
        (
            HEAD + "failSwapOn: perhaps\n",
            "json: cannot unmarshal string into Go struct field KubeletConfiguration.failSwapOn of type bool",
        ),
        (
            HEAD + "featureGates: {NoSuchGate: maybe}\n",
            "json: cannot unmarshal string into Go struct field KubeletConfiguration.featureGates of type "
            "bool",
        ),
        (HEAD + "a: b: c\n", "yaml: line 3: mapping values are not allowed in this context"),
    ],
)
def test_a_file_that_cannot_be_decoded_is_refused_in_the_real_words(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KubeletConfig.from_file(text.encode(), "/c.yaml")

    assert str(caught.value) == (
        "failed to load kubelet config file, path: /c.yaml, error: failed to load Kubelet config file "
        f"/c.yaml, error failed to decode: {why}"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("maxPods: -1", "maxPods (--max-pods) -1 must not be a negative number"),
        ("healthzPort: -5", "healthzPort (--healthz-port) -5 must be between 1 and 65535, inclusive"),
        ("oomScoreAdj: 1001", "oomScoreAdj (--oom-score-adj) 1001 must be between -1000 and 1000, inclusive"),
        (
            "nodeStatusMaxImages: -2",
            "nodeStatusMaxImages (--node-status-max-images) -2 must be -1 or greater",
        ),
        ("nodeLeaseDurationSeconds: -1", "nodeLeaseDurationSeconds must be greater than 0"),
        (
            "{imageGCHighThresholdPercent: 70, imageGCLowThresholdPercent: 80}",
            "imageGCLowThresholdPercent (--image-gc-low-threshold) 80 must be less than "
            "imageGCHighThresholdPercent (--image-gc-high-threshold) 70",
        ),
        (
            "hairpinMode: loop",
            'option "loop" specified for hairpinMode (--hairpin-mode). Valid options are "none", '
            '"hairpin-veth" or "promiscuous-bridge"',
        ),
    ],
)
def test_what_no_kubelet_works_with_is_refused_in_the_real_words(text: str, why: str) -> None:
    fields = yaml.safe_load(text)

    with pytest.raises(ConfigError) as caught:
        read(yaml.safe_dump(fields))

    assert str(caught.value) == (
        f"failed to validate kubelet configuration, error: invalid configuration: {why}, "
        "path: &TypeMeta{Kind:,APIVersion:,}"
    )


def test_several_faults_are_told_together() -> None:
    with pytest.raises(ConfigError, match=r"\[invalid configuration: maxPods .*, invalid .* port .*\]"):
        read("maxPods: -1\nport: 65536\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("staticPodPaht: /x\n", r"strict decoding error: unknown field \"staticPodPaht\""),
        (
            "a: 1\nauthentication: {x: 1}\n",
            r"strict decoding error: unknown field \"a\", unknown field \"authentication.x\"",
        ),
    ],
)
def test_a_field_that_nobody_knows_is_told_and_left_out(
    text: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read(text) == read("")

    said = f'codec.go:102] "Using lenient decoding as strict decoding failed" err="{why}"\n'
    assert capsys.readouterr().err.endswith(said)


def test_of_a_field_that_is_there_twice_the_last_one_counts(capsys: pytest.CaptureFixture[str]) -> None:
    config = read("staticPodPath: /a\nstaticPodPath: /b\n")

    assert config.static_pod_path == "/b"
    assert (
        'strict decoding error: yaml: unmarshal errors:\n\t  line 4: key "staticPodPath" already set in map'
    ) in capsys.readouterr().err


def test_paths_are_meant_from_the_files_directory_on() -> None:
    config = read(
        "staticPodPath: manifests\nresolvConf: /etc/r.conf\nauthentication: {x509: {clientCAFile: ca.crt}}\n"
    )

    assert config.static_pod_path == "/var/lib/kubelet/manifests"
    assert (config.resolv_conf, config.client_ca_file) == ("/etc/r.conf", "/var/lib/kubelet/ca.crt")


def test_flags_win_over_the_file() -> None:
    settings, _ = parse(
        ["--pod-manifest-path=/flag", "--node-labels=a=b,c=", "--register-with-taints=k=v:NoSchedule"]
    )

    config = read("staticPodPath: /file\nport: 1\n").with_flags(config_fields(settings))

    assert (config.static_pod_path, config.port) == ("/flag", 1)
    assert config.node_labels == {"a": "b", "c": ""}
    assert config.register_with_taints == ({"key": "k", "value": "v", "effect": "NoSchedule"},)


def test_deprecated_flags_warn_in_the_real_words() -> None:
    _, warnings = parse(["--register-with-taints="])

    assert warnings == [
        "Flag --register-with-taints has been deprecated, This parameter should be set via the config "
        "file specified by "
        "the Kubelet's --config flag. See "
        "https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/ for "
        "more information."
    ]


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--no-such-flag=1"], "unknown flag: --no-such-flag"),
        (["run"], "unknown command run"),
        (["--config"], "flag needs an argument: --config"),
        (
            ["--max-pods=many"],
            'invalid argument "many" for "--max-pods" flag: strconv.ParseInt: parsing "many": invalid syntax',
        ),
        (
            ["--v=many"],
            'invalid argument "many" for "-v, --v" flag: strconv.ParseUint: parsing "many": invalid syntax',
        ),
        (
            ["--register-with-taints=nonsense"],
            'invalid argument "nonsense" for "--register-with-taints" flag: invalid taint spec: nonsense',
        ),
        (
            ["--fail-swap-on=perhaps"],
            'invalid argument "perhaps" for "--fail-swap-on" flag: strconv.ParseBool: parsing "perhaps": '
            "invalid syntax",
        ),
        (
            ["--sync-frequency=5"],
            'invalid argument "5" for "--sync-frequency" flag: time: missing unit in duration "5"',
        ),
    ],
)
def test_a_wrong_command_line_is_refused_in_the_real_words(argv: list[str], why: str) -> None:
    with pytest.raises(FlagError) as refused:
        parse(argv)

    assert (str(refused.value), refused.value.status) == (f"failed to parse kubelet flag: {why}", 1)


def test_help_is_a_kubelets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])

    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert 'The kubelet is the primary "node agent"' in shown
    assert "--pod-manifest-path" in shown
