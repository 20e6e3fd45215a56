"""What a kernel does not know."""

from __future__ import annotations

from stereo_tasks.errors import StereoError


class NotCovered(StereoError):  # noqa: N818 - it says what is the matter, and no user has to mend anything
    """A case that a kernel does not cover: magic-cta-pipe's own tool does it instead; the text says why."""
