"""The root of every error a person is meant to read.

A message is one line: what is wrong, and what to do next. Each room derives its own classes from
`LabsError`; the command line prints the message on stderr and exits with `status`.
"""


class LabsError(Exception):
    """Something a user can mend. `status` is the exit status of the command that meets it."""

    status = 1


class UsageError(LabsError):
    """The call itself is wrong: an unknown name, a bad option."""

    status = 2
