"""The version of Kubernetes that the control plane is."""

GIT_VERSION = "v1.36.2"
#: What the real ones are built with.
GO_VERSION = "go1.27.3"


def user_agent(program: str) -> str:
    """How a component calls itself in a request."""
    return f"{program}/{GIT_VERSION} (linux/amd64) kubernetes/8e16b12"
