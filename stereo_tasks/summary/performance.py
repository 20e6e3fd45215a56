"""The summary of the performance: how well the chains of analysis reconstruct the common sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from astropy.table import Table

from stereo_tasks.kernels.telescopes import COMBINATIONS
from stereo_tasks.summary.chains import CHAINS, TABLES, joined
from stereo_tasks.summary.counting import Histogram
from stereo_tasks.summary.dates import HOUR_S
from stereo_tasks.summary.distributions import Distributions
from stereo_tasks.summary.excess import OnOff, clear_angle_deg
from stereo_tasks.summary.maps import Maps
from stereo_tasks.summary.result import Summary
from stereo_tasks.summary.sensitivities import DEFINITION, Sensitivities, fill_simulated, new_simulated
from stereo_tasks.summary.simulated import Simulated, Simulation, weights

_THREE = COMBINATIONS[1, 2, 3]


class Performance:
    """Collects the nights of a set one after the other, and the nodes of the Monte Carlo.

    Parameters
    ----------
    kinds : sequence of str
        Data sets of the common sample: ``merged``, ``mean``, and ``lst`` and ``melibea`` where they are.
    runs : astropy.table.Table
        From `stereo_tasks.summary.runs.runs_table`.
    source_ra_deg, source_dec_deg, region_radius_deg : float
        The source, and the radius of the regions in which the excess is counted.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        runs: Table,
        source_ra_deg: float,
        source_dec_deg: float,
        region_radius_deg: float,
    ) -> None:
        self._runs, self._position = runs, (source_ra_deg, source_dec_deg)
        chains = [chain for chain in CHAINS if TABLES[chain] in kinds]
        self._nights: list[str] = []
        self._counted = {chain: OnOff() for chain in chains}
        self._distributions = Distributions(chains, region_radius_deg**2)
        self._maps = Maps(source_ra_deg, source_dec_deg)
        self._simulated = Simulated()
        self._rays: Histogram | None = None

    def fill(self, night: str, tables: Mapping[str, pd.DataFrame]) -> None:
        """Add the common sample of a night, with the columns of `stereo_tasks.summary.chains.wanted`."""
        events = joined(tables)
        clear_deg = clear_angle_deg(events, *self._position)
        for chain, counted in self._counted.items():
            counted.fill(events, chain, clear_deg)
        self._distributions.fill(events)
        self._maps.fill(events)
        self._nights.append(night)

    def fill_simulated(self, tables: Mapping[str, pd.DataFrame], simulation: Simulation, share: float) -> None:
        """Add the showers of a node with three telescopes."""
        means = tables["mean"]
        means = means[means["combo_type"] == _THREE].drop(columns="combo_type")
        events = joined({**tables, "mean": means})
        weight = weights(events["true_energy"].to_numpy(), simulation, share)
        self._rays = self._rays or new_simulated()
        fill_simulated(self._rays, events, weight)
        self._simulated.fill(events, weight)
        self._distributions.fill_simulated(events, weight)
        self._maps.fill_simulated(events, weight)

    def summarise(self, *, simulated: bool, lost: Sequence[str] = ()) -> Summary:
        """Make the summary of at least one night.

        Parameters
        ----------
        simulated : bool
            Whether there is Monte Carlo, and so its results.
        lost : sequence of str
            What is missing.
        """
        own = np.isin(np.asarray(self._runs["night"], dtype=str), self._nights)
        hours = float(np.sum(np.asarray(self._runs["live_time"], dtype=float)[own]) / HOUR_S)
        sensitivities = Sensitivities(self._counted, hours, self._rays)
        gammaness, energies, ratios, pairs, intensities = self._distributions.results()
        results = [
            gammaness, energies, ratios, pairs, intensities, *sensitivities.results(), *self._maps.results(),
            *(self._simulated.results() if simulated else ()),
        ]  # fmt: skip
        numbers = {"nights": len(self._nights), **self._distributions.numbers(), "sensitivity": sensitivities.numbers()}
        notes = (DEFINITION, *(f"Left out: {text}" for text in lost))
        return Summary("performance", "the performance of the chains of analysis", numbers, tuple(results), notes)
