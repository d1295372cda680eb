"""crictl as a node's shell offers it: the client for whatever container runtime serves CRI on the node.

Commands, flags, tables, JSON and error texts are those of cri-tools 1.36, as far as a student meets them.
Modules are imported by the command that needs them, so that a table stands on the screen in a quarter of a
second: the gRPC library alone takes half of that.
"""
