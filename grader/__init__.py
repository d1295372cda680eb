"""How submissions are judged: a sandbox for the student's kernel, the judge asked from outside of it.

`grader.plugin` puts it into nbgrader, `grader.__main__` is the `grader` command. Both run
`grader.attempt.judge`, which plays a notebook in `grader.sandbox` against a lab of its own and writes what
the judge saw into `grader.record`. nbgrader's gradebook is filled from that record and from nothing else.
"""
