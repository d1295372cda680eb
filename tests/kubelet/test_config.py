"""Flags and the KubeletConfiguration file."""

import pytest

from labs.errors import UsageError
from labs.kubelet.config import ConfigError, KubeletConfig, duration
from labs.kubelet.flags import config_fields, parse

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"


def read(text: str) -> KubeletConfig:
    return KubeletConfig.from_file((HEAD + text).encode(), "/var/lib/kubelet/config.yaml")


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20), ("1m0s", 60), ("1m30s", 90), ("100ms", 0.1), ("1h", 3600), ("0", 0)]
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["20", "s", "1d", "", "1m x"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="invalid duration"):
        duration(text)


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n",
            'for version "kubelet.config.k8s.io/v1"',
        ),
        ("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: Kubelet\n", 'no kind "Kubelet" is registered'),
        ("", "Object 'Kind' is missing in 'null'"),
        (HEAD + "staticPodPaht: /x\n", 'unknown field "staticPodPaht"'),
        (HEAD + "fileCheckFrequency: soon\n", 'invalid duration "soon"'),
        (HEAD + "port: [1]\n", "KubeletConfiguration.port"),
        (HEAD + "a: b: c\n", "mapping values are not allowed"),
    ],
)
def test_a_wrong_file_is_refused_with_its_path_and_the_reason(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KubeletConfig.from_file(text.encode(), "/c.yaml")

    assert str(caught.value).startswith("failed to load kubelet config file, path: /c.yaml, error: ")
    assert why in str(caught.value)


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


def test_unknown_flags_are_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="unknown flag: --no-such; see kubelet --help"):
        parse(["--no-such"])


def test_help_is_a_kubelets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])

    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert 'The kubelet is the primary "node agent"' in shown
    assert "--pod-manifest-path" in shown
