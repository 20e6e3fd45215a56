"""The base of the errors whose text tells a user what to do."""


class StereoError(Exception):
    """Something that a user can mend: the command line shows its text without a traceback."""
