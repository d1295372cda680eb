"""nbgrader's settings for this course: submissions are judged in the lab, never by what they print.

traitlets only logs an exception in this file and nbgrader would go on without us, giving full marks for
printing nothing. So whatever goes wrong here ends the command.
"""

c = get_config()  # noqa: F821, given by traitlets

# fits a Python cell and a shell cell, and neither of them fails by it
c.ClearSolutions.code_stub = {"python": "# Your work goes here."}

try:
    from grader.plugin import configure

    configure(c)
except BaseException as error:
    raise SystemExit(
        f"nbgrader_config.py: the grader's plug-in cannot be used ({type(error).__name__}: {error}). "
        "Nothing was graded. Run `make setup`, then nbgrader from this project's .venv."
    ) from error
