"""Does QA decide rightly? A night whose runs each have a known defect, and clean nights of many seeds.

    .venv-science/bin/python tests/benchmarks/qa_defects.py FOLDER [--seeds 20] [--first-seed 1] [--defects]

Everything is simulated as the demo's night is, processed by the steps themselves from raw files to DL3, and judged.
What is in FOLDER already is used again; the judgement is always made anew.

On 26 November 2026: all eight defects found, the run without one good; 20 clean nights without a false alarm (the
references stem from the first nine). Largest distance of images by chance: 0.073, where 0.11 is the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stereo_tasks.planning.element_state import ElementStates
from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.night_plans import plan_monte_carlo, plan_night
from stereo_tasks.simulate import Fault, NightSpec, RunSpec, simulate_monte_carlo, simulate_night
from stereo_tasks.simulate.demo import demo_monte_carlo, demo_spec
from stereo_tasks.stages.night import COMPARE, QA
from stereo_tasks.steps.context import StepContext
from stereo_tasks.steps.offline import keep_astropy_offline
from stereo_tasks.steps.qa import run as make_page
from stereo_tasks.steps.run import run_element

CONFIG = Path(__file__).parents[2] / "config" / "demo"
NIGHT = "2024-01-10"
SUBRUNS = 4


@dataclass(frozen=True)
class Defect:
    """What is wrong with a run, and what QA has to say of it."""

    name: str
    faults: tuple[dict[str, Any], ...]
    metrics: tuple[str, ...]
    """At least one of these has to be the reason; nothing where the run has to be lost."""
    says: str = ""
    """What a reason has to contain."""


DEFECTS = (
    Defect("nothing", (), ()),
    Defect("rate 50 % low", ({"kind": "low_rate", "kept_fraction": 0.5},), ("lst1_rate_hz", "stereo_rate_hz")),
    Defect(
        "pointing 8 arcmin apart", ({"kind": "pointing_apart", "separation_arcmin": 8.0},),
        ("pointing_separation_arcmin",),
    ),
    Defect("offset jumps by 1 us", ({"kind": "clock_jump", "subrun": 2, "jump_us": 1.0},), ("time_offset_step_us",)),
    Defect(
        "offset drifts by 1.2 us", ({"kind": "broken_gps", "clock_offset_s": 0.0, "clock_drift_us_per_s": 0.03},),
        ("time_offset_drift_us",),
    ),
    Defect(
        "half of the subruns lost",
        ({"kind": "lst_truncated", "subrun": 1}, {"kind": "lst_truncated", "subrun": 3}), (), "2 of 4",
    ),
    Defect(
        "light as through a cloud", ({"kind": "light_loss", "kept_fraction": 0.6},),
        ("lst1_intensity_distance", "m1_intensity_distance", "rate_422_per_s_pe"),
    ),
    Defect("wrong source position", ({"kind": "wrong_position", "shift_deg": 0.25},), ("source_offset_deg",)),
    Defect(
        "M1 noisy", ({"kind": "noisy_telescope", "telescope": "M1", "noise_pe": 5.0},),
        ("m1_intensity_distance", "m1_width_distance", "m1_rate_hz", "m1_m2_rate_ratio"),
    ),
)  # fmt: skip


def defect_night() -> NightSpec:
    """Return a night with a run of each defect, all at zenith distances of the demo's reference."""
    crab = demo_spec().sources[0]
    runs = tuple(RunSpec(zenith_deg=24.5 - 0.9 * i, subruns=SUBRUNS, wobble_angle_deg=(35.0, 215.0)[i % 2])
                 for i in range(len(DEFECTS)))  # fmt: skip
    faults = tuple(Fault(**fault, run=i) for i, defect in enumerate(DEFECTS) for fault in defect.faults)
    return NightSpec(night=NIGHT, seed=7, sources=(crab.model_copy(update={"runs": runs}),), faults=faults)


def clean_night(seed: int) -> NightSpec:
    """Return a night with one run: of the boosted Crab or, every fourth seed, of the demo's weak source."""
    crab, weak = demo_spec().sources
    source = weak if seed % 4 == 0 else crab
    return NightSpec(night=NIGHT, seed=seed, sources=(source.model_copy(update={"runs": source.runs[:1]}),))


