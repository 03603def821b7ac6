"""The error that the command line shows as one sentence."""


class CourseError(Exception):
    """Something that the user can put right, in one sentence: what, where, and what to do."""
