"""Kubernetes static pods, hands on: nodes, a kubelet, a runtime, a control plane, and exercises on them."""
