"""The node network is the one that the kind CLI makes."""

import pytest

from labs.nodes.kind.network import ula_subnet


@pytest.mark.parametrize(
    ("name", "attempt", "subnet"),
    [  # from TestGenerateULASubnetFromName in kind's network_test.go
        ("kind", 0, "fc00:f853:ccd:e793::/64"),
        ("foo", 1, "fc00:8edf:7f02:ec8f::/64"),
        ("foo", 2, "fc00:9968:306b:2c65::/64"),
        ("kind2", 0, "fc00:444c:147a:44ab::/64"),
        ("kin", 0, "fc00:fcd9:c2be:8e23::/64"),
        ("mysupernetwork", 0, "fc00:7ae1:1e0d:b4d4::/64"),
    ],
)
def test_the_ipv6_subnet_follows_from_the_name(name: str, attempt: int, subnet: str) -> None:
    assert ula_subnet(name, attempt) == subnet
