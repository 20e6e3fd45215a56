"""What has to be set before gammapy is used."""

from __future__ import annotations

import logging
import warnings


def be_quiet() -> None:
    """Keep astropy off the network, which compute nodes do not have; hide warnings that a user can do nothing about."""
    from astropy.utils import data, iers

    iers.conf.auto_download = False
    iers.conf.iers_degraded_accuracy = "warn"
    data.conf.allow_internet = False
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="gammapy")
    logging.getLogger("gammapy").setLevel(logging.ERROR)
