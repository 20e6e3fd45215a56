"""Counts: ON, OFF, what they mean, and how they grow with live time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import QTable
from gammapy.datasets import SpectrumDatasetOnOff
from gammapy.stats import WStatCountsStatistic

from stereo_tasks.analysis.times import night_of, start_of


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts in the usable energies."""

    on: int
    off: int
    """In all OFF regions together."""
    alpha: float
    """ON over OFF acceptance: 1 over the number of OFF regions."""
    live_time_s: float

    @property
    def background(self) -> float:
        """Background expected in the ON region."""
        return self.alpha * self.off

    @property
    def excess(self) -> float:
        """ON counts minus background."""
        return self.on - self.background

    @property
    def excess_error(self) -> float:
        """Standard deviation of the excess."""
        return math.sqrt(self.on + self.alpha**2 * self.off)

    @property
    def significance_sigma(self) -> float:
        """Equation 17 of Li & Ma 1983, ApJ 272, 317; negative for a deficit, 0 without any count."""
        if self.on + self.off == 0:
            return 0.0
        return float(WStatCountsStatistic(self.on, self.off, self.alpha).sqrt_ts)


def count(datasets: Sequence[SpectrumDatasetOnOff], off_regions: int) -> Counts:
    """Add up the counts of runs in their usable energies."""
    return Counts(
        on=sum(int(dataset.counts.data[dataset.mask_safe.data].sum()) for dataset in datasets),
        off=sum(int(dataset.counts_off.data[dataset.mask_safe.data].sum()) for dataset in datasets),
        alpha=1 / off_regions,
        live_time_s=sum(live_time_s(dataset) for dataset in datasets),
    )


def live_time_s(dataset: SpectrumDatasetOnOff) -> float:
    """Return the live time of a run in s."""
    return float(dataset.exposure.meta["livetime"].to_value("s"))


def excess_table(datasets: Sequence[SpectrumDatasetOnOff], off_regions: int) -> QTable:
    """Make the table of excess, background and significance against live time.

    Columns with ``total_`` are sums from the first run to this one.
    """
    rows = []
    for number, dataset in enumerate(datasets):
        run, total = count([dataset], off_regions), count(datasets[: number + 1], off_regions)
        rows.append(
            {
                "obs_id": int(dataset.name),
                "night": night_of(start_of(dataset)),
                "live_time": run.live_time_s * u.s,
                "on": run.on,
                "off": run.off,
                "alpha": run.alpha,
                "background": run.background,
                "excess": run.excess,
                "excess_error": run.excess_error,
                "significance": run.significance_sigma,
                "total_live_time": total.live_time_s * u.s,
                "total_background": total.background,
                "total_excess": total.excess,
                "total_excess_error": total.excess_error,
                "total_significance": total.significance_sigma,
            }
        )
    table = QTable(rows=rows)
    for name in table.colnames:
        if np.issubdtype(table[name].dtype, np.floating):
            table[name].info.format = ".6g"
    return table
