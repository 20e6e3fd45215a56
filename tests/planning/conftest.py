import os
from pathlib import Path

import pytest

from stereo_tasks.inventory import scan_night
from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.fingerprint import configuration_hash
from stereo_tasks.planning.night import plan_source
from stereo_tasks.planning.selection import START, STOP
from stereo_tasks.products.models import COMBINATIONS, FOREST_KINDS, find_all
from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import State
from stereo_tasks.stereo_log import Observation
from stereo_tasks.stereo_log.observation import LstRunFacts, RunFacts

NIGHT = Night("2024-01-10")


class Tree:
    """A night's files: names as in reality, contents of one byte."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = load_settings(root)
        self.versions = {"magic-cta-pipe": "0.6.2", "ctapipe": "0.25.1", "gammapy": "1.3"}

    @staticmethod
    def row(source="CrabNebula", lst_runs=(1622,), magic=(5093711, 5093711), nsb=None, zenith_deg=(10.0, 30.0)):
        """Give a row of the log; `nsb`: what autoMCP's table has, by run."""
        conditions = ("Dark",), ("L3T",), (True,), ("Nominal",)
        known = tuple(LstRunFacts(run, 20.0, value, 0, "tailcut84", "", ()) for run, value in (nsb or {}).items())
        facts = RunFacts(known, ()) if known else None
        return Observation(NIGHT, source, *conditions, *zenith_deg, tuple(lst_runs), *magic, 20.0, 20.0, "", 1, facts)

    def touch(self, path: Path, content: str = "x") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return path

    def magic(self, run: int, subruns: range | list[int], source: str = "CrabNebula", telescopes=(1, 2)) -> None:
        for telescope in telescopes:
            folder = self.settings.site.paths.magic_calibrated / f"M{telescope}/event/Calibrated/2024/01/11"
            for subrun in subruns:
                self.touch(folder / f"20240111_M{telescope}_{run:08d}.{subrun:03d}_Y_{source}-W0.40+035.root")

    def lst(self, run: int, subruns: range | list[int]) -> None:
        folder = self.settings.site.paths.lst_dl1 / "20240110/v0.10/tailcut84"
        for subrun in subruns:
            self.touch(folder / f"dl1_LST-1.Run{run:05d}.{subrun:04d}.h5")

    def models(self, zeniths=(10.0, 24.0, 38.0), nsb=1.5) -> None:
        production = self.settings.production().effective(NIGHT, "CrabNebula")
        row = self.row(nsb={1622: nsb})
        tree = choose(NIGHT, "CrabNebula", self.settings, production, [row]).trees[nsb]
        for kind in FOREST_KINDS:
            for combination in COMBINATIONS:
                self.touch(tree.forests_folder / f"{kind}_{combination}.joblib")
        for zenith in zeniths:
            name = f"irf_zd_{zenith}deg_az_100.0deg_software_gh_dyn0.9_theta_glob0.2deg.fits.gz"
            self.touch(tree.irf_folder / name)

    def plan(self, source: str = "CrabNebula", lst_runs=(1622,), magic=(5093711, 5093711), others=(), **row):
        self.settings = load_settings(self.root)
        production = self.settings.production().effective(NIGHT, source)
        paths = self.settings.site.paths
        files = scan_night(
            NIGHT,
            magic_calibrated=paths.magic_calibrated,
            lst_dl1=paths.lst_dl1,
            lst_version=production.lst_version,
            lst_tailcut=production.lst_tailcut,
        )
        row = self.row(source, lst_runs, magic, **row)
        trees = choose(NIGHT, source, self.settings, production, [row]).trees
        models = find_all(trees, high_density=production.high_density)
        return plan_source([row], files, models, self.settings, production, self.versions, others=others)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def _mark(path):
    status = Path(path).stat()
    return FileMark(str(path), status.st_size, status.st_mtime_ns)


@pytest.fixture
def finish(tree):
    """Do as if elements had been worked on, in order; what is valid is left as it is."""

    def work(plan, states=None, only=None, times_s=None):
        """`times_s`: first and last time of telescope runs, by number; all at the same time if not given."""
        looks = ElementStates(plan)
        for element in plan.elements:
            if (only is not None and element.id not in only) or looks.is_valid(element):
                continue
            state = (states or {}).get(element.id, State.DONE)
            outputs = [tree.touch(Path(output), element.id) for output in element.outputs if state == State.DONE]
            run = int(element.id.rpartition("/")[2].partition(".")[0] or 0) if "/" in element.id else 0
            start_s, stop_s = (times_s or {}).get(run, (0.0, 1000.0))
            counts = {}
            if element.stage.name == "merge":
                counts = {"time_start_unix_s": start_s, "time_stop_unix_s": stop_s}
            elif element.stage.name == "coincide":
                counts = {START: start_s, STOP: stop_s}
            Record(
                element=element.id, stage=element.stage.name, state=state, reason="" if state == State.DONE else "why",
                fingerprint=looks.fingerprint(element, counts), plan=str(plan.path), counts=counts,
                inputs=tuple(_mark(item.path) for item in element.inputs if Path(item.path).exists()),
                outputs=tuple(map(_mark, outputs)), versions=plan.versions, revision=element.stage.revision,
                configuration=configuration_hash(plan, element.stage),
            ).save(element.record_path)  # fmt: skip
            looks.forget(element)

    return work
