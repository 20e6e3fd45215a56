"""What a season costs: ``.venv-science/bin/python tests/benchmarks/season.py [--nights 50] [--events 200000]``.

One night is made for real; the others are links to its products with records of their own, so that season files of any
number of nights can be put together, and made longer by one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))

import dl2_tables

from stereo_tasks.nights import Night
from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.processing.dataset_plans import plan_source
from stereo_tasks.products.record import FileMark, Record, read_record
from stereo_tasks.products.tree import NightTree
from stereo_tasks.settings import load_settings
from stereo_tasks.stages.datasets import MEAN, MERGED, SEASON
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.run import run_element

SOURCE, CUTS, FIRST = "CrabNebula", "g_dyn_0.9_th_glo_0.2", pd.Timestamp("2023-01-10")
FILES = ("merged/dl2_merged_CrabNebula_total.all_combo", "mean/dl2_mean_CrabNebula_total.all_combo")
"""Those that are made: the largest, and that of its means."""
_FILLED = (
    "phi", "psi", "slope", "x", "y", "r", "skewness", "kurtosis", "intercept", "length", "length_uncertainty", "width",
    "width_uncertainty", "intensity_width_1", "intensity_width_2", "pixels_width_1", "pixels_width_2",
    "concentration_cog", "concentration_core", "concentration_pixel", "alt", "alt_uncert", "az", "az_uncert", "core_x",
    "core_y", "impact", "h_max", "is_valid", "disp_diff_sum",
)  # fmt: skip


@dataclass
class Season:
    """A site whose nights all are the first one."""

    root: Path
    runs: int
    events: int

    @property
    def tree(self) -> Path:
        return self.root / "products" / "mcp062" / SOURCE

    def publish(self, nights: int) -> None:
        """Publish nights up to a number."""
        for i in range(nights):
            night = NightTree(self.tree, Night(str((FIRST + pd.Timedelta(days=i)).date())), CUTS)
            if not night.published.exists():
                self._publish(night, first=i == 0)

    def _publish(self, night: NightTree, *, first: bool) -> None:
        numbers = range(1622, 1622 + self.runs)
        dl2_tables.publish_night(self.tree, str(night.night), {run: pd.DataFrame({"none": [0]}) for run in numbers})
        origin = NightTree(self.tree, Night(str(FIRST.date())), CUTS)
        for run in numbers:
            night.dl2(run).unlink()
            if first:
                dl2_tables.write_table(night.dl2(run), _filled(run, self.events // self.runs))
            else:
                os.link(origin.dl2(run), night.dl2(run))

    def plan(self) -> Plan:
        """Return the plan, saved."""
        plan = plan_source(SOURCE, settings=load_settings(self.root))
        plan.save()
        return plan

    def work(self, plan: Plan) -> Iterator[Record]:
        """Make the parts of the first night, link those of the others, and make the season files."""
        states = ElementStates(plan)
        for stage in (MERGED, MEAN):
            (_, first), *others = plan.of_stage(stage)
            if not states.is_valid(first):
                yield run_element(states, first)
            for _, element in others:
                if not states.is_valid(element):
                    _link(states, first, element)
        for _, element in plan.of_stage(SEASON):
            if element.id.removeprefix(f"{SEASON}/") in FILES:
                yield run_element(states, element)


def _filled(run: int, events: int) -> pd.DataFrame:
    """Return DL2 with as many columns as it has in reality."""
    frame, rng = dl2_tables.make_dl2(run, events, seed=run), np.random.default_rng(run)
    return frame.assign(
        **{name: rng.normal(size=len(frame)) for name in _FILLED}, n_pixels=rng.integers(5, 100, len(frame)),
        n_islands=1,
    )  # fmt: skip


def _link(states: ElementStates, first: Element, element: Element) -> None:
    record = read_record(first.record_path)
    assert record is not None
    target = Path(element.outputs[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    os.link(first.outputs[0], target)
    status = target.stat()
    mark = FileMark(str(target), status.st_size, status.st_mtime_ns, record.outputs[0].sha256)
    fingerprint = states.fingerprint(element, record.counts)
    replace(record, element=element.id, fingerprint=fingerprint, outputs=(mark,)).save(element.record_path)
    states.forget(element)


def measure(root: Path, nights: int, events: int, runs: int) -> Iterator[tuple[str, Record]]:
    """Make a season, and the same with one night more; yield what each element used."""
    season = Season(root, runs, events)
    for number in (nights, nights + 1):
        season.publish(number)
        for record in season.work(season.plan()):
            yield f"{number} nights", record


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=50)
    parser.add_argument("--events", type=int, default=200_000, help="in a night")
    parser.add_argument("--runs", type=int, default=10, help="in a night")
    options = parser.parse_args()
    keep_astropy_offline()
    with tempfile.TemporaryDirectory() as folder:
        for label, record in measure(Path(folder), options.nights, options.events, options.runs):
            counts = {name: record.counts[name] for name in ("nights_read", "rows") if name in record.counts}
            size_mb = sum(mark.size_bytes for mark in record.outputs) / 1e6
            print(
                f"{label}  {record.element:68} {record.state} {record.elapsed_s:7.1f} s, {record.cpu_s:7.1f} s CPU, "
                f"{record.peak_memory_mb:6.0f} MB, file {size_mb:7.1f} MB  {counts}",
                flush=True,
            )


if __name__ == "__main__":
    main()
