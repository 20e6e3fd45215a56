"""Does what was injected come back? ``.venv/bin/python tests/benchmarks/closure.py [--folder .cache/closure]``.

Twelve simulated nights at three zenith angles: one of three sources in each, and a field without any flux. Each goes
through the chain without Airflow (``stereo run``) and through ``stereo analyse``, by night and all nights of a source
together. Whatever is there is not made again: called anew after an interruption, it goes on.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.io import fits
from astropy.table import Table, vstack

from stereo_tasks.local_site.demo import prepare_demo_config
from stereo_tasks.nights import Night
from stereo_tasks.processing.local_run import run_plan
from stereo_tasks.processing.night_plans import plan_monte_carlo
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.simulate.demo import CRAB_AT_HALF_TEV_PER_TEV_CM2_S
from stereo_tasks.simulate.spec import Campaign, MonteCarloSpec, NightSpec, NodeSpec, RunSpec, SourceSpec, SpectrumSpec
from stereo_tasks.stages import MC_STAGES, chains_of

ZENITHS_DEG = (14.0, 24.0, 34.0)
NODES_DEG = ((12.0, 117.4), (20.0, 102.6), (36.0, 90.1))
"""Zenith and azimuth along the rising track of declination 22.76 deg."""
CRABS = {"Bright": 20.0, "Middle": 10.0, "Weak": 4.0}
"""Sources with their flux in units of the Crab Nebula: a minute then has as many gammas as an hour has in reality."""
DARK = "Dark"
RIGHT_ASCENSIONS_DEG = {"Bright": 83.6, "Middle": 93.6, "Weak": 103.6, DARK: 88.6}
DEC_DEG = 22.01446
INDEX = 2.5
ENERGY_MIN_TEV = 10**-1.2
"""Lowest energy that is simulated and injected: an edge of the IRFs' bins, below what the telescopes see.

Where the simulation ends within what they see, effective areas fall to 0 from one bin to the next, which readers
interpolate: they expect gammas below that nobody has injected.
"""
NIGHTS = (*product(CRABS, ZENITHS_DEG), *zip(CRABS, ZENITHS_DEG, strict=True))
LIBRARY = 10_000
"""Hadrons at each place of the sky: ten times those of a run. Of a small library nights are no chance of their own."""
FIRST = dt.date(2024, 1, 5)
MEAN_AT_MOST, WIDTH_LEAST, WIDTH_MOST = 0.5, 0.6, 1.4
DARK_SIGMA = 3.0


@dataclass(frozen=True, slots=True)
class Pull:
    """What an analysis found of a source, against what was injected."""

    name: str
    source: str
    sigma: float
    flux: float
    """Difference in units of its error; not a number where no spectrum was fitted."""
    index: float
    ratio: float
    """Measured over injected flux."""
    limit_holds: bool
    """Whether the integral flux that was injected is below the upper limit."""


def night_spec(number: int, subruns: int) -> NightSpec:
    """Return one of the nights: two runs of a source, one of the dark field, all around one zenith angle."""
    name, zenith_deg = NIGHTS[number]
    spectrum = injected(CRABS[name])
    runs = tuple(
        RunSpec(zenith_deg=zenith_deg + shift, wobble_angle_deg=angle, subruns=subruns)
        for shift, angle in ((1.0, 35.0), (-1.0, 215.0))
    )
    sources = tuple(
        SourceSpec(name=one, ra_deg=RIGHT_ASCENSIONS_DEG[one], dec_deg=DEC_DEG, spectrum=shape, runs=runs)
        for one, shape in ((name, spectrum), (DARK, None))
    )
    night = str(FIRST + dt.timedelta(days=number))
    return NightSpec(night=night, seed=100 + number, sources=sources, proton_library=LIBRARY)


def injected(crabs: float) -> SpectrumSpec:
    """Return the spectrum of a source with so many times the flux of the Crab Nebula."""
    amplitude = crabs * CRAB_AT_HALF_TEV_PER_TEV_CM2_S
    return SpectrumSpec(amplitude_per_tev_cm2_s=amplitude, index=INDEX, energy_min_tev=ENERGY_MIN_TEV)


def prepare(folder: Path) -> Settings:
    """Return a site without anything in it."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare_demo_config(folder)
    _write(folder, "site", {"workers": 1, "cluster": "local"})
    # Whether the engines agree is asked elsewhere.
    _write(folder, "productions", {"productions": {"mcp062": {"compared_fraction": 0, "compared_min": 0}}})
    positions = {name: {"ra_deg": ra, "dec_deg": DEC_DEG} for name, ra in RIGHT_ASCENSIONS_DEG.items()}
    _write(folder, "sources", positions)
    os.environ |= {"STEREO_SITE": str(folder), "STEREO_CACHE": str(folder / "cache")}
    return load_settings(folder)


