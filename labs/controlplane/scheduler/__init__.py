"""The `kube-scheduler` of the control plane."""
