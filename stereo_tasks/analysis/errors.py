"""The error of this room."""

from stereo_tasks.errors import StereoError


class AnalysisError(StereoError, ValueError):
    """The DL3 cannot be analysed; the text says why, and what to do."""
