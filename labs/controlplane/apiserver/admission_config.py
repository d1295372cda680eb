"""The file of `--admission-control-config-file`, and what the plug-ins that are on want of it at the start.

As `k8s.io/apiserver/pkg/admission/config.go` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from labs.golang import pem
from labs.golang.configfile import ConfigError, Format, compact
from labs.golang.goyaml import YAMLError

from . import plugin_configs
from .options import Fatal, InvalidOptions, Options

_FORMAT = Format(
    "apiserver.config.k8s.io/v1",
    "AdmissionConfiguration",
    {
        "AdmissionConfiguration": {
            "plugins": "[]AdmissionPluginConfiguration",
        },
        "AdmissionPluginConfiguration": {"name": "string", "path": "string", "configuration": "any"},
    },
    "k8s.io/apiserver/pkg/server/options/admission.go:51",
    {"AdmissionPluginConfiguration": "v1.AdmissionPluginConfiguration"},
)  # fmt: skip


def check(options: Options) -> None:
    """Raises `InvalidOptions` or `Fatal` where the real server would not start with its plug-ins."""
    off = options.flags.words("disable-admission-plugins")
    on = plugin_configs.DEFAULT.union(options.enable_admission_plugins).difference(off)
    try:
        path = options.flags.text("admission-control-config-file")
        configurations = _read(path, on) if path else {}
        for plugin, accepts in plugin_configs.CHECKS.items():
            if plugin in on:
                _check(plugin, accepts, configurations.get(plugin))
    except ConfigError as error:
        raise InvalidOptions(f"failed to apply admission: {error}") from None


def _check(plugin: str, accepts: Callable[[bytes | None], None], data: bytes | None) -> None:
    try:
        accepts(data)
    except (ConfigError, YAMLError) as error:
        raise ConfigError(f'couldn\'t init admission plugin "{plugin}": {error}') from None
    except plugin_configs.InitializationError as error:
        raise ConfigError(f'failed to initialize admission plugin "{plugin}": {error}') from None


def _read(path: str, plugins: Collection[str]) -> Mapping[str, bytes]:
    """The configuration of each plug-in that is on, as it is written."""
    wrong = "failed to read plugin config"
    try:
        data = pem.read(path)
    except pem.PEMError as error:
        raise ConfigError(
            f'{wrong}: unable to read admission control configuration from "{path}" [{error}]'
        ) from None
    try:
        document = _FORMAT.strict(data)
    except ConfigError as error:
        raise ConfigError(f"{wrong}: {error}") from None
    found = {}
    for plugin in document.get("plugins") or []:
        name, file = plugin.get("name", ""), plugin.get("path", "")
        if name not in plugins:
            continue
        if "configuration" in plugin:
            found[name] = compact(plugin["configuration"]).encode()
        elif file:
            found[name] = _open(str(Path(path).parent / file))
    return found


def _open(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        failed = f'&fs.PathError{{Op:"open", Path:"{path}", Err:{error.errno or 0:#x}}}'
        message = f"Couldn't open admission plugin configuration {path}: {failed}"
        raise Fatal("config.go:145", message) from None
