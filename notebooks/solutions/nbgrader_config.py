"""Settings for nbgrader: what a student sees in place of a solution."""

c = get_config()  # noqa: F821  # nbgrader defines it when it reads this file
c.ClearSolutions.code_stub = {"python": "pass  # your code goes here"}
c.ClearSolutions.text_stub = "*Your answer goes here.*"
c.ExecutePreprocessor.timeout = 600