def make_monte_carlo(settings: Settings, test_showers: int) -> None:
    """Simulate Monte Carlo, and make forests and IRFs."""
    done = settings.site.root / "monte_carlo.done"
    if done.exists():
        return
    nodes = tuple(NodeSpec(zenith_deg=zenith, azimuth_deg=azimuth) for zenith, azimuth in NODES_DEG)
    showers = MonteCarloSpec(nodes=nodes, energy_min_tev=ENERGY_MIN_TEV, gamma_test_showers=test_showers)
    _simulate(settings, "mc", Campaign(monte_carlo=showers))
    (plan,) = plan_monte_carlo(settings=settings)
    plan.save()
    if failures := run_plan(plan, chains_of(MC_STAGES), report=_say):
        raise SystemExit("\n".join(failures))
    done.touch()


def process(settings: Settings, spec: NightSpec) -> list[Pull]:
    """Publish a night, and analyse its sources."""
    root = settings.site.root
    if not all(published(root, source.name, spec.night).exists() for source in spec.sources):
        _call(settings, "run", spec.night, "--engine", "fast")
    for source in spec.sources:
        analyse(settings, source.name, spec.night, published(root, source.name, spec.night))
    pulls = [pull_of(root, source.name, spec.night) for source in spec.sources]
    for pull in pulls:
        _say(str(pull))
    return pulls


def published(root: Path, source: str, night: str) -> Path:
    """Return the folder that users read."""
    (cuts,) = (root / "mc" / "IRF").glob("*/*/*/*/g_*")
    return root / "products" / "mcp062" / source / "DL3" / cuts.name / "published" / Night(night).lst_date


def season(root: Path, source: str, nights: list[str]) -> Path:
    """Return a folder with the DL3 of all nights of a source, as links, and their common index."""
    folder = root / "seasons" / source
    folder.mkdir(parents=True, exist_ok=True)
    folders = [published(root, source, night) for night in nights]
    for path in (path for one in folders for path in one.glob("dl3_*")):
        link = folder / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    for name in ("hdu-index.fits.gz", "obs-index.fits.gz"):
        rows = vstack([Table.read(one / name) for one in folders], metadata_conflicts="silent")
        header = fits.getheader(folders[0] / name, 1)
        cards = fits.Header([card for card in header.cards if card.keyword in ("MJDREFI", "MJDREFF", "TIMESYS")])
        rows.meta.clear()
        fits.BinTableHDU(rows, header=cards, name=header["EXTNAME"]).writeto(folder / name, overwrite=True)
    return folder


def analyse(settings: Settings, source: str, name: str, dl3: Path) -> None:
    """Analyse a source in a folder of DL3."""
    out = results_folder(settings.site.root, source, name)
    if not (out / "results.yaml").exists():
        _call(settings, "analyse", "--dl3", dl3, "--source", source, "--out", out, "--all")


def results_folder(root: Path, source: str, name: str) -> Path:
    """Return where an analysis leaves its results."""
    return root / "analysis" / source / name


def pull_of(root: Path, source: str, name: str) -> Pull:
    """Compare the results of an analysis with what was injected."""
    results = yaml.safe_load((results_folder(root, source, name) / "results.yaml").read_text())
    crabs, law = CRABS.get(source, 0.0), results["power_law"]
    flux = index = ratio = math.nan
    band = results["flux"]
    limits = {name: band[name] for name in ("energy_min_tev", "energy_max_tev")}
    spectrum = injected(crabs) if crabs else None
    integral = spectrum.model_copy(update=limits).integral_per_cm2_s() if spectrum else 0.0
    holds = band["upper_limit_per_cm2_s"] > integral
    if law is not None and spectrum is not None:
        true = spectrum.amplitude_per_tev_cm2_s * (law["reference_tev"] / spectrum.reference_tev) ** -INDEX
        measured, error = law["amplitude_per_tev_cm2_s"], law["amplitude_per_tev_cm2_s_error"]
        flux, ratio = (measured - true) / error, measured / true
        index = (law["alpha"] - INDEX) / law["alpha_error"]
    return Pull(name, source, results["significance_sigma"], flux, index, ratio, holds)


