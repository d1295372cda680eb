"""The bundled container runtime: a server of CRI v1 whose containers are bubblewrap sandboxes.

It presents itself as containerd does (names, error texts, states), because that is what a student meets on
a real node. Reading order:

    __main__     the program: sockets, signals, start
    service      the RuntimeService and ImageService of CRI: requests to calls, errors to gRPC codes
    sandboxes    a pod's sandbox: namespaces, pause process, network
    containers   a container: from an image and a ContainerConfig to a process, and to its exit code
    launcher     one bubblewrap command, started by process 1 of the node (`monitor`)
    images/      what can be run, and how it comes to the disk
    records      what is remembered on disk, so that this program may be killed at any time
    evidence     what is told to the cluster's judge
"""
