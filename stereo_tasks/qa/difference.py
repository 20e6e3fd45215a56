"""``python -m stereo_tasks.qa.difference A B``: the events of two folders of DL3 of a night and source, compared.

Prints a JSON object: events that only one of them has, and for each folder rate, significance and spectrum.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.data import Observation

from stereo_tasks.qa.dl3 import open_observations
from stereo_tasks.qa.spectrum import SpectrumError, fit_power_law
from stereo_tasks.qa.theta2 import make_theta2
from stereo_tasks.settings import load_settings
from stereo_tasks.settings.qa import QaSettings

_VALUES = ("ENERGY", "RA", "DEC", "GAMMANESS", "TIME")


@dataclass(frozen=True, slots=True)
class RunDifference:
    """The events of one run in two folders, matched by their ``EVENT_ID``."""

    obs_id: int
    """LST-1 run."""
    before: int
    """Events in the first folder."""
    after: int
    """Events in the second."""
    lost: int
    """Events that only the first has."""
    gained: int
    """Events that only the second has."""
    changed: int
    """Events of both with another energy, direction, gammaness or time."""
    energy_shift_max: float
    """Largest relative change of the energy of an event of both."""
    direction_shift_max_deg: float
    """Largest distance between the directions of an event of both, in deg."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a folder of DL3 says of the source."""

    events: int
    live_time_s: float
    n_on: int | None = None
    """Events within the theta cut around the source; None where a run has no room for an OFF region."""
    n_off: int | None = None
    """The same in all OFF regions together."""
    alpha: float | None = None
    """ON over OFF acceptance."""
    significance: float | None = None
    """Of the excess in sigma, after Li & Ma."""
    flux: float | None = None
    """Of a power law at `reference_tev`, in 1 / (TeV cm2 s)."""
    flux_error: float | None = None
    index: float | None = None
    index_error: float | None = None
    reference_tev: float | None = None
    note: str = ""
    """Why there is no significance or spectrum."""

    @property
    def rate_hz(self) -> float:
        """Events in a second of live time."""
        return self.events / self.live_time_s if self.live_time_s else 0.0


def compare(before: Iterable[Observation], after: Iterable[Observation]) -> tuple[RunDifference, ...]:
    """Compare the events of two sets of observations, run by run."""
    first, second = ({int(one.obs_id): one for one in observations} for observations in (before, after))
    return tuple(_compare_run(run, first.get(run), second.get(run)) for run in sorted(first.keys() | second.keys()))


def _compare_run(obs_id: int, before: Observation | None, after: Observation | None) -> RunDifference:
    first, second = (None if one is None else one.events.table for one in (before, after))
    if first is None or second is None:
        lost, gained = (0 if table is None else len(table) for table in (first, second))
        return RunDifference(obs_id, lost, gained, lost, gained, 0, 0.0, 0.0)
    common, rows, others = np.intersect1d(
        np.asarray(first["EVENT_ID"]), np.asarray(second["EVENT_ID"]), return_indices=True
    )
    lost, gained = len(first) - len(common), len(second) - len(common)
    changed, energy, direction = 0, 0.0, 0.0
    if len(common):
        changed, energy, direction = _changed(first[rows], second[others])
    return RunDifference(obs_id, len(first), len(second), lost, gained, changed, energy, direction)


def _changed(before: Table, after: Table) -> tuple[int, float, float]:
    """Return how many rows differ, and the largest shifts in energy (relative) and direction (deg)."""
    differs = np.zeros(len(before), bool)
    for name in _VALUES:
        if name in before.colnames and name in after.colnames:
            differs |= np.asarray(before[name]) != np.asarray(after[name])
    energy = np.abs(np.asarray(after["ENERGY"]) / np.asarray(before["ENERGY"]) - 1)
    places = [SkyCoord(np.asarray(table["RA"]), np.asarray(table["DEC"]), unit="deg") for table in (before, after)]
    return int(differs.sum()), float(energy.max()), float(places[0].separation(places[1]).deg.max())


def numbers(observations: Sequence[Observation], settings: QaSettings) -> Numbers:
    """Return rate, significance and spectrum at the position in the headers (``RA_OBJ``, ``DEC_OBJ``)."""
    header = observations[0].events.table.meta
    source = SkyCoord(header["RA_OBJ"], header["DEC_OBJ"], unit="deg")
    found: dict[str, Any] = {
        "events": sum(len(one.events.table) for one in observations),
        "live_time_s": float(sum(one.events.table.meta["LIVETIME"] for one in observations)),
    }
    theta2 = make_theta2(observations, source, settings.theta2)
    if theta2 is None:
        return Numbers(**found, note="no run has room for an OFF region")
    total = theta2.total
    found |= {"n_on": total.n_on, "n_off": total.n_off, "alpha": total.alpha, "significance": total.significance}
    used = [one for one in observations if int(one.obs_id) in theta2.runs]
    try:
        fit = fit_power_law(used, source, theta2.off_regions, settings.spectrum)
    except SpectrumError as error:
        return Numbers(**found, note=f"no spectrum: {error}")
    names = ("flux", "flux_error", "index", "index_error", "reference_tev")
    return Numbers(**found, **{name: getattr(fit, name) for name in names})


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison; return 2 if a folder cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m stereo_tasks.qa.difference", description=__doc__)
    parser.add_argument("folders", type=Path, nargs=2, metavar="FOLDER", help="DL3 with index")
    options = parser.parse_args(arguments)
    try:
        before, after = (open_observations(folder) for folder in options.folders)
        settings = load_settings().qa
        sides = [numbers(one, settings) for one in (before, after)]
    except (OSError, ValueError) as error:  # Dl3Error and SettingsError are ValueErrors
        print(error, file=sys.stderr)
        return 2
    runs = [asdict(run) for run in compare(before, after)]
    values = [{**asdict(side), "rate_hz": side.rate_hz} for side in sides]
    print(json.dumps({"runs": runs, "before": values[0], "after": values[1]}, allow_nan=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
