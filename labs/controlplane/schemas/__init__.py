"""Kubernetes' own schemas for the kinds served, shipped as two files made by `generate.py`."""
