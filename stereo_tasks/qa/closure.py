"""Closure: what was injected into simulated nights against what their DL3 gives back.

``python -m stereo_tasks.qa.closure TRUTH.json INDEX_FOLDER... [--json FILE]``

A source is *strong* where its injected spectrum, folded with the IRFs and the live time of its DL3 and set against
the background measured there, promises at least 8 sigma: statistics alone then hardly ever take it below 5. The closure
holds if

- every strong source is measured with at least 5 sigma, and flux and index lie within 3 errors of what was injected;
- a source that nothing was injected for stays below 5 sigma;
- at least one strong source was compared: a check that compares nothing proves nothing.

Weak sources, and sources without DL3 in the folders given, are only reported. Only statistical errors are known.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from astropy.coordinates import SkyCoord
from gammapy.data import Observation
from rich.console import Console
from rich.table import Table

from stereo_tasks.products.files import write_atomically
from stereo_tasks.qa.dl3 import open_observations, source_name
from stereo_tasks.qa.spectrum import PowerLaw, SpectrumError, expected_significance, fit_power_law
from stereo_tasks.qa.theta2 import make_theta2
from stereo_tasks.settings import load_settings
from stereo_tasks.settings.qa import QaSettings, SpectrumSettings

STRONG_SIGMA = 8.0
DETECTED_SIGMA = 5.0
PULL_MAX = 3.0
_SAME_SOURCE_DEG = 0.1
_EDGE = 1.5
"""The fit keeps this factor away from the ends of the injected spectrum: events migrate, but none come from beyond."""
_TABLE_WIDTH = 120
"""A pipe pretends to have 80 columns: too few for the table."""


class Outcome(StrEnum):
    """What the comparison of a source says."""

    CLOSES = "closes"
    DOES_NOT = "does not close"
    WEAK = "weak"
    NOT_MEASURED = "no DL3"


@dataclass(frozen=True, slots=True)
class Injected:
    """What the truth file says about a source. A power law, or no spectrum at all."""

    name: str
    ra_deg: float
    dec_deg: float
    flux: float | None
    """At `reference_tev`, in 1 / (TeV cm2 s); None where nothing was injected."""
    index: float | None
    reference_tev: float
    energy_min_tev: float
    energy_max_tev: float

    @property
    def position(self) -> SkyCoord:
        """ICRS position."""
        return SkyCoord(self.ra_deg, self.dec_deg, unit="deg")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One source: injected against measured."""

    injected: Injected
    outcome: Outcome
    note: str = ""
    runs: int = 0
    significance: float | None = None
    expected_significance: float | None = None
    measured: PowerLaw | None = None

    @property
    def flux_pull(self) -> float | None:
        """Measured minus injected flux, in errors."""
        if self.measured is None or self.injected.flux is None:
            return None
        return (self.measured.flux - self.injected.flux) / self.measured.flux_error

    @property
    def index_pull(self) -> float | None:
        """Measured minus injected index, in errors."""
        if self.measured is None or self.injected.index is None:
            return None
        return (self.measured.index - self.injected.index) / self.measured.index_error


def read_truth(path: Path) -> tuple[Injected, ...]:
    """Read the sources of a truth file, as `stereo_tasks.simulate.truth` writes it.

    Raises
    ------
    ValueError
        If it is not such a file.
    """
    try:
        return tuple(_injected(source) for source in json.loads(path.read_text())["sources"])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not the truth of a simulated night: {error!r}") from None


def _injected(source: Mapping[str, Any]) -> Injected:
    spectrum = source["spectrum"] or {"amplitude": None, "index": None}
    return Injected(
        name=source["name"],
        ra_deg=source["ra_deg"],
        dec_deg=source["dec_deg"],
        flux=spectrum["amplitude"],
        index=spectrum["index"],
        reference_tev=spectrum.get("reference_tev", 0.5),
        energy_min_tev=spectrum.get("energy_min_tev", 0.0),
        energy_max_tev=spectrum.get("energy_max_tev", float("inf")),
    )


def compare(sources: Iterable[Injected], folders: Iterable[Path], settings: QaSettings) -> list[Comparison]:
    """Compare every source with all its DL3 in some folders.

    Parameters
    ----------
    sources : iterable of Injected
    folders : iterable of pathlib.Path
        Folders of DL3 with index. A run belongs to the source whose name its OBJECT is, or that lies within 0.1 deg of
        the position in its header.
    settings : QaSettings

    Raises
    ------
    Dl3Error
        If a folder cannot be opened.
    """
    observations = [observation for folder in folders for observation in open_observations(folder)]
    comparisons = []
    for source in sources:
        own = [observation for observation in observations if _belongs(observation, source)]
        comparisons.append(compare_source(source, own, settings))
    return comparisons


