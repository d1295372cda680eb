"""What the node image and what it is made of are called: the one place for names, versions and digests."""

#: kind's node image, as its release notes pin it.
KINDEST = "kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5"

#: Debian's packages as a base, and the thin layer over either base.
DEBIAN_BASE = "cks-labs/base:debian"
DEBIAN_NODE = "cks-labs/node:debian"
KINDEST_NODE = "cks-labs/node:v1.36"

#: Names another image than the newest one of the two.
VARIABLE = "CKS_LABS_NODE_IMAGE"

#: Labels: what an image was made from (a digest), and what is in it.
RECIPE = "io.cks-labs.recipe"
BASE = "io.cks-labs.base"
REAL = "io.cks-labs.real"
KUBERNETES = "io.cks-labs.kubernetes"

#: Where the kubelet's images are in containerd, and the control planes that a node carries there. Provisioning
#: gives one of them the names of registry.k8s.io (`choose-control-plane` on the node).
NAMESPACE = "k8s.io"
LOCAL = "cks-labs.local"
BUNDLED_IMAGES = f"{LOCAL}/bundled"
REAL_IMAGES = f"{LOCAL}/real"
