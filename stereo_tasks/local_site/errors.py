"""The one error of this room."""

from stereo_tasks.errors import StereoError


class SiteError(StereoError):
    """The site cannot be started, stopped or used; the text says what to do."""
