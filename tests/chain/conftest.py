"""A site as an observatory has it: files, PostgreSQL, the four Airflow components, the science environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from stereo_tasks.airflow_api.client import AirflowApi, site_api
from stereo_tasks.local_site import control
from stereo_tasks.local_site.demo import prepare_demo_config
from stereo_tasks.local_site.files import free_port
from stereo_tasks.local_site.processes import marked, site_id
from stereo_tasks.local_site.progress import failures
from stereo_tasks.nights import Night
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.products.record import Record, read_record
from stereo_tasks.settings import load_settings

CRAB = {"name": "CrabNebula", "ra_deg": 83.633212, "dec_deg": 22.01446}
OTHER = {"name": "1A0535+262", "ra_deg": 84.727399, "dec_deg": 26.315806}
NIGHT = {
    "night": "2024-01-10",
    "seed": 7,
    "sources": [
        {
            **CRAB,
            "spectrum": {"amplitude_per_tev_cm2_s": 1.7e-9},
            "runs": [{"zenith_deg": zenith, "subruns": 3} for zenith in (26.0, 22.0, 18.0, 14.5)],
        },
        {
            **OTHER,
            "spectrum": None,
            "runs": [
                {"zenith_deg": zenith, "branch": "setting", "subruns": 2, "subrun_seconds": 5.0}
                for zenith in (20.0, 24.0)
            ],
        },
    ],
    "faults": [
        {"kind": "magic_truncated", "run": 1, "subrun": 1, "telescope": "M1"},
        {"kind": "duplicated", "run": 1, "subrun": 0, "telescope": "M2"},
        {"kind": "magic_noise", "run": 2, "subrun": 0, "telescope": "M2"},
        {"kind": "magic_missing", "run": 3, "subrun": 1, "telescope": "M1"},
        {"kind": "lst_truncated", "run": 3, "subrun": 1},
        {"kind": "lst_missing", "run": 1, "subrun": 1},
        {"kind": "pointing_apart", "run": 4},
        {"kind": "no_overlap", "run": 5},
    ],
}  # fmt: skip


@dataclass
class Site:
    """The running site."""

    root: Path
    api: AirflowApi

    @property
    def settings(self):
        return load_settings(self.root)

    def run(self, dag: str, key: str | None = None, conf: dict | None = None, limit_s: float = 1200) -> tuple[str, str]:
        """Run a DAG to its end; return its state and run id."""
        self.api.wait_for_dag(dag)
        self.api.unpause(dag)
        run = self.api.trigger(dag, partition_key=key, conf=conf)
        return self.wait(dag, run, limit_s), run

    def wait_for_run(self, dag: str, known: set[str], limit_s: float = 120) -> str:
        """Wait for a run that was not known, and return its id."""
        deadline = time.monotonic() + limit_s
        while not (new := set(self.api.runs(dag)) - known):
            assert time.monotonic() < deadline, f"no new run of {dag}"
            time.sleep(1)
        return new.pop()

    def wait(self, dag: str, run: str, limit_s: float = 1200) -> str:
        deadline = time.monotonic() + limit_s
        while (state := self.api.run_state(dag, run)) not in ("success", "failed"):
            assert time.monotonic() < deadline, f"{dag} {run} has not ended"
            time.sleep(1)
        return state

    def why(self, dag: str, run: str) -> str:
        return "\n".join(failures(self.api, dag, run, lines=40))

    def plans(self):
        """The night's plans by source."""
        return {plan.source: plan for plan in plan_night("2024-01-10", settings=self.settings).plans}

    def records(self) -> dict[str, dict[str, Record | None]]:
        """All records of the night by source and element."""
        return {
            source: {element.id: read_record(element.record_path) for element in plan.elements}
            for source, plan in self.plans().items()
        }

    def stereo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call the command line as a person does."""
        command = [str(Path(sys.executable).parent / "stereo"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def asks(self):
        """Who asked for which nights, the newest last."""
        from stereo_tasks.catalog.requests import requests_of

        first, last = Night("2018-10-10"), Night("2026-01-01")
        return requests_of(self.catalog(), self.settings.production().name, first, last)

    def catalog(self):
        """The catalog."""
        from stereo_tasks.catalog.database import Catalog

        return Catalog.of_site(self.settings)

    def science(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.settings.site.science_python), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("chain") / "site"
    root.mkdir()
    prepare_demo_config(root)
    (root / "config" / "policy.yaml").write_text("completeness_min: 0.6\nlook_back_days: 10000\nsettle_s: 0\n")
    (root / "config" / "site.yaml").write_text(f"airflow: {{port: {free_port()}}}\n")
    spec = root / "night.yaml"
    spec.write_text(yaml.safe_dump({"nights": [NIGHT]}))
    os.environ["STEREO_SITE"] = str(root)
    settings = load_settings(root)
    commands = [["night", "--spec", str(spec)], ["mc"]]
    started = [
        subprocess.Popen(
            [str(settings.site.science_python), "-m", "stereo_tasks.simulate", *command, "--out", str(root / "data")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for command in commands
    ]  # fmt: skip
    control.up(settings, paused=True, echo=lambda line: None)  # beside the simulation
    try:
        for process in started:
            output, _ = process.communicate(timeout=900)
            assert process.returncode == 0, output
        with site_api(settings) as api:
            yield Site(root, api)
    finally:
        control.down(settings)
    assert not list(marked(site_id(root)))


@pytest.fixture(scope="session")
def truth(site):
    return json.loads((site.root / "data" / "truth" / "20240110.json").read_text())


@pytest.fixture(scope="session")
def prepared(site):
    """The site with forests and IRFs, made by the DAG."""
    state, run = site.run("prepare_mc")
    assert state == "success", site.why("prepare_mc", run)
    return site


@pytest.fixture(scope="session")
def processed(prepared):
    """The site after the night of faults went through, and how its run ended."""
    prepared.state, prepared.run_id = prepared.run("process_night", "20240110")
    return prepared
