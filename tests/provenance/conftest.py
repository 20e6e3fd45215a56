"""A small site whose tools leave products with a line of text: planned, worked on and published by the real code."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.planning.selection import START, STOP
from stereo_tasks.settings import load_settings
from stereo_tasks.steps.context import Made

sys.path.insert(0, str(Path(__file__).parents[1] / "gadf"))  # for dl3_folder

from dl3_folder import write_index, write_run

NIGHT = Night("2024-01-10")
SOURCE = "CrabNebula"
LST, MAGIC = (1622, 1623), (5093711, 5093712)
VERSIONS = {"magic-cta-pipe": "0.6.2", "ctapipe": "0.25.1", "gammapy": "1.3"}
LOG = (
    "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
    "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
    f"{NIGHT.log_date},{SOURCE},['Dark'],['L3T'],[True],['Nominal'],10,30,\"{list(LST)}\",{MAGIC[0]},{MAGIC[1]},40,40,\n"
)


PREPARED: dict[float, Path] = {}
"""Folders of DL3 with index that take the place of what a tool would make, by the efficiency of the gammaness cut."""


def work(context) -> Made:
    """Do the work of an element: write its outputs with its name and its configuration in them."""
    element = context.element
    run = element.id.rpartition("/")[2].partition(".")[0]
    number = int(run) if run.isdigit() else 0
    # Each LST-1 run has a MAGIC run of its time.
    begin_s = 1_704_920_400.0 + 1200 * (number - (MAGIC[0] if number >= MAGIC[0] else LST[0]))
    if element.stage.name == "merge":
        context.counts.update(time_start_unix_s=begin_s + 3, time_stop_unix_s=begin_s + 1190)
    used = []
    if element.stage.selects:
        context.counts.update({START: begin_s, STOP: begin_s + 1200})
        used = [Path(item.path).name for item in context.selected()]
    files = []
    for output in map(Path, element.outputs):
        files.append(context.folder("out") / output.name)
        prepared = PREPARED.get(context.plan.config["create_irf"]["gammaness"]["efficiency"])
        if prepared and element.stage.name in ("dl3", "index"):
            files[-1].write_bytes((prepared / output.name).read_bytes())
        elif element.stage.name == "dl3":
            write_run(files[-1], number)
        elif element.stage.name == "index":
            staged = context.stage_inputs(f"of {output.name}", context.inputs())
            write_index(staged)
            (staged / output.name).replace(files[-1])
        else:
            content = {"element": element.id, "verdict": {"level": "good"}, "cuts": context.plan.config["create_irf"]}
            files[-1].write_text(json.dumps(content))
    return Made(files, used=used)


@dataclass
class Site:
    """The site, and what is done there."""

    root: Path

    @property
    def settings(self):
        return load_settings(self.root)

    def configure(self, name: str, content: object) -> None:
        """Write one of the site's own files of the configuration."""
        (self.root / "config" / name).write_text(yaml.safe_dump(content))

    def raw(self) -> list[Path]:
        """Return all raw files of the night."""
        data = self.root / "data"
        return sorted([*(data / "MAGIC").rglob("*.root"), *(data / "LST").rglob("*.h5")])

    def monte_carlo(self) -> list[Path]:
        """Return all DL1 files of the Monte Carlo."""
        return sorted((self.root / "data" / "mc").rglob("*.h5"))

    def prepare(self, production: str | None = None) -> None:
        """Make forests and IRFs."""
        from stereo_tasks.processing.night_plans import plan_monte_carlo

        (plan,) = plan_monte_carlo(production, settings=self.settings)
        self.run(plan)

    def plan(self, production: str | None = None) -> Plan:
        """Plan the night."""
        from stereo_tasks.processing.night_plans import plan_night

        (plan,) = plan_night(NIGHT, production=production, settings=self.settings).plans
        return plan

    def run(self, plan: Plan) -> Plan:
        """Work on all elements of a plan."""
        from stereo_tasks.steps import run

        plan.save()
        states = ElementStates(plan)
        for element in plan.elements:
            record = run.run_element(states, element)
            assert record.state == "done", record.reason
        return plan

    def publish(self, plan: Plan) -> Path:
        """Publish what was made."""
        from stereo_tasks.processing.publishing import publish

        folder = publish(plan, self.settings)
        assert folder is not None
        return folder


@pytest.fixture(scope="session")
def prepared_site(tmp_path_factory):
    """A site with raw files and Monte Carlo; forests, IRFs and a night are made and published."""
    root = tmp_path_factory.mktemp("story")
    (root / "config").mkdir()
    site = Site(root)
    paths, production = site.settings.site.paths, site.settings.production()

    def touch(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"what {path.name} holds")

    for run in MAGIC:
        for telescope in (1, 2):
            folder = paths.magic_calibrated / f"M{telescope}/event/Calibrated" / NIGHT.magic_date
            for subrun in (1, 2, 3):
                touch(folder / f"{NIGHT.magic_stamp}_M{telescope}_{run:08d}.{subrun:03d}_Y_Crab-W0.40+035.root")
    for run in LST:
        for subrun in (0, 1):
            folder = paths.lst_dl1 / NIGHT.lst_date / production.lst_version / production.lst_tailcut
            touch(folder / f"dl1_LST-1.Run{run:05d}.{subrun:04d}.h5")
    for sample, kind in (("GammaTrain", "gamma"), ("ProtonTrain", "proton"), ("GammaTest", "gamma")):
        for number, zenith in enumerate((10.0, 24.0, 38.0), 1):
            folder = paths.monte_carlo / "ST0320A/NSB1.5/v01/dec_2276" / sample
            touch(folder / f"dl1_{kind}_zd_{zenith}deg_az_100.0deg_LST1_MAGIC1_MAGIC2_run{number}.h5")
    Path(paths.stereo_log).write_text(LOG)
    with pytest.MonkeyPatch.context() as patch:
        with_toy_tools(patch, root)
        site.prepare()
        site.publish(site.run(site.plan()))
    return site


def with_toy_tools(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Let elements be made without magic-cta-pipe."""
    patch.setenv("STEREO_SITE", str(root))
    patch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: dict(VERSIONS))
    patch.setattr("stereo_tasks.steps.run.resolve", lambda name: work)
    patch.setattr("stereo_tasks.steps.run.validate", lambda stage, files: None)


@pytest.fixture
def site(prepared_site, monkeypatch):
    """The site; after the test it is as it was before."""
    kept = prepared_site.root.with_name("kept")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(prepared_site.root, kept, symlinks=True)
    with_toy_tools(monkeypatch, prepared_site.root)
    yield prepared_site
    shutil.rmtree(prepared_site.root)
    kept.rename(prepared_site.root)


@pytest.fixture
def stereo():
    """Run a command as the command line does; gives its exit code and what it printed, or its error."""
    from stereo_tasks.commands import diff, explain, production
    from stereo_tasks.errors import StereoError

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("explain")(explain.explain_command)
    app.command("diff")(diff.diff_command)
    app.add_typer(production.app, name="production")

    def run(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        if isinstance(result.exception, StereoError):
            return 1, str(result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return result.exit_code, result.output

    return run
