"""Why a pod is not as it should be: what a sync ends with.

    SyncError              a sync that did not do all; retried after the back-off
    └── StartError         one container could not be started; `reason` becomes `state.waiting.reason`
        └── BackoffError   it may not be started yet; says when

`str()` of each is what the kubelet logs as `"Error syncing pod, skipping" err=…`.
"""

from labs.kubelet.klog import quote


class SyncError(Exception):
    """A sync that has to be tried again."""


class StartError(SyncError):
    """A container that did not start, in the words of `kubecontainer.SyncResult`."""

    def __init__(self, container: str, reason: str, message: str, action: str = "StartContainer") -> None:
        self.container = container
        self.reason = reason
        self.message = message
        super().__init__(f'failed to "{action}" for "{container}" with {reason}: {quote(message)}')


class BackoffError(StartError):
    """The container's crash-loop or image-pull back-off has not passed."""

    def __init__(self, container: str, reason: str, message: str, until: float) -> None:
        super().__init__(container, reason, message)
        self.until = until


class SandboxError(SyncError):
    """The sandbox could not be made."""

    def __init__(self, pod: str, message: str) -> None:
        super().__init__(
            f'failed to "CreatePodSandbox" for "{pod}" with CreatePodSandboxError: {quote(message)}'
        )


def joined(errors: list[SyncError]) -> SyncError:
    """Several errors as one (`utilerrors.NewAggregate`)."""
    if len(errors) == 1:
        return errors[0]
    return SyncError("[" + ", ".join(map(str, errors)) + "]")
