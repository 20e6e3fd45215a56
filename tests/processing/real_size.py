"""A night of real size: names, sizes and times of its files as in reality, no contents; and tools that do nothing.

What remains is what the house itself does: planning, reading records, hashing, renaming.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from empty_products import FIRST_LST, FIRST_MAGIC, LST_SUBRUNS, START_S, work

from stereo_tasks.nights import Night
from stereo_tasks.planning.choices import choose
from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.chain_arrays import chain_array, chain_outcomes
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.products.models import COMBINATIONS, FOREST_KINDS
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.stages import chains_of

NIGHT = Night("2024-01-10")
SOURCE = "CrabNebula"
RUNS, MAGIC_SUBRUNS = 9, 25
MAGIC_BYTES = 75_000_000
"""Of a calibrated subrun: 12,000 events of about 6 kB."""
LST_BYTES = 15_000_000
"""Of the DL1 of 10 s: 53,000 events of about 300 B, without images."""


def make_night(root: Path, *, sized: bool = True) -> Settings:
    """Write the files of a night; `sized` ones are as long as real ones, and empty (sparse)."""
    settings = load_settings(root)
    paths, production = settings.site.paths, settings.production()

    def touch(path: Path, size_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, size_bytes if sized else 1)
        os.utime(path, (START_S, START_S))

    lst_folder = paths.lst_dl1 / NIGHT.lst_date / production.lst_version / production.lst_tailcut
    for number in range(RUNS):
        for telescope in (1, 2):
            folder = paths.magic_calibrated / f"M{telescope}/event/Calibrated" / NIGHT.magic_date
            for subrun in range(1, MAGIC_SUBRUNS + 1):
                name = f"{NIGHT.magic_stamp}_M{telescope}_{FIRST_MAGIC + number:08d}.{subrun:03d}_Y_Crab-W0.40+035.root"
                touch(folder / name, MAGIC_BYTES)
        for subrun in range(LST_SUBRUNS):
            touch(lst_folder / f"dl1_LST-1.Run{FIRST_LST + number:05d}.{subrun:04d}.h5", LST_BYTES)
    tree = choose(NIGHT, SOURCE, settings, production).trees[1.5]
    for kind in FOREST_KINDS:
        for combination in COMBINATIONS:
            touch(tree.forests_folder / f"{kind}_{combination}.joblib", 1)
    for zenith in (10.0, 24.0, 38.0):
        touch(tree.irf_folder / f"irf_zd_{zenith}deg_az_100.0deg_software_gh_dyn0.9_theta_glob0.2deg.fits.gz", 1)
    log = Path(paths.stereo_log)
    log.parent.mkdir(parents=True, exist_ok=True)
    lst_runs = str([FIRST_LST + number for number in range(RUNS)])
    log.write_text(
        "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
        "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
        f"{NIGHT.log_date},{SOURCE},['Dark'],['L3T'],[True],['Nominal'],10,30,\"{lst_runs}\",{FIRST_MAGIC},"
        f"{FIRST_MAGIC + RUNS - 1},180,180,\n"
    )
    return settings


def plan_of(settings: Settings) -> Plan:
    """Plan the night; the science environment need not be there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEREO_SITE", str(settings.site.root))
        patch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: {"magic-cta-pipe": "0.6.2"})
        (plan,) = plan_night(NIGHT, settings=settings).plans
    return plan


@dataclass
class Tally:
    """What a whole night has cost."""

    records_read: int = 0
    elements: int = 0
    jobs: Counter = field(default_factory=Counter)
    cpu_s: Counter = field(default_factory=Counter)


@contextmanager
def counted_reads(tally: Tally):
    """Count how often a record is opened."""
    from stereo_tasks.products.record import read_record

    def read(path):
        tally.records_read += 1
        return read_record(path)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("planning.element_state", "steps.run", "catalog.rebuild", "local_site.results"):
            patch.setattr(f"stereo_tasks.{module}.read_record", read, raising=False)
        yield


def run_night(plan: Plan, settings: Settings) -> Tally:
    """Run all stages as tasks and jobs do, each job in a look of its own."""
    from stereo_tasks.processing.completion import completion
    from stereo_tasks.steps import marks
    from stereo_tasks.steps import run as running
    from stereo_tasks.steps.following import work_on

    tally, path = Tally(elements=len(plan.elements)), plan.save()
    with pytest.MonkeyPatch.context() as patch, counted_reads(tally):
        patch.setenv("STEREO_SITE", str(settings.site.root))
        patch.setattr(running, "resolve", lambda name: work)
        patch.setattr(running, "validate", lambda stage, files: None)
        patch.setattr(marks, "sha256_of", lambda path: "0" * 64)  # there are 50 GB of nothing
        patch.setattr(running, "fsync", lambda path: None)  # 10,000 of them say more of the disk than of us
        for chain in chains_of(plan.stages):
            tried: set[int] = set()
            while True:
                begin = time.process_time()
                array = chain_array(path, chain, tried=tried, settings=settings)
                tally.cpu_s["control"] += time.process_time() - begin
                if not array.indices:
                    break
                tried |= {*array.indices}
                begin = time.process_time()
                for first in range(0, len(array.indices), array.per_job):
                    tally.jobs[chain.name] += 1
                    begins_with = [plan.elements[index] for index in array.indices[first : first + array.per_job]]
                    for record in work_on(plan, begins_with, array.stages):
                        assert record.state == "done", record.reason
                tally.cpu_s["jobs"] += time.process_time() - begin
            begin = time.process_time()
            assert {outcome.state for outcome in chain_outcomes(path, chain).values()} == {"done"}
            tally.cpu_s["control"] += time.process_time() - begin
        begin = time.process_time()
        result = completion([path])
        tally.cpu_s["control"] += time.process_time() - begin
        assert result.done, result.lines
    return tally
