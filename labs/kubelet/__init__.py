"""The kubelet: runs static pods on a CRI runtime and mirrors them to an API server, when there is one.

Values (frozen dataclasses in `pod.model` and `runtime_status`) go through pure semantics (decoding,
defaults, validation, identity, actions, status) that the loop (`kubelet`, `pod_workers`) drives with
clock, file system, runtime and API injected. It knows nothing of the runtime below it but CRI.
"""
