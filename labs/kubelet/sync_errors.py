"""Why a pod is not as it should be: what a sync ends with.

    SyncError              a sync that did not do all; retried after the back-off
    ├── NetworkError       the node's network is not ready; retried soon
    ├── SandboxError
    └── StartError         one container could not be started; `reason` becomes `state.waiting.reason`
        └── BackoffError   it may not be started yet; says when

`str()` of each is what the kubelet logs as `"Error syncing pod, skipping" err=…`.
"""

from labs.golang.quoting import quote


class SyncError(Exception):
    """A sync that has to be tried again."""

    #: Seconds until then, where the error knows.
    retry_after: float | None = None


class NetworkError(SyncError):
    """Only pods on the node's own network can be started now."""

    retry_after = 1.0


class StartError(SyncError):
    """A container that did not start, in the words of `kubecontainer.SyncResult`."""

    def __init__(self, container: str, reason: str, message: str, action: str = "StartContainer") -> None:
        self.container = container
        self.reason = reason
        self.message = message
        super().__init__(f'failed to "{action}" for "{container}" with {reason}: {quote(message)}')


class BackoffError(StartError):
    """The container's crash-loop back-off ends in so many seconds."""

    def __init__(self, container: str, reason: str, message: str, seconds: float) -> None:
        super().__init__(container, reason, message)
        self.retry_after = seconds


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
    together = SyncError("[" + ", ".join(map(str, errors)) + "]")
    waits = [error.retry_after for error in errors if error.retry_after is not None]
    together.retry_after = min(waits, default=None)
    return together
