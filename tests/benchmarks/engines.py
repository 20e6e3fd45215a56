"""What each engine costs, and whether both make the same: ``.venv/bin/python tests/benchmarks/engines.py --help``.

Both work on the same simulated night one after the other, in jobs as the house runs them, one at a time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench_inputs import HERE, NIGHT, SUBRUN_S, real_night, small_night

from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.chain_arrays import chain_array
from stereo_tasks.processing.local_run import run_plan
from stereo_tasks.processing.night_plans import plan_night
from stereo_tasks.products.record import Record, read_record
from stereo_tasks.settings import Settings
from stereo_tasks.stages import Engine, State, chain
from stereo_tasks.stages.night import COMPARE, MAGIC_DL1, QA, STAGES, STEREO_DL3

MEASURED = tuple(stage for stage in STAGES if stage not in (COMPARE, QA))
TARGET_S, TARGET_RATIO, TARGET_MB, TARGET_DL2_MB, TARGET_START_S = 0.25, 30.0, 350.0, 1000.0, 0.6
STARTS = 7


@dataclass(frozen=True, slots=True)
class Measured:
    """What an engine used for a night."""

    engine: str
    seconds: int
    """Of observation."""
    cpu_s: dict[str, float]
    """Of each stage, all elements together, imports of the tool included."""
    peak_mb: dict[str, float]
    """Largest resident memory in an element of each stage."""
    total_s: float
    """CPU of all jobs from their start to their end."""
    elapsed_s: float
    fallen_back: tuple[str, ...]
    """Elements that magic-cta-pipe made in place of the kernel, each with the reason."""

    def per_second(self, stage: str) -> float:
        """Return the CPU of a stage, in s per second of observation."""
        return self.cpu_s[stage] / self.seconds

    @property
    def starts_s(self) -> float:
        """CPU of the jobs outside of their elements."""
        return self.total_s - sum(self.cpu_s.values())


def run(settings: Settings, engine: Engine, seconds: int) -> tuple[Measured, Plan]:
    """Make all products of a site's night anew, and return what that took."""
    os.environ["STEREO_SITE"] = str(settings.site.root)
    print(f"{engine}: {settings.site.root.name}", file=sys.stderr)
    (plan,) = plan_night(NIGHT, production=engine.value, settings=settings).plans
    assert not plan.blockers, plan.blockers
    plan.save()
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    failures = run_plan(plan, (chain(MAGIC_DL1), chain(STEREO_DL3)), force=True, report=_nothing)
    after, elapsed_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begin
    if failures:
        raise SystemExit("\n".join(failures))
    records = {stage.name: _records(plan, stage.name) for stage in MEASURED if plan.of_stage(stage.name)}
    measured = Measured(
        engine=engine.value,
        seconds=seconds,
        cpu_s={stage: sum(record.cpu_s for record in of_stage) for stage, of_stage in records.items()},
        peak_mb={stage: max(record.peak_memory_mb for record in of_stage) for stage, of_stage in records.items()},
        total_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        elapsed_s=elapsed_s,
        fallen_back=tuple(
            f"{record.element}: {record.engine_reason}"
            for of_stage in records.values()
            for record in of_stage
            if engine is Engine.FAST and record.engine != engine
        ),
    )
    return measured, plan


def _nothing(line: str) -> None:
    """Say nothing of a stage."""


def _records(plan: Plan, stage: str) -> list[Record]:
    records = [read_record(element.record_path) for _, element in plan.of_stage(stage)]
    if wrong := [record for record in records if record is None or record.state != State.DONE]:
        raise SystemExit(f"{plan.name} {stage}: {wrong}")
    return [record for record in records if record]


def compare(settings: Settings, ours: Plan, theirs: Plan) -> dict[str, tuple[int, list[str]]]:
    """Return for each stage how many products were compared, and how they differ."""
    elements = {element.id: element for element in theirs.elements}
    pairs = [
        (element.stage.name, pair)
        for element in ours.elements
        if element.stage in MEASURED
        for pair in zip(element.outputs, elements[element.id].outputs, strict=True)
    ]
    done = subprocess.run(
        [str(settings.site.science_python), str(HERE / "compare_products.py")],
        input=json.dumps([pair for _, pair in pairs]), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, tuple[int, list[str]]] = {}
    for (stage, (path, _)), differs in zip(pairs, json.loads(done.stdout), strict=True):
        count, differences = found.get(stage, (0, []))
        found[stage] = count + 1, [*differences, f"{Path(path).name}: {differs}"] if differs else differences
    return found


def start_of_a_job(settings: Settings, plan: Plan) -> tuple[float, float]:
    """Return what a job takes that finds all done, in s (CPU, elapsed): the interpreter, the plan, the records."""
    array = chain_array(plan, chain(STEREO_DL3), settings=settings)
    index, _ = plan.of_stage("index")[0]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | array.env
    cpu_s, elapsed_s = [], []
    for _ in range(STARTS):
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        command = [*array.command[:-1], "index", str(index)]
        subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        elapsed_s.append(time.monotonic() - begin)
        cpu_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(cpu_s), statistics.median(elapsed_s)


