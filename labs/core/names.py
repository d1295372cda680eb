"""The rules for names, and what is wrong with one, in the words of `apimachinery/pkg/util/validation`."""

from __future__ import annotations

import ipaddress
import re

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SEARCH = re.compile(r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_ENVIRONMENT = re.compile(r"[ -<>-~]+")

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN.pattern}')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    f"'{_LABEL.pattern}')"
)
QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_QUALIFIED.pattern}')"
)
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    f"for validation is '{_LABEL_VALUE.pattern}')"
)
_SEARCH_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SEARCH.pattern}')"
)
_CONFIG_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    f"'KEY_NAME',  or 'key-name', regex used for validation is '{_CONFIG_KEY.pattern}')"
)
_HEADER_RULE = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used "
    f"for validation is '{_HEADER.pattern}')"
)
_HTTP_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")
_HTTP_PATH_RULE = f"Invalid path (regex used for validation is '{_HTTP_PATH.pattern}')"
_IP_RULE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_ENVIRONMENT_RULE = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)


def is_subdomain(name: str) -> bool:
    """Whether a name is one that most objects may have."""
    return len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def beginning(name: str) -> str:
    """A name that more is put to: it may end in a dash."""
    return f"{name[:-2]}a" if len(name) > 1 and name.endswith("-") else name


def subdomain_faults(name: str) -> list[str]:
    """What keeps a name from being a DNS subdomain (`IsDNS1123Subdomain`)."""
    faults = ["must be no more than 253 characters"] if len(name) > 253 else []
    return faults if _SUBDOMAIN.fullmatch(name) else [*faults, SUBDOMAIN_RULE]


def search_faults(name: str) -> list[str]:
    """The same of a domain that is searched in, where underscores are usual."""
    faults = ["must be no more than 253 characters"] if len(name) > 253 else []
    return faults if _SEARCH.fullmatch(name) else [*faults, _SEARCH_RULE]


def label_faults(name: str) -> list[str]:
    """What keeps a name from being a DNS label (`IsDNS1123Label`)."""
    faults = ["must be no more than 63 characters"] if len(name) > 63 else []
    if _LABEL.fullmatch(name):
        return faults
    return [*faults, "must not contain dots" if _SUBDOMAIN.fullmatch(name) else LABEL_RULE]


def qualified_name_faults(key: str) -> list[str]:
    """What is wrong with a name that may have a domain before it (`IsQualifiedName`)."""
    if key.count("/") > 1:
        rule = QUALIFIED_RULE.removeprefix("name part")
        more = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key{rule}{more}"]
    prefix, slash, name = key.rpartition("/")
    faults = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    elif slash:
        faults += [f"prefix part {fault}" for fault in subdomain_faults(prefix)]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name) > 63:
        faults.append("name part must be no more than 63 bytes")
    return faults if _QUALIFIED.fullmatch(name) else [*faults, QUALIFIED_RULE]


def label_value_faults(value: str) -> list[str]:
    """What is wrong with a label's value (`IsValidLabelValue`)."""
    faults = ["must be no more than 63 bytes"] if len(value.encode()) > 63 else []
    return faults if _LABEL_VALUE.fullmatch(value) else [*faults, LABEL_VALUE_RULE]


def config_key_faults(key: str) -> list[str]:
    """What is wrong with a key of a ConfigMap or a Secret (`IsConfigMapKey`)."""
    faults = ["must be no more than 253 characters"] if len(key) > 253 else []
    if not _CONFIG_KEY.fullmatch(key):
        faults.append(_CONFIG_KEY_RULE)
    if key in (".", ".."):
        faults.append(f"must not be '{key}'")
    elif key.startswith(".."):
        faults.append("must not start with '..'")
    return faults


def port_name_faults(name: str) -> list[str]:
    """What is wrong with a port's name (`IsValidPortName`)."""
    faults = []
    if len(name) > 15:
        faults.append("must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", name):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        faults.append("must contain at least one letter (a-z)")
    if "--" in name:
        faults.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def variable_faults(name: str) -> list[str]:
    """What is wrong with an environment variable's name (`IsRelaxedEnvVarName`)."""
    return [] if _ENVIRONMENT.fullmatch(name) else [_ENVIRONMENT_RULE]


