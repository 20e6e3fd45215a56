"""Gammaness, energy, intensity: the chains compared event by event, and simulated gamma rays with the data's excess."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from astropy.table import Table
from matplotlib.figure import Figure

from stereo_tasks.summary import pictures
from stereo_tasks.summary.chains import CHAINS, TELESCOPES
from stereo_tasks.summary.counting import Floats, Histogram, normalised
from stereo_tasks.summary.result import Result

GAMMA_LIKE = 0.8
"""Gammaness of the stereo analysis above which energies are compared: hadrons have no energy."""
NAMES = {**CHAINS, **{telescope: f"{telescope} in stereo" for telescope in TELESCOPES}}
RATIOS = (
    ("stereo", "lst"), ("stereo", "melibea"), ("lst", "melibea"), ("LST-1", "M1"), ("LST-1", "M2"), ("M1", "M2"),
)  # fmt: skip
"""Pairs of reconstructions: the first is divided by the second."""
_PAIRS = (("stereo", "lst"), ("stereo", "melibea"), ("LST-1", "M1"), ("M1", "M2"))
_GAMMANESS = np.linspace(0, 1, 51)
_ENERGIES_TEV = np.logspace(-2.4, 2.6, 101)
_MAP_ENERGIES_TEV = np.logspace(-1.8, 1.4, 65)
_RATIO = np.linspace(0, 3, 301)
_INTENSITIES = np.logspace(1.5, 6, 91)


def excess_weights(events: pd.DataFrame, chain: str, theta2_deg2: float) -> Floats:
    """Return weights that sum up to the excess: 1 in the ON region, -1 over their number in the OFF regions.

    Parameters
    ----------
    events : pandas.DataFrame
        From `stereo_tasks.summary.chains.joined`; simulated ones have no OFF regions.
    chain : str
        One of its chains.
    theta2_deg2 : float
        Of the regions.
    """
    weights: Floats = (events[f"{chain}_theta2_on"].to_numpy() <= theta2_deg2).astype(np.float64)
    if f"{chain}_off_regions" not in events:
        return weights
    number = events[f"{chain}_off_regions"].to_numpy(np.float64)
    for name in events:
        if str(name).startswith(f"{chain}_theta2_off"):
            weights -= (events[name].to_numpy() <= theta2_deg2) / np.maximum(number, 1)
    return np.asarray(np.where(number > 0, weights, 0.0))


class Distributions:
    """Collects events; see the module.

    Parameters
    ----------
    chains : sequence of str
        Those that there are.
    theta2_deg2 : float
        Of ON and OFF regions in which the excess is counted.
    """

    def __init__(self, chains: Sequence[str], theta2_deg2: float) -> None:
        self._chains, self._theta2_deg2 = tuple(chains), theta2_deg2
        both = (*chains, "simulated")
        self.gammaness = {name: Histogram(_GAMMANESS) for name in chains}
        self.excess = {name: Histogram(_GAMMANESS) for name in both}
        own = (*chains, *TELESCOPES)
        self.energies = {name: Histogram(_ENERGIES_TEV) for name in (*own, "simulated")}
        self.ratios = {pair: Histogram(_RATIO) for pair in RATIOS if set(pair) <= set(own)}
        self.pairs = {pair: Histogram(*2 * [_MAP_ENERGIES_TEV]) for pair in _PAIRS if set(pair) <= set(own)}
        self.intensities = {name: Histogram(_INTENSITIES) for name in TELESCOPES}
        self.gamma_intensities = {
            kind: {name: Histogram(_INTENSITIES) for name in TELESCOPES} for kind in ("data", "simulated")
        }
        self.above = {name: {0.5: 0, 0.85: 0} for name in chains}
        self.events = 0

    def fill(self, events: pd.DataFrame) -> None:
        """Add events of data."""
        self.events += len(events)
        for chain in self._chains:
            gammaness = events[f"{chain}_gammaness"].to_numpy()
            self.gammaness[chain].fill(gammaness)
            self.excess[chain].fill(gammaness, weights=excess_weights(events, chain, self._theta2_deg2))
            for limit in self.above[chain]:
                self.above[chain][limit] += int(np.count_nonzero(gammaness > limit))
        like_gammas = events[events["stereo_gammaness"] >= GAMMA_LIKE]
        self._fill_energies(like_gammas)
        weights = excess_weights(like_gammas, "stereo", self._theta2_deg2)
        for telescope in TELESCOPES:
            self.intensities[telescope].fill(events[f"{telescope}_intensity"])
            self.gamma_intensities["data"][telescope].fill(like_gammas[f"{telescope}_intensity"], weights=weights)

    def _fill_energies(self, events: pd.DataFrame) -> None:
        energy = {name: events[f"{name}_reco_energy"].to_numpy() for name in (*self._chains, *TELESCOPES)}
        for name, values in energy.items():
            self.energies[name].fill(values)
        for (first, second), histogram in self.ratios.items():
            # What a chain could not reconstruct is no number, and falls out of the histogram.
            histogram.fill(energy[first] / energy[second])
        for (first, second), histogram in self.pairs.items():
            histogram.fill(energy[first], energy[second])

    def fill_simulated(self, events: pd.DataFrame, weights: Floats) -> None:
        """Add simulated gamma rays with the weights of a spectrum."""
        weights = weights * excess_weights(events, "stereo", self._theta2_deg2)
        self.excess["simulated"].fill(events["stereo_gammaness"], weights=weights)
        like = events["stereo_gammaness"].to_numpy() >= GAMMA_LIKE
        self.energies["simulated"].fill(events["stereo_reco_energy"][like], weights=weights[like])
        for telescope, histogram in self.gamma_intensities["simulated"].items():
            histogram.fill(events[f"{telescope}_intensity"][like], weights=weights[like])

    def numbers(self) -> dict[str, Any]:
        """Return what is told in few numbers."""
        fractions = {
            f"fraction_of_gammaness_above_{limit:g}": {
                CHAINS[chain]: number[limit] / max(self.events, 1) for chain, number in self.above.items()
            }
            for limit in (0.5, 0.85)
        }
        medians = {_label(pair): histogram.quantile(0.5) for pair, histogram in self.ratios.items()}
        return {"events": self.events, **fractions, "median_of_energy_ratio": medians}

    def results(self) -> list[Result]:
        """Return the tables and pictures."""
        return [self._gammaness(), self._energies(), self._ratios(), self._energy_pairs(), self._of_intensity()]

    def _gammaness(self) -> Result:
        columns: dict[str, Floats] = {f"events_{name}": one.counts for name, one in self.gammaness.items()}
        for name, one in self.excess.items():
            columns |= {f"excess_{name}": one.counts, f"excess_error_{name}": one.error}
        table = pictures.bins_table(_GAMMANESS, "", "gammaness", **columns)

        def draw(figure: Figure) -> None:
            left, right = pictures.panels(figure, 2, height_in=4)
            for name in self._chains:
                style = {"color": pictures.COLOURS[name], "label": CHAINS[name]}
                pictures.steps(left, _GAMMANESS, self.gammaness[name].counts, **style)
                _excess(right, self.excess[name], **style)
            simulated = normalised(self.excess["simulated"].counts)
            pictures.steps(right, _GAMMANESS, simulated, color=pictures.SIMULATED, label="simulated gamma rays")
            left.set(xlabel="gammaness", ylabel="events", yscale="log")
            right.set(xlabel="gammaness", ylabel="fraction of the excess in a bin")
            pictures.legend(left)
            pictures.legend(right, loc="upper left")

        caption = (
            "Left: all events of the common sample. Right: the excess within theta² of "
            f"{self._theta2_deg2:g} deg², and simulated gamma rays with the weights of the Crab Nebula's spectrum."
        )
        return Result("gammaness", "Gammaness", caption, table, draw)

    def _energies(self) -> Result:
        columns = {f"events_{name}": one.counts for name, one in self.energies.items()}
        table = pictures.bins_table(_ENERGIES_TEV, "TeV", "energy", **columns)

        def draw(figure: Figure) -> None:
            axes = figure.add_subplot()
            largest = max(one.counts.sum() for name, one in self.energies.items() if name != "simulated")
            for name, label in NAMES.items():
                if name in self.energies:
                    style = {"color": pictures.COLOURS[name], "lw": 1.8 if name in CHAINS else 1, "label": label}
                    pictures.steps(axes, _ENERGIES_TEV, self.energies[name].counts, **style)
            simulated = normalised(self.energies["simulated"].counts) * largest
            label = "simulated gamma rays, scaled"
            pictures.steps(axes, _ENERGIES_TEV, simulated, color=pictures.SIMULATED, label=label)
            pictures.logarithmic(axes, "x")
            axes.set(xlabel="reconstructed energy (TeV)", ylabel="events", yscale="log", ylim=(0.5, None))
            pictures.legend(axes)

        caption = f"Events with a gammaness of the stereo analysis of at least {GAMMA_LIKE:g}."
        return Result("energies", "Reconstructed energies", caption, table, draw)

    def _ratios(self) -> Result:
        columns = {f"events_{first}_over_{second}": one.counts for (first, second), one in self.ratios.items()}
        table = pictures.bins_table(_RATIO, "", "ratio", **columns)

        def draw(figure: Figure) -> None:
            for axes, (pair, one) in zip(pictures.panels(figure, len(self.ratios)), self.ratios.items(), strict=True):
                median = one.quantile(0.5)
                pictures.steps(axes, _RATIO, one.counts, color=pictures.COLOURS[pair[0]], fill=True, alpha=0.6)
                axes.axvline(1, color=pictures.FAINT)
                axes.axvline(median, color=pictures.INK, ls="--", label=f"median {median:.3f}")
                axes.set(xlabel=f"energy, {_label(pair)}", ylabel="events")
                pictures.legend(axes)

        caption = (
            f"Ratios of energies, event by event, for a gammaness of the stereo analysis of at least {GAMMA_LIKE:g}."
        )
        return Result("energy_ratios", "Energies compared", caption, table, draw)

    def _energy_pairs(self) -> Result:
        rows: dict[str, list[Any]] = {
            name: [] for name in ("first", "second", "energy_first", "energy_second", "events")
        }
        for (first, second), one in self.pairs.items():
            x, y = np.nonzero(one.counts)
            listed: list[Any] = [
                [first] * len(x),
                [second] * len(x),
                one.centers(0)[x],
                one.centers(1)[y],
                one.counts[x, y],
            ]
            for values, more in zip(rows.values(), listed, strict=True):
                values.extend(more)
        table = Table(rows, names=list(rows), dtype=["U8", "U8", float, float, float])
        for name in ("energy_first", "energy_second"):
            table[name].unit = "TeV"
            table[name].info.format = ".5g"

        def draw(figure: Figure) -> None:
            for axes, (pair, one) in zip(pictures.panels(figure, len(self.pairs), 2), self.pairs.items(), strict=True):
                pictures.draw_map(axes, one)
                ends = _MAP_ENERGIES_TEV[[0, -1]]
                axes.plot(ends, ends, "--", color=pictures.INK, lw=1)
                pictures.logarithmic(axes, "x", "y")
                axes.set(xlabel=f"energy, {NAMES[pair[0]]} (TeV)", ylabel=f"energy, {NAMES[pair[1]]} (TeV)")

        return Result(
            "energy_pairs", "Energies, one against the other", "As the ratios; dashed: equal.", table, draw
        )  # fmt: skip

    def _of_intensity(self) -> Result:
        columns: dict[str, Floats] = {f"events_{name}": one.counts for name, one in self.intensities.items()}
        for name, one in self.gamma_intensities["data"].items():
            columns |= {f"excess_{name}": one.counts, f"excess_error_{name}": one.error}
        columns |= {f"simulated_{name}": one.counts for name, one in self.gamma_intensities["simulated"].items()}
        table = pictures.bins_table(_INTENSITIES, "", "intensity", **columns)

        def draw(figure: Figure) -> None:
            first, *others = pictures.panels(figure, 1 + len(TELESCOPES), 2)
            for axes, name in zip(others, TELESCOPES, strict=True):
                pictures.steps(
                    first, _INTENSITIES, self.intensities[name].counts, color=pictures.COLOURS[name], label=name
                )
                _excess(
                    axes, self.gamma_intensities["data"][name], color=pictures.COLOURS[name], label=f"{name}, excess"
                )
                simulated = normalised(self.gamma_intensities["simulated"][name].counts)
                pictures.steps(axes, _INTENSITIES, simulated, color=pictures.SIMULATED, label="simulated gamma rays")
                axes.set(xlabel="intensity (p.e.)", ylabel="fraction of the excess in a bin", xscale="log")
                pictures.legend(axes)
            first.set(xlabel="intensity (p.e.)", ylabel="events", xscale="log", yscale="log")
            pictures.legend(first)

        caption = (
            "All events of the common sample; and the excess of those with a gammaness of at least "
            f"{GAMMA_LIKE:g} beside simulated gamma rays with the weights of the Crab Nebula's spectrum."
        )
        return Result("intensities", "Intensities of the images", caption, table, draw)


def _label(pair: tuple[str, str]) -> str:
    return " / ".join(NAMES[name] for name in pair)


def _excess(axes: Any, histogram: Histogram, **style: Any) -> None:
    """Draw an excess as fractions of its sum, with errors."""
    total = histogram.counts.sum()
    if total > 0:
        some = histogram.squares > 0
        axes.errorbar(
            histogram.centers()[some], histogram.counts[some] / total, histogram.error[some] / total, fmt="o", ms=3,
            elinewidth=1, **style,
        )  # fmt: skip
