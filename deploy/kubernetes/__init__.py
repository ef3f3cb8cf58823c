"""Pulse on Kubernetes: manifests for kustomize, and what writes those that follow from other files (docs/kubernetes.md)."""