def compare_source(injected: Injected, observations: Sequence[Observation], settings: QaSettings) -> Comparison:
    """Compare one source with its observations."""
    if not observations:
        return Comparison(injected, Outcome.NOT_MEASURED)
    theta2 = make_theta2(observations, injected.position, settings.theta2)
    if theta2 is None:
        return Comparison(injected, Outcome.DOES_NOT, "no run has room for an OFF region", len(observations))
    used = [observation for observation in observations if int(observation.obs_id) in theta2.runs]
    significance = theta2.total.significance
    if injected.flux is None or injected.index is None:
        quiet = significance < DETECTED_SIGMA
        note = "" if quiet else "a detection where nothing was injected"
        return Comparison(injected, Outcome.CLOSES if quiet else Outcome.DOES_NOT, note, len(used), significance)
    limits = _fit_settings(injected, settings.spectrum)
    expected = expected_significance(
        used, injected.position, theta2.off_regions, limits, flux=injected.flux, index=injected.index
    )
    measured, notes = None, []
    try:
        measured = fit_power_law(used, injected.position, theta2.off_regions, limits)
    except SpectrumError as error:
        notes.append(str(error))
    result = Comparison(injected, Outcome.WEAK, "", len(used), significance, expected, measured)
    if significance < DETECTED_SIGMA:
        notes.append(f"below {DETECTED_SIGMA:g} sigma")
    for name, pull in (("flux", result.flux_pull), ("index", result.index_pull)):
        if pull is not None and abs(pull) > PULL_MAX:
            notes.append(f"{name} off by {pull:+.1f} errors")
    outcome = Outcome.WEAK
    if expected >= STRONG_SIGMA:
        outcome = Outcome.DOES_NOT if notes else Outcome.CLOSES
    return Comparison(injected, outcome, "; ".join(notes), len(used), significance, expected, measured)


def holds(comparisons: Sequence[Comparison]) -> bool:
    """Return whether the closure holds; the rule is at the top of this module."""
    outcomes = [row.outcome for row in comparisons]
    strong = [row for row in comparisons if row.outcome == Outcome.CLOSES and row.injected.flux is not None]
    return Outcome.DOES_NOT not in outcomes and bool(strong)


def _belongs(observation: Observation, source: Injected) -> bool:
    if source_name(observation) == source.name:
        return True
    header = observation.events.table.meta
    written = SkyCoord(header["RA_OBJ"], header["DEC_OBJ"], unit="deg")
    return bool(written.separation(source.position).deg < _SAME_SOURCE_DEG)


def _fit_settings(injected: Injected, settings: SpectrumSettings) -> SpectrumSettings:
    return settings.model_copy(
        update={
            "reference_tev": injected.reference_tev,
            "energy_min_tev": max(settings.energy_min_tev, injected.energy_min_tev * _EDGE),
            "energy_max_tev": min(settings.energy_max_tev, injected.energy_max_tev / _EDGE),
        }
    )


def table_of(comparisons: Iterable[Comparison]) -> Table:
    """Make a table for a terminal."""
    table = Table(title="Injected against measured")
    for name in ("Source", "Runs", "Sigma", "Flux injected", "measured", "pull", "Index injected", "measured", "pull",
                 "Outcome"):  # fmt: skip
        table.add_column(name, justify="left" if name in {"Source", "Outcome"} else "right")
    for row in comparisons:
        table.add_row(*_cells(row), style="red" if row.outcome == Outcome.DOES_NOT else None)
    reference = {f"{row.injected.reference_tev:g}" for row in comparisons}
    table.caption = (
        f"Flux in 1e-10 / (TeV cm2 s) at {' and '.join(sorted(reference))} TeV. Sigma: Li & Ma significance, in "
        "brackets the one that the injected spectrum promises. Pulls in statistical errors."
    )
    return table


def _cells(row: Comparison) -> list[str]:
    injected, fit = row.injected, row.measured
    significance = "-" if row.significance is None else f"{row.significance:.1f}"
    if row.expected_significance is not None:
        significance += f" ({row.expected_significance:.1f})"
    flux_pull, index_pull = ("-" if pull is None else f"{pull:+.1f}" for pull in (row.flux_pull, row.index_pull))
    return [
        injected.name,
        str(row.runs),
        significance,
        "none" if injected.flux is None else f"{injected.flux * 1e10:.3g}",
        "-" if fit is None else f"{fit.flux * 1e10:.3g} +- {fit.flux_error * 1e10:.2g}",
        flux_pull,
        "-" if injected.index is None else f"{injected.index:.2f}",
        "-" if fit is None else f"{fit.index:.2f} +- {fit.index_error:.2f}",
        index_pull,
        row.outcome.value,
    ]


def _to_json(comparisons: Sequence[Comparison]) -> str:
    rows = [
        {**asdict(row), "outcome": row.outcome.value, "flux_pull": row.flux_pull, "index_pull": row.index_pull}
        for row in comparisons
    ]
    for content in rows:
        if content["injected"]["energy_max_tev"] == float("inf"):
            content["injected"]["energy_max_tev"] = None
    return json.dumps({"holds": holds(comparisons), "sources": rows}, indent=1, allow_nan=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 0 if the closure holds, 1 if not, 2 if an input cannot be used."""
    summary = "Closure: what was injected into simulated nights against what their DL3 gives back."
    parser = argparse.ArgumentParser(prog="python -m stereo_tasks.qa.closure", description=summary)
    parser.add_argument("truth", type=Path, help="truth of a simulated night")
    parser.add_argument("folders", type=Path, nargs="+", metavar="INDEX_FOLDER", help="folders of DL3 with index files")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparison there, too")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True)
    console.width = max(console.width, _TABLE_WIDTH)
    try:
        comparisons = compare(read_truth(options.truth), options.folders, load_settings().qa)
    except (OSError, ValueError) as error:  # Dl3Error and SettingsError are ValueErrors
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False, highlight=False)
        return 2
    console.print(table_of(comparisons))
    for row in comparisons:
        if row.note:
            console.print(f"{row.injected.name}: {row.note}", markup=False, highlight=False)
    if options.json:
        write_atomically(options.json, _to_json(comparisons))
    if not holds(comparisons):
        unmeasured = all(row.outcome in {Outcome.WEAK, Outcome.NOT_MEASURED} for row in comparisons)
        console.print("No strong source was compared." if unmeasured else "The closure does not hold.")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
