"""Deployments: a ReplicaSet for each pod template, and the way from the old ones to the new one."""
