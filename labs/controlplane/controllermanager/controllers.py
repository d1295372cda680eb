"""The controllers of this process, in the order in which they are started."""

from __future__ import annotations

from .context import Controller, ControllerContext, Descriptor
from .daemonset.controller import DaemonSetController
from .deployment.controller import DeploymentController
from .disruption.controller import DisruptionController
from .garbage.controller import GarbageCollector
from .job.controller import JobController
from .job.ttl import TTLAfterFinishedController
from .namespaces import NamespaceController
from .nodes.ipam import NodeIPAMController
from .nodes.lifecycle import NodeLifecycleController
from .nodes.podgc import PodGarbageCollector
from .nodes.taint_eviction import TaintEvictionController
from .nodes.ttl import TTLController
from .replicaset.controller import ReplicaSetController
from .rootca import RootCAPublisher
from .serviceaccounts import ServiceAccountController
from .services.cidrs import ServiceCIDRController
from .services.controllers import EndpointsController, EndpointSliceController


def _ipam(context: ControllerContext) -> Controller | None:
    """Ranges are given out where the flags say so, and of which range."""
    flags = context.flags
    wanted = flags.switch("allocate-node-cidrs") and flags.words("cluster-cidr")
    return NodeIPAMController(context) if wanted else None


def _root_ca(context: ControllerContext) -> Controller | None:
    return RootCAPublisher(context) if context.flags.text("root-ca-file") else None


_MADE = (
    ServiceAccountController,
    NamespaceController,
    EndpointsController,
    EndpointSliceController,
    ReplicaSetController,
    DeploymentController,
    DaemonSetController,
    JobController,
    TTLAfterFinishedController,
    TTLController,
    NodeLifecycleController,
    TaintEvictionController,
    PodGarbageCollector,
    DisruptionController,
    GarbageCollector,
    ServiceCIDRController,
)
CONTROLLERS: tuple[Descriptor, ...] = (
    *(Descriptor(controller.name, controller) for controller in _MADE),
    Descriptor(NodeIPAMController.name, _ipam),
    Descriptor(RootCAPublisher.name, _root_ca),
)
