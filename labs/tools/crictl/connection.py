"""The gRPC connection to the runtime: calls whose failures read as in Go's client."""

import socket
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as cri
from cri_api.v1 import api_pb2_grpc

from labs.tools.crictl.errors import CrictlError, code_name

__all__ = ["Connection", "cri"]


class Connection:
    """Both services of one socket."""

    def __init__(self, endpoint: str, timeout: float) -> None:
        self.endpoint = endpoint
        self._check(endpoint.removeprefix("unix://"))
        channel = grpc.insecure_channel(endpoint, [("grpc.max_receive_message_length", 16 << 20)])
        try:
            grpc.channel_ready_future(channel).result(timeout)
        except grpc.FutureTimeoutError:
            raise self._unreachable("i/o timeout") from None
        self._runtime = api_pb2_grpc.RuntimeServiceStub(channel)
        self._images = api_pb2_grpc.ImageServiceStub(channel)

    def _check(self, path: str) -> None:
        """Fail at once, and with a reason, if nobody listens there."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            try:
                trial.connect(path)
            except OSError as failure:
                reason = (failure.strerror or str(failure)).lower()
                raise self._unreachable(f"dial unix {path}: connect: {reason}") from failure

    def _unreachable(self, reason: str) -> CrictlError:
        return CrictlError(
            f'validate service connection: validate CRI v1 runtime API for endpoint "{self.endpoint}": '
            "rpc error: code = Unavailable desc = connection error: "
            f'desc = "transport: Error while dialing: {reason}"'
        )

    def runtime(self, method: str, request: Any) -> Any:
        """Call a method of the RuntimeService."""
        return _answer(getattr(self._runtime, method), request)

    def images(self, method: str, request: Any) -> Any:
        """Call a method of the ImageService."""
        return _answer(getattr(self._images, method), request)


def _answer(method: Any, request: Any) -> Any:
    try:
        return method(request)
    except grpc.RpcError as failure:
        code = code_name(failure.code().name)
        raise CrictlError(f"rpc error: code = {code} desc = {failure.details()}") from failure
