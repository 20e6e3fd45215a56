"""Compute nodes have no network: astropy must not try to fetch tables or positions."""

from __future__ import annotations


def keep_astropy_offline() -> None:
    """Have astropy use what it has; for steps that use it, since its import takes a quarter of a second."""
    from astropy.utils import data, iers

    iers.conf.auto_download = False
    data.conf.allow_internet = False
