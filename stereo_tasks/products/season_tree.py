"""Where the analyses of a source's seasons lie: a folder for each set of nights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = "Season"
FILES = (
    "results.yaml", "season.html", "sed.ecsv", "lightcurve.ecsv", "excess.ecsv", "theta2.ecsv", "runs.ecsv",
    "theta2.png", "excess.png", "maps.png", "sed.png", "lightcurve.png",
)  # fmt: skip
"""What an analysis leaves; the record lies beside the first."""


@dataclass(frozen=True, slots=True)
class SeasonTree:
    """Paths of the analysis of one set of nights of a source."""

    source_root: Path
    """``{output}/{production}/{source}``."""
    name: str
    """Of the set: ``all``, or that of its range."""

    @property
    def root(self) -> Path:
        """Folder of the analysis."""
        return self.source_root / FOLDER / self.name

    @property
    def files(self) -> tuple[Path, ...]:
        """What the analysis leaves."""
        return tuple(self.root / name for name in FILES)
