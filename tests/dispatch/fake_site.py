"""A site with a stereo log and a tree of tiny files, for detection."""

from __future__ import annotations

import csv
import datetime as dt
import os
from pathlib import Path

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.dispatch.detection import detect_ready_nights, note_dispatched
from stereo_tasks.dispatch.partitions import ReadyNight
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose
from stereo_tasks.products.models import FOREST_KINDS
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.settings.policy import Policy

HEADER = (
    "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
    "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
)
TELESCOPES = ("LST-1", "M1", "M2")


class FakeSite:
    """Everything that detection looks at. Files have three bytes."""

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self.catalog = catalog
        self.settings: Settings = load_settings(root)
        self.paths = self.settings.site.paths
        self.rows: dict[tuple[str, str], list[str]] = {}

    def policy(self, **changes: object) -> None:
        policy = Policy(**{**self.settings.policy.model_dump(), **changes})
        self.settings = self.settings.model_copy(update={"policy": policy})

    def second_production(self, **changes: object) -> str:
        """Add a production beside the default one; return its name."""
        productions = self.settings.productions
        other = productions.productions[productions.default].model_copy(update={"name": "other", **changes})
        both = productions.model_copy(update={"productions": {**productions.productions, "other": other}})
        self.settings = self.settings.model_copy(update={"productions": both})
        return "other"

    # --- the log
    def log(
        self, night: str, source: str, lst: object, run: int, *, trigger: str = "L3T", minutes: object = "40",
        last: int | None = None,
    ) -> None:  # fmt: skip
        self.rows[night, source] = [
            night.replace("-", "_"), source, "['Dark']", f"['{trigger}']", "[True]", "['Nominal']", "10", "20",
            str(lst), str(run), str(last or run), "40", str(minutes), "",
        ]  # fmt: skip
        self.write_log()

    def write_log(self) -> None:
        path = Path(self.paths.stereo_log)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            file.write(HEADER)
            csv.writer(file).writerows(self.rows.values())

    # --- the files
    def put(self, path: Path, written: dt.datetime, content: str = "abc") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (written.timestamp(), written.timestamp()))
        return path

    def lst_folder(self, night: str) -> Path:
        production = self.settings.production()
        return self.paths.lst_dl1 / Night(night).lst_date / production.lst_version / production.lst_tailcut

    def lst(self, night: str, run: int, written: dt.datetime, subrun: int = 0, content: str = "abc") -> Path:
        return self.put(self.lst_folder(night) / f"dl1_LST-1.Run{run:05}.{subrun:04}.h5", written, content)

    def finish(self, night: str, written: dt.datetime) -> None:
        self.put(self.paths.lst_dl1 / Night(night).lst_date / "NightFinished.txt", written)

    def magic(
        self, night: str, run: int, written: dt.datetime, source: str = "Crab", telescopes=(1, 2), subrun: int = 1,
        content: str = "abc",
    ) -> None:  # fmt: skip
        date = Night(night)
        for telescope in telescopes:
            folder = self.paths.magic_calibrated / f"M{telescope}" / "event" / "Calibrated" / date.magic_date
            name = f"{date.magic_stamp}_M{telescope}_{run:08}.{subrun:03}_Y_{source}-W0.40+035.root"
            self.put(folder / name, written, content)

    # --- what processing needs besides
    def model_files(self, night: str, source: str) -> list[Path]:
        tree = choose(Night(night), source, self.settings, self.settings.production()).trees[1.5]
        irf = "irf_zd_{}deg_az_100.0deg_software_gh_dyn0.9_theta_glob0.2deg.fits.gz"
        return [
            *(tree.forests_folder / f"{kind}_LST1_M1_M2.joblib" for kind in FOREST_KINDS),
            *(tree.irf_folder / irf.format(zenith) for zenith in (10.0, 24.0, 38.0)),
        ]

    def models(self, night: str, *sources: str) -> None:
        for source in sources:
            for path in self.model_files(night, source):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("x")

    # --- detection
    def detect(self, now: dt.datetime, **choice: object) -> list[ReadyNight]:
        return detect_ready_nights(self.catalog, now, settings=self.settings, **choice)

    def emit(self, nights) -> None:
        note_dispatched(self.catalog, nights, settings=self.settings)
