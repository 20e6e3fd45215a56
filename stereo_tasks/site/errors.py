"""The one error of this room."""


class SiteError(RuntimeError):
    """The site cannot be started, stopped or used; the text says what to do."""
