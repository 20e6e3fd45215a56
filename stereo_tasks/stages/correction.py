"""Corrections: defects of magic-cta-pipe's tools that a production can ask our kernels not to repeat."""

from __future__ import annotations

from enum import StrEnum


class Correction(StrEnum):
    """What is put right; each is told of in ``docs/upstream.md``."""

    TIME_DIFFERENCE = "time_difference"
    """MAGIC's time to the event before, which DL3's dead-time correction is made from: that of the shower itself."""
