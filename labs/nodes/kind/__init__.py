"""Clusters whose node is a container of Docker's, made as the kind CLI makes one."""
