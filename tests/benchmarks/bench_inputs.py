"""What the engines are measured with: sites with simulated nights at real rates, forests of real depth, and IRFs.

They are made once for each choice of settings, below a folder that outlives the measurement.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
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
NIGHT = Night("2024-01-10")


def real_night(folder: Path, seconds: int, forest_events: int) -> Settings:
    """Return a site with a night at real rates, of so many seconds of observation."""
    return _site(folder, f"{seconds}s", _real_night(seconds // SUBRUN_S), _monte_carlo(folder, forest_events))


def small_night(folder: Path, forest_events: int) -> Settings:
    """Return a site with a night of few events, to fill caches with."""
    return _site(folder, "small", _small_night(), _monte_carlo(folder, forest_events))


def _real_night(subruns: int) -> NightSpec:
    values = demo_spec(str(NIGHT)).model_dump() | REAL_RATES_HZ
    crab = values["sources"][0]
    crab["spectrum"]["amplitude_per_tev_cm2_s"] = CRAB_AT_HALF_TEV_PER_TEV_CM2_S
    crab["runs"] = [RunSpec(zenith_deg=20.0, subruns=subruns, subrun_seconds=SUBRUN_S)]
    return NightSpec.model_validate(values | {"sources": [crab]})


def _small_night() -> NightSpec:
    values = demo_spec(str(NIGHT)).model_dump()
    crab = values["sources"][0]
    crab["runs"] = [RunSpec(zenith_deg=20.0, subruns=1, subrun_seconds=SUBRUN_S)]
    return NightSpec.model_validate(values | {"sources": [crab]})


def _site(folder: Path, name: str, night: NightSpec, monte_carlo: Path) -> Settings:
    """Return a site with a simulated night, and a production for each engine."""
    root = folder / f"{name}_{spec_hash(night)[:8]}"
    (root / "config").mkdir(parents=True, exist_ok=True)
    prepare_demo_config(root)
    (root / "config" / "mcp.yaml").unlink()  # the demo's: small forests
    production = load_settings(root).production("mcp062").model_dump(mode="json", exclude={"name", "mcp", "engine"})
    productions = {engine.value: {**production, "mcp": "mcp.yaml", "engine": engine.value} for engine in Engine}
    _write(root, "productions", {"default": Engine.FAST.value, "productions": productions})
    models = {"models": str(monte_carlo / "mc" / "models"), "irfs": str(monte_carlo / "mc" / "IRF")}
    _write(root, "site", {"workers": 1, "cluster": "local", "paths": models})
    settings, spec = load_settings(root), root / "night.yaml"
    spec.write_text(yaml.safe_dump(Campaign(nights=(night,)).model_dump(mode="json")))
    os.environ["STEREO_CACHE"] = str(folder)  # one library of showers for all nights
    _science(settings, "-m", "stereo_tasks.simulate", "night", "--spec", spec, "--out", root / "data")
    return settings


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
    command = [str(settings.site.science_python), *map(str, arguments)]
    subprocess.run(command, stdout=sys.stderr, check=True)  # stdout is for the result


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
