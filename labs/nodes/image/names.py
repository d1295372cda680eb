"""What the node image and what it is made of are called: the one place for names, versions and digests."""

#: kind's node image, as its release notes pin it.
KINDEST = "kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5"

#: The two kinds of node images, by their bases; every step of a build has a repository (see `build`).
DEBIAN, OF_KIND = "debian", "v1.36"
NODE, STORE, LIBRARIES, BASE = (f"cks-labs/{step}" for step in ("node", "store", "libraries", "base"))

#: Names another image than the newest one of the two.
VARIABLE = "CKS_LABS_NODE_IMAGE"

#: Labels. What an image was made from, its base, and the real programs in it: each a digest.
RECIPE = "io.cks-labs.recipe"
BASE_RECIPE = "io.cks-labs.base"
REAL = "io.cks-labs.real"
#: `debian` or `v1.36`, and the version of its Kubernetes.
VARIANT = "io.cks-labs.variant"
KUBERNETES = "io.cks-labs.kubernetes"

#: Where the kubelet's images are in containerd, and the control planes that a node carries there.
#: Provisioning gives one of them the names of registry.k8s.io (`choose-control-plane` on the node).
NAMESPACE = "k8s.io"
LOCAL = "cks-labs.local"
BUNDLED_IMAGES = f"{LOCAL}/bundled"
REAL_IMAGES = f"{LOCAL}/real"
