"""Process 1 of a node: starts shells, units and containers, reaps them, keeps their output and exit codes.

It lives in the node's *clean* mount namespace, where the student's files are data below `/node` and
never the root of anything that is executed. Only programs that belong to the student are put into the
student's view (`views`), one user namespace below. It is one thread with one loop (`reactor`), imports
only the standard library, and only the light part of it: each node pays for its memory.
"""
