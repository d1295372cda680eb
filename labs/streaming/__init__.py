"""Streams into containers: what `exec`, `attach` and `port-forward` speak, between all parts of a cluster.

A request is an HTTP/1.1 one that is upgraded: to WebSocket, as clients ask for since Kubernetes 1.31, or to
SPDY/3.1, as older ones and crictl do. No kept library serves the second, so all of it is here, for the
container runtime, the kubelet, the API server and their clients. Reading order:

    http           the upgrade itself, on both sides, and passing one on untouched
    stream         one direction or two of bytes, whatever carries them
    websocket      RFC 6455: messages
    spdy           SPDY/3.1: any number of streams on one connection
    remotecommand  stdin, stdout, stderr, window size and status of a command, over either
    portforward    connections to ports of a pod
    client         the other side of a command's streams
    proxy          who stands between the two, as the kubelet does
"""
