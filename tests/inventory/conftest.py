"""A night's tree of small files, and a row of the log that goes with it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stereo_tasks.inventory import NightFiles, scan_night
from stereo_tasks.nights import Night
from stereo_tasks.settings.policy import Policy
from stereo_tasks.stereo_log import Observation

NIGHT = Night("2020-12-15")
WRITTEN = dt.datetime(2020, 12, 16, 9, 0, tzinfo=dt.UTC)


class Tree:
    """Files of the night, all of 3 bytes unless said otherwise."""

    def __init__(self, root: Path) -> None:
        self.magic_root, self.lst_root = root / "MAGIC", root / "DL1"
        self.lst_folder = self.lst_root / "20201215" / "v0.10" / "tailcut84"

    def magic_folder(self, telescope: int) -> Path:
        return self.magic_root / f"M{telescope}" / "event" / "Calibrated" / "2020" / "12" / "16"

    def put(self, path: Path, content: str = "abc", written: dt.datetime = WRITTEN) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (written.timestamp(), written.timestamp()))
        return path

    def magic(
        self, telescope: int, run: int, subrun: int, source: str = "CrabNebula", content: str = "abc",
        written: dt.datetime = WRITTEN, wobble: str = "-W0.40+035",
    ) -> Path:  # fmt: skip
        name = f"20201216_M{telescope}_{run:08}.{subrun:03}_Y_{source}{wobble}.root"
        return self.put(self.magic_folder(telescope) / name, content, written)

    def lst(self, run: int, subrun: int, content: str = "abc", written: dt.datetime = WRITTEN) -> Path:
        return self.put(self.lst_folder / f"dl1_LST-1.Run{run:05}.{subrun:04}.h5", content, written)

    def finish(self) -> None:
        self.put(self.lst_root / "20201215" / "NightFinished.txt", "")

    def fill(self) -> None:
        """Everything that the observation needs: two LST-1 runs, two MAGIC runs, five subruns each."""
        for number in range(5):
            for run in (3265, 3266):
                self.lst(run, number)
            for run in (5093711, 5093712):
                self.magic(1, run, number + 1)
                self.magic(2, run, number + 1)
        self.finish()

    def scan(self) -> NightFiles:
        return scan_night(
            NIGHT, magic_calibrated=self.magic_root, lst_dl1=self.lst_root, lst_version="v0.10", lst_tailcut="tailcut84"
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def policy() -> Policy:
    return Policy(**yaml.safe_load((Path(__file__).parents[2] / "config" / "policy.yaml").read_text()))


@pytest.fixture
def observed() -> Callable[..., Observation]:
    def make(source: str = "CrabNebula", first: int = 5093711, last: int = 5093712, **changes: object) -> Observation:
        values = {
            "night": NIGHT, "source": source, "conditions": ("Dark",), "trigger": ("L3T",), "stereo": (True,),
            "hv": ("Nominal",), "zenith_min_deg": 10.0, "zenith_max_deg": 20.0, "lst_runs": (3265, 3266),
            "magic_first_run": first, "magic_last_run": last, "observation_min": 40.0, "same_wobble_min": 40.0,
            "notes": "", "line": 9,
        }  # fmt: skip
        return Observation(**{**values, **changes})  # type: ignore[arg-type]

    return make
