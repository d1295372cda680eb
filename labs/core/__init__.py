"""Pods as Kubernetes knows them, whoever reads one (`pkg/apis/core`): amounts, names, and what is refused.

The kubelet asks it of manifests, the API server of all that it stores.
"""
