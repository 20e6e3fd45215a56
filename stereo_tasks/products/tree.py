"""The output tree: ``{output}/{production}/{source}`` with autoMCP's names below it, since users know them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from stereo_tasks.nights import Night

MONTE_CARLO_FOLDER = "mc"
"""Beside the folders of the sources: no source may have this name."""


@dataclass(frozen=True, slots=True)
class NightTree:
    """Paths of the products of one night and source."""

    root: Path
    """``{output}/{production}/{source}``."""
    night: Night
    cuts: str
    """Name of the gammaness and theta cuts, such as ``g_dyn_0.9_th_glo_0.2``."""

    def dl1_magic(self, telescope: int, run: int, subrun: int) -> Path:
        """DL1 of one MAGIC subrun."""
        folder = self.root / "DL1" / f"M{telescope}" / self.night.magic_stamp / f"{run:08d}"
        return folder / f"dl1_M{telescope}.Run{run:08d}.{subrun:03d}.h5"

    def dl1_merged(self, telescope: int, run: int) -> Path:
        """DL1 of one MAGIC run, its subruns merged."""
        return self.root / "DL1" / "Merged" / self.night.magic_stamp / f"dl1_M{telescope}.Run{run:08d}.h5"

    def dl1_synchronised(self, telescope: int, run: int) -> tuple[Path, Path]:
        """DL1 of one MAGIC run by LST-1's clock, and how far MAGIC's was from it."""
        folder = self.root / "DL1" / "Synchronised" / self.night.magic_stamp
        stem = f"dl1_M{telescope}.Run{run:08d}"
        return folder / f"{stem}.h5", folder / f"{stem}.clock.json"

    def coincident(self, run: int, subrun: int) -> Path:
        """Events of one LST-1 subrun that MAGIC saw too."""
        return self.root / "DL1Coincident" / self.night.lst_date / f"dl1_MAGIC_LST-1.Run{run:05d}.{subrun:04d}.h5"

    def stereo(self, run: int, subrun: int) -> Path:
        """Stereo parameters of one LST-1 subrun."""
        return self.root / "DL1Stereo" / self.night.lst_date / f"dl1_stereo_MAGIC_LST-1.Run{run:05d}.{subrun:04d}.h5"

    def stereo_merged(self, run: int) -> Path:
        """Stereo parameters of one LST-1 run."""
        return self.root / "DL1Stereo" / "Merged" / self.night.lst_date / f"dl1_stereo_MAGIC_LST-1.Run{run:05d}.h5"

    def dl2(self, run: int) -> Path:
        """DL2 of one LST-1 run."""
        return self.root / "DL2" / self.night.lst_date / f"dl2_MAGIC_LST-1.Run{run:05d}.h5"

    @property
    def dl3_folder(self) -> Path:
        """Folder of the night's DL3."""
        return self.root / "DL3" / self.cuts / self.night.lst_date

    def dl3(self, run: int) -> Path:
        """DL3 of one LST-1 run."""
        return self.dl3_folder / f"dl3_MAGIC_LST-1.Run{run:05d}.fits.gz"

    @property
    def index(self) -> tuple[Path, Path]:
        """HDU index and observation index of the night's DL3."""
        return self.dl3_folder / "hdu-index.fits.gz", self.dl3_folder / "obs-index.fits.gz"

    def comparison(self, element: str) -> Path:
        """Where it is noted how an element compares with what magic-cta-pipe makes of it."""
        return self.root / "Compared" / self.night.lst_date / f"{element.replace('/', '_')}.json"

    @property
    def qa(self) -> tuple[Path, Path]:
        """QA page and the numbers behind it."""
        return (
            self.root / "QA" / self.night.lst_date / "report.html",
            self.root / "QA" / self.night.lst_date / "qa.json",
        )

    @property
    def published(self) -> Path:
        """What users read: a link to the folder with the DL3 and its index, replaced as a whole."""
        return self.root / "DL3" / self.cuts / "published" / self.night.lst_date


@dataclass(frozen=True, slots=True)
class MonteCarloTree:
    """Paths of the Monte Carlo of one period, NSB level, version and declination line, after autoMCP."""

    monte_carlo: Path
    models: Path
    irfs: Path
    work: Path
    """``{output}/{production}``: below it, in ``mc``, the Monte Carlo's own DL1Stereo and DL2."""
    period: str
    nsb: float
    version: str
    declination: str
    """Folder of the declination line, such as ``dec_2276``."""
    cuts: str
    """Name of the IRFs, such as ``g_dyn_0.9_th_glo_0.2``."""
    variant: str = ""
    """Name of the forests, where a rule changes how they are trained; empty for those of the production."""

    @property
    def high_density(self) -> MonteCarloTree:
        """The variant of the declination line with more nodes."""
        return replace(self, declination=f"{self.declination}_high_density")

    @property
    def key(self) -> str:
        """``{period}/NSB{nsb}/v{version}/{declination}``."""
        return f"{self.period}/NSB{self.nsb}/v{self.version}/{self.declination}"

    def dl1_folder(self, sample: str) -> Path:
        """DL1 of a sample: ``GammaTrain``, ``ProtonTrain`` or ``GammaTest``."""
        return self.monte_carlo / self.key / sample

    @property
    def forests_folder(self) -> Path:
        """Random forests."""
        return self.models / self.key / self.variant

    @property
    def irf_folder(self) -> Path:
        """IRFs of the test gammas for these cuts."""
        nsb = f"NSB{self.nsb}"
        cuts = f"{self.cuts}_{self.variant}" if self.variant else self.cuts
        return self.irfs / self.period / nsb / "GammaTest" / f"v{self.version}" / cuts / self.declination

    @property
    def root(self) -> Path:
        """Where intermediate Monte Carlo products and plans are kept."""
        return self.work / MONTE_CARLO_FOLDER / self.key / self.variant

    def stereo(self, sample: str, name: str) -> Path:
        """Stereo parameters of one Monte Carlo DL1 file."""
        return self.root / "DL1Stereo" / sample / name.replace("dl1_", "dl1_stereo_", 1)

    def dl2(self, node: str) -> Path:
        """DL2 of the test gammas of one node."""
        return self.root / "DL2" / f"dl2_gamma_{node}.h5"
