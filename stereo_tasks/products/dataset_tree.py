"""Where the data sets of a source lie: a folder for each set, and the parts of the nights, which sets share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NIGHTS_FOLDER, MC_FOLDER = "nights", "mc_nodes"
"""Folders of the parts, beside those of the sets: no set may have such a name."""
FOLDER = "datasets"
SAMPLE = ("runs", "dates", "separations", "subruns", "coincidences", "intensities", "rates")
PERFORMANCE = (
    "gammaness", "energies", "energy_ratios", "energy_pairs", "intensities", "theta2", "sensitivity",
    "angular_resolution", "cores", "directions", "cameras", "h_max",
)  # fmt: skip
SIMULATED = ("cuts", "migration")
"""Results of the two summaries of a set, and those that only Monte Carlo gives: a table and a picture each."""


@dataclass(frozen=True, slots=True)
class DatasetTree:
    """Paths of one set of a source; names of the files as in the seed's notebooks, since users know them."""

    source_root: Path
    """``{output}/{production}/{source}``."""
    source: str
    name: str
    """Of the set, such as ``all``."""

    @property
    def root(self) -> Path:
        """Folder of the set."""
        return self.source_root / FOLDER / self.name

    def night_part(self, kind: str, lst_date: str) -> Path:
        """Part of a night."""
        return self.source_root / FOLDER / NIGHTS_FOLDER / lst_date / f"{kind}.h5"

    def mc_part(self, key: str, node: str) -> Path:
        """Part of a node of the Monte Carlo; `key` is that of `MonteCarloTree`."""
        return self.source_root / FOLDER / MC_FOLDER / key / f"{node}.h5"

    def merged(self, telescopes: str, combination: str) -> Path:
        """DL2 merged of some telescopes and a combination."""
        return self.root / "merged" / f"dl2_merged_{self.source}_{telescopes}.{combination}.h5"

    def mean(self, telescopes: str, combination: str) -> Path:
        """Mean DL2 of some telescopes and a combination."""
        return self.root / "mean" / f"dl2_mean_{self.source}_{telescopes}.{combination}.h5"

    def coincidences(self, kind: str, of: str = "total") -> Path:
        """Coincidence features, or profiles: the sum of them, or those of the subruns."""
        return self.root / "coincidences" / f"{kind}_data_{self.source}.{of}.h5"

    def common(self, kind: str) -> Path:
        """Events of all chains, as one of them has them."""
        return self.root / "common" / f"dl2_{kind}_{self.source}.h5"

    def standalone(self, kind: str) -> Path:
        """Stereo events as the chain of one array alone reconstructs them: ``lst`` or ``melibea``."""
        return self.root / kind / f"dl2_{kind}_{self.source}.h5"

    @property
    def effective_times(self) -> Path:
        """Effective times of LST-1 alone, run by run."""
        return self.root / "lst" / f"effective_time_lst_{self.source}.h5"

    def summary(self, kind: str, names: Sequence[str]) -> list[Path]:
        """Page, numbers, tables and pictures of a summary: ``sample`` or ``performance``."""
        folder = self.root / "summary"
        results = [folder / f"{kind}_{name}{suffix}" for name in names for suffix in (".ecsv", ".png")]
        return [folder / f"{kind}.html", folder / f"{kind}.yaml", *results]

    def simulated(self, kind: str, line: str) -> Path:
        """Monte Carlo, merged or mean, of a declination line and range of zenith distances."""
        return self.root / "mc" / f"dl2_MC_{kind}_{self.source}.{line}.h5"
