"""What can go wrong between us and a cluster; whoever sends commands needs to know whether they had an effect."""

from __future__ import annotations


class NotReachedError(OSError):
    """The command certainly had no effect: it was never started.

    Parameters
    ----------
    text : str
        What happened, and what to do.
    again : bool
        Whether the same may succeed later without anybody's doing.
    """

    def __init__(self, text: str, *, again: bool = False) -> None:
        super().__init__(text)
        self.again = again


class RejectedError(OSError):
    """SLURM answered, and refused."""


class NoAnswerError(RuntimeError):
    """Nobody knows whether the command had an effect: it was cut off, or the cluster did not answer."""


class SubmissionUnknownError(RuntimeError):
    """An array may or may not have been submitted, and the cluster does not say."""
