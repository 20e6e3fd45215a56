"""The one error of the private cluster."""


class PrivateClusterError(RuntimeError):
    """The cluster cannot be started, stopped or used; the text says what to do."""
