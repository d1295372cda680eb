"""What a kubelet does not start with, although its configuration can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.kubelet import startup
from labs.kubelet.config import ConfigError, KubeletConfig

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
CLIENT_CA = "authentication: {{x509: {{clientCAFile: {}}}}}\n"
RUN = "failed to run Kubelet: "
SERVING = (
    f"{RUN}failed to create kubelet: failed to initialize file based certificate manager: unable to set up "
    "dynamic certificate manager for kubelet server cert files: "
)
DEPENDENCIES = "failed to construct kubelet dependencies: "


def check(text: str) -> None:
    config = KubeletConfig.from_file((HEAD + text).encode(), "/c.yaml")
    startup.check(config, lambda path: Path(path).read_bytes())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "logging: {format: xml}\n",
            'initialize logging: logging.format: Invalid value: "xml": Unsupported log format',
        ),
        ("tlsMinVersion: VersionTLS14\n", f'{DEPENDENCIES}unknown tls version "VersionTLS14"'),
        (
            "tlsCipherSuites: [NO_SUCH]\n",
            f"{DEPENDENCIES}Cipher suite NO_SUCH not supported or doesn't exist",
        ),
        ("authorization: {mode: Sometimes}\n", f"{RUN}unknown authorization mode Sometimes"),
        (
            "evictionHard: {memory.available: lots}\n",
            f"{RUN}quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (CLIENT_CA.format("/nope"), f"{RUN}open /nope: no such file or directory"),
        (
            "tlsCertFile: /nope.crt\ntlsPrivateKeyFile: /nope.key\n",
            f"{SERVING}open /nope.crt: no such file or directory",
        ),
    ],
)
def test_it_ends_in_the_real_words(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as ended:
        check(text)

    assert str(ended.value) == why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", 'missing content for CA bundle "client-ca-bundle::{}"'),
        (
            b"garbage",
            'error loading CA bundle for "client-ca-bundle::{}": data does not contain any valid RSA or '
            "ECDSA certificates",
        ),
    ],
)
def test_an_authority_that_is_none_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(content)

    with pytest.raises(ConfigError) as ended:
        check(CLIENT_CA.format(file))

    assert str(ended.value) == RUN + why.format(file)


@pytest.mark.parametrize(
    "text",
    [
        "evictionHard: {memory.available: 100Mi, nodefs.available: 10%}\n",
        "tlsMinVersion: VersionTLS13\ntlsCipherSuites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n",
        "authorization: {mode: AlwaysAllow}\n",
    ],
)
def test_all_else_is_well(text: str) -> None:
    check(text)
