"""The authorizers that the flags ask for; mirrors `pkg/kubeapiserver/options/authorization.go`."""

from __future__ import annotations

from . import authorization_config
from .authorization import Graph, ModeError, Modes, Policy, Rule
from .options import InvalidOptions, Options


def of(options: Options, graph: Graph, policy: Policy, node_rules: tuple[Rule, ...]) -> Modes:
    """The union of `--authorization-mode`, or of the authorizers in the file of `--authorization-config`.

    Raises `InvalidOptions` for one that is not served.
    """
    modes = options.authorization_mode
    if path := options.flags.text("authorization-config"):
        modes = authorization_config.read(path)
    try:
        return Modes(modes, graph, policy, node_rules)
    except ModeError as error:
        raise InvalidOptions(str(error)) from error
