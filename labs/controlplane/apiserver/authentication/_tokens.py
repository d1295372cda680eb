"""Bearer tokens that are no service account's: of `--token-auth-file`, and those that nodes join with.

Mirrors `pkg/authentication/token/tokenfile` and `plugin/pkg/auth/authenticator/token/bootstrap`.
"""

from __future__ import annotations

import csv
import hmac
import re
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..context import User
from ..meta import parse_time
from ..resources import core
from ..storage import Storage

_BOOTSTRAP = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_BOOTSTRAP_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class TokenFileError(Exception):
    """`--token-auth-file` cannot be used."""


def token_file(path: str) -> dict[str, User]:
    """The users of a file of lines `token,user,uid[,"group,group"]`. Raises `TokenFileError`."""
    users = {}
    try:
        rows = list(csv.reader(Path(path).read_text().splitlines(), skipinitialspace=True))
    except OSError as error:
        raise TokenFileError(f"open {path}: {(error.strerror or str(error)).lower()}") from error
    for number, row in enumerate(rows, 1):
        if not row or row[0].startswith("#"):
            continue
        if len(row) < 3:
            raise TokenFileError(
                f"token file '{path}' must have at least 3 columns (token, user name, user uid), "
                f"found {len(row)}"
            )
        token, name, uid = row[:3]
        if not token:
            raise TokenFileError(
                f"empty token has been found in token file '{path}', record number '{number}'"
            )
        groups = tuple(row[3].split(",")) if len(row) > 3 and row[3] else ()
        users[token] = User(name, groups, {}, uid)
    return users


@dataclass(frozen=True)
class BootstrapTokens:
    """Tokens kept in Secrets of kube-system, by which nodes join (`kubeadm join --token`)."""

    storage: Storage

    async def user(self, token: str) -> User | None:
        """The node-to-be behind a token; None when it is not one that may be used."""
        form = _BOOTSTRAP.fullmatch(token)
        if form is None:
            return None
        name, secret = form.groups()
        found = await self.storage.get(core("secrets").key("kube-system", f"bootstrap-token-{name}"))
        if found is None or found.object.get("type") != "bootstrap.kubernetes.io/token":
            return None
        if "deletionTimestamp" in found.object["metadata"]:
            return None
        data = {key: b64decode(value).decode() for key, value in (found.object.get("data") or {}).items()}
        if not hmac.compare_digest(data.get("token-secret", ""), secret) or data.get("token-id") != name:
            return None
        expires = parse_time(data["expiration"]) if "expiration" in data else None
        if "expiration" in data and (expires is None or expires <= datetime.now(UTC)):
            return None
        if data.get("usage-bootstrap-authentication") != "true":
            return None
        groups = [group for group in data.get("auth-extra-groups", "").split(",") if group]
        if not all(_BOOTSTRAP_GROUP.fullmatch(group) for group in groups):
            return None
        return User(f"system:bootstrap:{name}", ("system:bootstrappers", *groups))
