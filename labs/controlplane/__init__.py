"""The control plane's bundled images: what the kubelet runs from the manifests that kubeadm writes."""
