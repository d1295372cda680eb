"""What runs in a kind node beside the kubelet and tells the supervisor what happens there.

`python -m labs.nodes.kind.recorder` writes records of the evidence (`labs.nodes.supervisor`) to stdout, one
JSON object a line, and reads its orders from stdin:

    {"resume": {...}}   first of all: what the evidence already holds (`labs.nodes.kind.resume`)
    {"ping": N, "of": SOURCE}   answered by {"pong": N} when all that this source knew has been told; or, with
                                an "error" in it, when that cannot be known now

The sources are `audit` (the API server's log), `runtime` (containerd), `journal` (journald) and `file` (the
manifests directory). At the end of stdin it ends.
"""
