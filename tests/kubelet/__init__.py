"""The kubelet's tests: one per numbered fact of its semantics, most of them on virtual time."""