def machine() -> dict[str, Any]:
    """Return what was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    return {"date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC", "cpu": model, "cores": os.cpu_count()}


def measure(folder: Path, seconds: int, mcp_seconds: int, forest_events: int) -> dict[str, Any]:
    """Measure both engines, and compare what they made."""
    small, settings = small_night(folder, forest_events), real_night(folder, mcp_seconds, forest_events)
    plans, results = {}, {}
    for engine in (Engine.MCP, Engine.FAST):
        run(small, engine, SUBRUN_S)
        results[engine], plans[engine] = run(settings, engine, mcp_seconds)
    equality = compare(settings, plans[Engine.FAST], plans[Engine.MCP])
    whole, plan = results[Engine.FAST], plans[Engine.FAST]
    if seconds != mcp_seconds:
        settings = real_night(folder, seconds, forest_events)
        whole, plan = run(settings, Engine.FAST, seconds)
    start_cpu_s, start_s = start_of_a_job(settings, plan)
    return {
        **machine(),
        "versions": plan.versions,
        "mcp": asdict(results[Engine.MCP]),
        "fast": asdict(results[Engine.FAST]),
        "fast_whole": asdict(whole),
        "compared": {stage: {"products": count, "differences": found} for stage, (count, found) in equality.items()},
        "job_start": {"cpu_s": start_cpu_s, "elapsed_s": start_s},
    }


def report(result: dict[str, Any]) -> list[str]:
    """Return the result as lines for a person."""
    mcp, fast, whole = (Measured(**result[name]) for name in ("mcp", "fast", "fast_whole"))
    version, start = result["versions"]["magic-cta-pipe"], result["job_start"]
    lines = [
        f"{result['date']}, {result['cpu']}, {result['cores']} cores; magic-cta-pipe {version}",
        f"both engines on {fast.seconds} s of observation, fast on {whole.seconds} s, too",
        "",
        f"{'CPU s per second':<16} {'mcp':>8} {'fast':>8} {'ratio':>6} {f'fast {whole.seconds} s':>11}   "
        f"{'mcp MB':>6} {'fast MB':>7}   products",
    ]
    for stage in fast.cpu_s:
        compared = result["compared"][stage]
        differing = len(compared["differences"])
        equal = f"{compared['products']} equal" if not differing else f"{differing} of {compared['products']} differ"
        costs = _costs(mcp.per_second(stage), fast.per_second(stage), whole.per_second(stage))
        lines.append(f"{stage:<16} {costs}   {mcp.peak_mb[stage]:>6.0f} {_peak_mb(fast, whole, stage):>7.0f}   {equal}")
    for name in ("starts_s", "total_s"):
        costs = _costs(*(getattr(one, name) / one.seconds for one in (mcp, fast, whole)))
        lines.append(f"{name.removesuffix('_s'):<16} {costs}")
    return [
        *lines,
        "",
        f"start of a job: {start['cpu_s']:.2f} s of CPU, {start['elapsed_s']:.2f} s elapsed",
        *(f"differs: {found}" for compared in result["compared"].values() for found in compared["differences"]),
        *(f"not by a kernel: {reason}" for reason in dict.fromkeys([*fast.fallen_back, *whole.fallen_back])),
        *(f"target missed: {missed}" for missed in _missed(mcp, fast, whole, start["elapsed_s"])),
    ]


def _costs(mcp: float, fast: float, whole: float) -> str:
    return f"{mcp:>8.4f} {fast:>8.4f} {mcp / fast if fast else float('inf'):>6.0f} {whole:>11.4f}"


def _peak_mb(fast: Measured, whole: Measured, stage: str) -> float:
    return max(fast.peak_mb[stage], whole.peak_mb[stage])


def _missed(mcp: Measured, fast: Measured, whole: Measured, start_s: float) -> list[str]:
    total, ratio = whole.total_s / whole.seconds, mcp.total_s / fast.total_s
    missed = [f"{total:.3f} CPU s per second, not {TARGET_S}"] if total > TARGET_S else []
    if ratio < TARGET_RATIO:
        missed.append(f"{ratio:.0f} times as fast as magic-cta-pipe, not {TARGET_RATIO:.0f}")
    for stage in whole.peak_mb:
        target = TARGET_DL2_MB if stage == "dl2" else TARGET_MB
        if (peak_mb := _peak_mb(fast, whole, stage)) > target:
            missed.append(f"{stage} takes {peak_mb:.0f} MB, not {target:.0f}")
    if start_s > TARGET_START_S:
        missed.append(f"a job starts in {start_s:.2f} s, not {TARGET_START_S}")
    return missed


def main() -> int:
    """Measure; return 1 if products differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of observation, in subruns of 10 s (default: 60)")
    parser.add_argument("--mcp-seconds", type=int, help="magic-cta-pipe works on a night of so many only")
    parser.add_argument("--forest-events", type=int, default=20_000, help="images that a forest learns from")
    parser.add_argument("--folder", type=Path, default=Path(".cache/bench"), help="where inputs and products are kept")
    parser.add_argument("--json", type=Path, help="file for the result")
    options = parser.parse_args()
    seconds, mcp_seconds = (
        -(-wanted // SUBRUN_S) * SUBRUN_S for wanted in (options.seconds, options.mcp_seconds or options.seconds)
    )
    result = measure(options.folder.absolute(), seconds, min(seconds, mcp_seconds), options.forest_events)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    print("\n".join(report(result)))
    return int(any(compared["differences"] for compared in result["compared"].values()))


if __name__ == "__main__":
    sys.exit(main())
