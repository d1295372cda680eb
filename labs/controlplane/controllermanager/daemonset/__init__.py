"""DaemonSets: a pod on every node that the template fits on."""
