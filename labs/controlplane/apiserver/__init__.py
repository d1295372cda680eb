"""The bundled kube-apiserver: the Kubernetes API over etcd, run by the kubelet as a static pod.

A request passes the rooms in the order the real one has them, one module each:
`authentication` -> `authorization` -> `admission` -> `validation` -> `storage`.
"""