def header_faults(name: str) -> list[str]:
    """What is wrong with an HTTP header's name (`IsHTTPHeaderName`)."""
    return [] if _HEADER.fullmatch(name) else [_HEADER_RULE]


def http_path_faults(text: str) -> list[str]:
    """What keeps a text from being a path in a URL (`IsHTTPPath`)."""
    return [] if _HTTP_PATH.fullmatch(text) else [_HTTP_PATH_RULE]


def path_faults(name: str) -> list[str]:
    """What keeps a name from being a part of a path (`IsValidPathSegmentName`)."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{mark}'" for mark in "/%" if mark in name]


def ip_faults(text: str) -> list[str]:
    """What keeps a text from being an IP address (`IsValidIP`)."""
    try:
        address = ipaddress.ip_address(re.sub(r"\b0+(?=\d)", "", text) if "." in text else text)
    except ValueError:
        return [_IP_RULE]
    if "%" in text:
        return [_IP_RULE]
    if isinstance(address, ipaddress.IPv6Address):
        return ["must not be an IPv4-mapped IPv6 address"] if address.ipv4_mapped else []
    return ["must not have leading 0s"] if str(address) != text else []


def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address; parts of IPv4 may have leading zeros, which mean nothing (`ParseIPSloppy`)."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(re.sub(r"\b0+(?=\d)", "", text) if "." in text else text)
    except ValueError:
        return None


def parse_cidr(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    """An address with the length of its network's prefix, as lenient (`ParseCIDRSloppy`)."""
    start, _, length = text.partition("/")
    address = parse_ip(start)
    if address is None or not re.fullmatch(r"[0-9]+", length) or int(length) > address.max_prefixlen:
        return None
    return ipaddress.ip_interface(f"{address}/{int(length)}")


def cidr_faults(text: str) -> list[str]:
    """What keeps a text from being a network (`IsValidCIDRForLegacyField`)."""
    interface = parse_cidr(text)
    if interface is None:
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    start, _, length = text.partition("/")
    if length != str(interface.network.prefixlen) or "must not have leading 0s" in ip_faults(start):
        return ["must not have leading 0s in IP or prefix length"]
    if isinstance(interface.ip, ipaddress.IPv6Address) and interface.ip.ipv4_mapped:
        return ["must not have an IPv4-mapped IPv6 address"]
    beyond = interface.ip != interface.network.network_address
    return ["must not have bits set beyond the prefix length"] if beyond else []


def strict_ip_faults(text: str) -> list[str]:
    """What keeps a text from being an IP address in its one right spelling (`IsValidIP`, strictly)."""
    return ip_faults(text) or _canonical_faults(text, str(parse_ip(text)))


def strict_cidr_faults(text: str) -> list[str]:
    """The same of a network (`IsValidCIDR`)."""
    return cidr_faults(text) or _canonical_faults(text, str(parse_cidr(text)))


def _canonical_faults(text: str, canonical: str) -> list[str]:
    return [] if text == canonical else [f'must be in canonical form ("{canonical}")']


def ip_warnings(path: str, text: str) -> list[str]:
    """What a client is told of an IPv6 address that is not written as RFC 5952 has it."""
    address = parse_ip(text)
    return (
        _canonical_warnings(path, "address", text, str(address)) if address and address.version == 6 else []
    )


def cidr_warnings(path: str, text: str) -> list[str]:
    """The same of an IPv6 network."""
    found = parse_cidr(text)
    return _canonical_warnings(path, "CIDR value", text, str(found)) if found and found.version == 6 else []


def _canonical_warnings(path: str, what: str, text: str, canonical: str) -> list[str]:
    if text == canonical:
        return []
    return [f'{path}: IPv6 {what} "{text}" should be in RFC 5952 canonical format ("{canonical}")']
