"""The errors of this room."""

from stereo_tasks.errors import StereoError


class AnalysisError(StereoError, ValueError):
    """The DL3 cannot be analysed; the text says why, and what to do."""


class NothingToAnalyseError(AnalysisError):
    """The DL3 can be read, but no run of it can be used."""
