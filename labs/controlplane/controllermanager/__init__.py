"""The `kube-controller-manager` of the control plane."""