def make_site(root: Path, models: Path | None = None) -> None:
    """Write the configuration of a site, and let everything that follows use it."""
    (root / "config").mkdir(parents=True, exist_ok=True)
    for file in CONFIG.glob("*.yaml"):
        shutil.copyfile(file, root / "config" / file.name)
    (root / "config" / "policy.yaml").write_text("min_same_wobble_min: 0.0\n")
    if models:
        paths = {"models": str(models / "mc" / "models"), "irfs": str(models / "mc" / "IRF")}
        (root / "config" / "site.yaml").write_text(yaml.safe_dump({"paths": paths}))
    os.environ["STEREO_SITE"] = str(root)


def work(plan: Plan) -> None:
    """Bring all elements of a plan to their end, but for the comparisons and the page."""
    plan.save()
    states = ElementStates(plan, trusts=True)
    for element in plan.elements:
        if element.stage not in (COMPARE, QA):
            run_element(states, element)


def monte_carlo(folder: Path) -> Path:
    """Return a site with the demo's forests and IRFs."""
    root = folder / "monte_carlo"
    make_site(root)
    if not (root / "complete").exists():
        simulate_monte_carlo(demo_monte_carlo(), root / "data")
        for plan in plan_monte_carlo():
            work(plan)
        (root / "complete").touch()
    return root


def judged(root: Path, spec: NightSpec, models: Path) -> Iterator[dict[str, Any]]:
    """Simulate and process a night, and yield what `qa.json` says of each source."""
    make_site(root, models)
    simulate_night(spec, root / "data")
    for plan in plan_night(NIGHT).plans:
        work(plan)
        (_, element), *_ = plan.of_stage(QA)
        made = make_page(StepContext(ElementStates(plan), element, root / "qa" / plan.source))
        yield json.loads(made.files[1].read_text())


def reasons(run: dict[str, Any]) -> str:
    """Return what is said of a run, in one line."""
    return "; ".join(run["reasons"]) or "-"


def look_at_defects(folder: Path, models: Path) -> int:
    """Print what becomes of each defect; return how many were missed."""
    (data,) = judged(folder / "defects", defect_night(), models)
    missed = 0
    for defect, run in zip(DEFECTS, data["runs"], strict=True):
        marked = {name for name, metric in run["metrics"].items() if metric["level"] in ("warning", "bad")}
        found = run["level"] == "good" if not defect.faults else run["level"] in ("warning", "bad") and (
            bool(marked & set(defect.metrics)) if defect.metrics else defect.says in reasons(run)
        )  # fmt: skip
        missed += not found
        print(f"{'found ' if found else 'MISSED'} {defect.name}: {run['level']}: {reasons(run)}", flush=True)
    return missed


def look_at_seeds(folder: Path, models: Path, seeds: range) -> int:
    """Print what is said of clean nights; return the number of false alarms."""
    alarms = runs = 0
    for seed in seeds:
        for data in judged(folder / f"seed{seed:03d}", clean_night(seed), models):
            for run in data["runs"]:
                runs += 1
                alarms += run["level"] != "good"
                values = {name: metric["value"] for name, metric in run["metrics"].items()}
                (folder / "values.jsonl").open("a").write(
                    json.dumps({"seed": seed, "source": data["source"]} | values) + "\n"
                )
                if run["level"] != "good":
                    print(
                        f"seed {seed}, {data['source']}, run {run['lst_run']}: {run['level']}: {reasons(run)}",
                        flush=True,
                    )
        print(f"seed {seed}: {runs} runs so far, {alarms} false alarms", flush=True)
    return alarms


def main() -> None:
    """Judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--defects", action="store_true")
    options = parser.parse_args()
    keep_astropy_offline()
    os.environ["STEREO_CACHE"] = str(options.folder / "cache")
    folder = options.folder.absolute()
    models = monte_carlo(folder)
    if options.defects:
        print(f"{look_at_defects(folder, models)} of {len(DEFECTS)} defects missed")
    if options.seeds:
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        print(f"{look_at_seeds(folder, models, seeds)} false alarms")


if __name__ == "__main__":
    main()
