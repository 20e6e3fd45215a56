"""What the engines are measured with: sites with simulated nights at real rates, forests of real depth, and IRFs.

They are made once for each choice of settings, below a folder that outlives the measurement.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from stereo_tasks.local_site.demo import prepare_demo_config
from stereo_tasks.nights import Night
from stereo_tasks.processing.local_run import run_plan
from stereo_tasks.processing.night_plans import plan_monte_carlo
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.simulate.demo import CRAB_AT_HALF_TEV_PER_TEV_CM2_S, demo_monte_carlo, demo_spec
from stereo_tasks.simulate.spec import Campaign, NightSpec, RunSpec, spec_hash
from stereo_tasks.stages import MC_STAGES, Engine, chains_of

HERE = Path(__file__).parent
REAL_RATES_HZ = {"magic_rate_hz": 300.0, "lst_rate_hz": 5300.0, "lst_interleaved_hz": 100.0}
SUBRUN_S = 10
WARM_UP, WHOLE, PART = Night("2024-01-09"), Night("2024-01-10"), Night("2024-01-11")
"""A short night at small rates; the one to be measured; and one that is shorter, for the slower engine."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where everything lies."""

    settings: Settings
    """Of a site with the nights, and a production for each engine."""
    seconds: dict[Night, int]
    """Of observation in each night."""


def inputs(folder: Path, seconds: int, part_seconds: int, forest_events: int) -> Inputs:
    """Make what is not there yet."""
    # One library of showers for all nights.
    os.environ["STEREO_CACHE"] = str(folder)
    subruns = {WHOLE: -(-seconds // SUBRUN_S), PART: -(-part_seconds // SUBRUN_S)}
    if subruns[PART] >= subruns[WHOLE]:
        del subruns[PART]
    nights = (_warm_up(), *(_night(night, count) for night, count in subruns.items()))
    text = yaml.safe_dump(Campaign(nights=nights).model_dump(mode="json"))
    monte_carlo = _monte_carlo(folder, forest_events)
    root = folder / f"{seconds}s_{_key(text + str(monte_carlo))}"
    settings = _site(root, monte_carlo)
    (root / "nights.yaml").write_text(text)
    _science(settings, "-m", "stereo_tasks.simulate", "night", "--spec", root / "nights.yaml", "--out", root / "data")
    return Inputs(settings, {night: count * SUBRUN_S for night, count in subruns.items()})


def _night(night: Night, subruns: int) -> NightSpec:
    values = demo_spec(str(night)).model_dump() | REAL_RATES_HZ
    crab = values["sources"][0]
    crab["spectrum"]["amplitude_per_tev_cm2_s"] = CRAB_AT_HALF_TEV_PER_TEV_CM2_S
    crab["runs"] = [RunSpec(zenith_deg=20.0, subruns=subruns, subrun_seconds=SUBRUN_S)]
    return NightSpec.model_validate(values | {"sources": [crab]})


def _warm_up() -> NightSpec:
    values = demo_spec(str(WARM_UP)).model_dump()
    crab = values["sources"][0]
    crab["runs"] = [RunSpec(zenith_deg=20.0, subruns=1, subrun_seconds=SUBRUN_S)]
    return NightSpec.model_validate(values | {"sources": [crab]})


def _site(root: Path, monte_carlo: Path) -> Settings:
    """Write the configuration of a site with one production for each engine."""
    (root / "config").mkdir(parents=True, exist_ok=True)
    prepare_demo_config(root)
    base = load_settings(root).production()
    production = base.model_dump(mode="json", exclude={"name", "mcp"}) | {"mcp": "mcp.yaml"}
    (root / "config" / "mcp.yaml").unlink()  # the demo's: small forests
    productions = {engine.value: production | {"engine": engine.value} for engine in Engine}
    _write(root, "productions", {"default": Engine.FAST.value, "productions": productions})
    models = {"models": str(monte_carlo / "mc" / "models"), "irfs": str(monte_carlo / "mc" / "IRF")}
    _write(root, "site", {"workers": 1, "cluster": "local", "paths": models})
    return load_settings(root)


def _monte_carlo(folder: Path, forest_events: int) -> Path:
    """Return a site with the demo's IRFs, and forests that are as deep as if they had learned from so many images."""
    wanted = (HERE / "deep_forests.py").read_text() + str(forest_events)
    root = folder / f"monte_carlo_{_key(spec_hash(demo_monte_carlo()) + wanted)}"
    if (root / "complete").exists():
        return root
    root.mkdir(parents=True, exist_ok=True)
    prepare_demo_config(root)
    _write(root, "site", {"workers": 1, "cluster": "local"})
    settings = load_settings(root)
    _science(settings, "-m", "stereo_tasks.simulate", "mc", "--out", root / "data")
    os.environ["STEREO_SITE"] = str(root)
    (plan,) = plan_monte_carlo(settings=settings)
    plan.save()
    if failures := run_plan(plan, chains_of(MC_STAGES)):
        raise SystemExit("\n".join(failures))
    stereo = next(Path(plan.root).rglob("GammaTrain")).parent
    forests = next((root / "mc" / "models").rglob("*.joblib")).parent
    _science(settings, HERE / "deep_forests.py", stereo, forests, forest_events)
    (root / "complete").touch()
    return root


def _write(root: Path, name: str, content: dict) -> None:
    (root / "config" / f"{name}.yaml").write_text(yaml.safe_dump(content))


def _science(settings: Settings, *arguments: object) -> None:
    subprocess.run([str(settings.site.science_python), *map(str, arguments)], check=True)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
