"""A client of the API server, as client-go is one: requests, informers, work queues, leases, events.

Objects are the API's own dicts. What an informer's store has is shared: copy before you change it.
"""

from labs.golang.kubeconfig import KubeconfigError, RestConfig, load

from .config import from_flags
from .informer import Handler, Informer, Informers
from .leaderelection import Election, LeaderElector
from .rest import (
    APPLY_PATCH,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    ApiError,
    Client,
    Object,
    Resource,
)
from .store import Store, by_owner, key_of, split_key
from .workqueue import WorkQueue

__all__ = [
    "APPLY_PATCH",
    "MERGE_PATCH",
    "STRATEGIC_MERGE_PATCH",
    "ApiError",
    "Client",
    "Election",
    "Handler",
    "Informer",
    "Informers",
    "KubeconfigError",
    "LeaderElector",
    "Object",
    "Resource",
    "RestConfig",
    "Store",
    "WorkQueue",
    "by_owner",
    "from_flags",
    "key_of",
    "load",
    "split_key",
]