def report(nights: list[Pull], seasons: list[Pull]) -> tuple[list[str], list[str]]:
    """Return the result as lines for a person, and what is not as it should be."""
    lines = [f"{'night':<12} {'source':<8} {'sigma':>6} {'flux/true':>9} {'flux':>6} {'index':>6} limit"]
    for one in (*nights, *seasons):
        holds = "holds" if one.limit_holds else "BELOW THE TRUTH"
        lines.append(
            f"{one.name:<12} {one.source:<8} {one.sigma:6.1f} {one.ratio:9.3f} {one.flux:6.2f} {one.index:6.2f} {holds}"
        )
    missed = []
    for name in ("flux", "index"):
        values = np.array([getattr(one, name) for one in nights if one.source != DARK])
        mean, width = float(np.mean(values)), float(np.std(values, ddof=1))
        lines.append(f"pulls of {name}, {len(values)} nights: mean {mean:+.2f}, width {width:.2f}")
        if not (abs(mean) <= MEAN_AT_MOST and WIDTH_LEAST <= width <= WIDTH_MOST):
            missed.append(f"pulls of {name}: mean {mean:+.2f}, width {width:.2f}")
    dark = [one for one in nights if one.source == DARK]
    below = sum(one.sigma < DARK_SIGMA for one in dark)
    held = sum(one.limit_holds for one in (*nights, *seasons))
    lines.append(f"without flux: {below} of {len(dark)} nights below {DARK_SIGMA:g} sigma")
    lines.append(f"upper limits above the truth: {held} of {len(nights) + len(seasons)}")
    if below < len(dark) - 1:
        missed.append(f"without flux: only {below} of {len(dark)} nights below {DARK_SIGMA:g} sigma")
    missed += [f"limit of {one.source} {one.name}" for one in seasons if one.source == DARK and not one.limit_holds]
    return lines, missed


def _simulate(settings: Settings, what: str, campaign: Campaign) -> None:
    root = settings.site.root
    spec = root / f"{'_'.join([what, *(night.night for night in campaign.nights)])}.yaml"
    spec.write_text(yaml.safe_dump(campaign.model_dump(mode="json")))
    python = settings.site.science_python
    command = [python, "-m", "stereo_tasks.simulate", what, "--spec", spec, "--out", root / "data"]
    subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, check=True)


def _call(settings: Settings, *arguments: Any) -> None:
    """Run a command of `stereo`; its output goes to a file."""
    with (settings.site.root / "commands.log").open("a") as log:
        command = [str(Path(sys.executable).with_name("stereo")), *map(str, arguments)]
        subprocess.run(command, stdout=log, stderr=log, check=True)


def _write(root: Path, name: str, content: dict[str, Any]) -> None:
    (root / "config" / f"{name}.yaml").write_text(yaml.safe_dump(content))


def _say(line: str) -> None:
    print(f"{dt.datetime.now(dt.UTC):%H:%M:%S} {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Make what is missing, and compare; return 1 if something does not close."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".cache/closure"), help="where everything is kept")
    parser.add_argument("--subruns", type=int, default=3, help="of 10 s, in each run (default: 3)")
    parser.add_argument("--test-showers", type=int, default=20_000, help="thrown gammas a node, for the IRFs")
    parser.add_argument("--workers", type=int, default=2, help="nights at a time (default: 2)")
    options = parser.parse_args()
    root = options.folder.absolute()
    settings = prepare(root)
    specs = [night_spec(number, options.subruns) for number in range(len(NIGHTS))]
    with ThreadPoolExecutor(options.workers) as pool:
        monte_carlo = pool.submit(make_monte_carlo, settings, options.test_showers)
        simulated = [pool.submit(_simulate, settings, "night", Campaign(nights=(spec,))) for spec in specs]
        for one in (monte_carlo, *simulated):
            one.result()
        nights = [pull for pulls in pool.map(partial(process, settings), specs) for pull in pulls]
    seasons = []
    for source in (*CRABS, DARK):
        dates = [pull.name for pull in nights if pull.source == source]
        analyse(settings, source, "season", season(root, source, dates))
        seasons.append(pull_of(root, source, "season"))
    lines, missed = report(nights, seasons)
    print("\n".join([*lines, *(f"does not close: {one}" for one in missed)]))
    (root / "closure.json").write_text(json.dumps({"lines": lines, "missed": missed}, indent=1))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
