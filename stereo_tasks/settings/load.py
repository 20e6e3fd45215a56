"""Loading: the base folder `config/`, and over it the site's own files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError, field_validator

from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night
from stereo_tasks.settings.alarms import Alarms
from stereo_tasks.settings.choices import MonteCarlo, NoChoiceError, SourcePosition, TimeOffset
from stereo_tasks.settings.model import Model
from stereo_tasks.settings.policy import Policy
from stereo_tasks.settings.production import Production, Productions
from stereo_tasks.settings.qa import QaSettings
from stereo_tasks.settings.resources import Resources
from stereo_tasks.settings.site import Site
from stereo_tasks.stages import Cost, Engine, Stage, stages

CONFIG_VARIABLE = "STEREO_CONFIG"
SITE_VARIABLE = "STEREO_SITE"


class SettingsError(StereoError, ValueError):
    """The configuration is wrong; the text names file, key and remedy."""


class Settings(Model):
    """Everything in `config/`, for one site. One file a field, by the field's name."""

    site: Site
    productions: Productions
    monte_carlo: MonteCarlo
    time_offsets: tuple[TimeOffset, ...]
    sources: dict[str, SourcePosition]
    resources: dict[str, Resources]
    policy: Policy
    qa: QaSettings
    alarms: Alarms

    @field_validator("resources")
    @classmethod
    def _stages_are_known(cls, resources: dict[str, Resources]) -> dict[str, Resources]:
        names = [stage.name for stage in stages()]
        if unknown := sorted(resources.keys() - set(names)):
            raise ValueError(f"there is no stage {', '.join(unknown)}; there are {', '.join(names)}")
        return resources

    def cost(self, stage: Stage, engine: Engine = Engine.MCP) -> Cost:
        """Return what an element of a stage is expected to need on this site."""
        return self.resources.get(stage.name, Resources()).applied_to(stage.cost_of(engine))

    def partition(self, stage: Stage) -> str | None:
        """Return where on the cluster the jobs of a stage run; None leaves it to the cluster."""
        return self.resources.get(stage.name, Resources()).partition or self.site.slurm.partition

    def production(self, name: str | None = None) -> Production:
        """Return a production, or the default one.

        Raises
        ------
        SettingsError
            If there is none of that name.
        """
        wanted = name or self.productions.default
        try:
            return self.productions.productions[wanted]
        except KeyError:
            raise SettingsError(
                f"no production {wanted!r} in config/productions.yaml; there are {sorted(self.productions.productions)}"
            ) from None

    def time_offset(self, night: Night) -> TimeOffset:
        """Return the known time offset of a night.

        Raises
        ------
        NoChoiceError
            If the table has a gap there or has ended.
        """
        for entry in self.time_offsets:
            if entry.first <= night.evening <= entry.last:
                return entry
        raise NoChoiceError(f"no LST-MAGIC time offset is known for {night}: add it to config/time_offsets.yaml")

    def position(self, source: str) -> SourcePosition:
        """Return the position of a source.

        Raises
        ------
        NoChoiceError
            If the configuration does not know it.
        """
        try:
            return self.sources[source]
        except KeyError:
            raise NoChoiceError(f"no position of {source}: add it to config/sources.yaml") from None


def base_folder() -> Path:
    """Return the folder of the base configuration: ``$STEREO_CONFIG``, else `config/` of this checkout."""
    return Path(os.environ.get(CONFIG_VARIABLE) or Path(__file__).parents[2] / "config")


def site_folder() -> Path:
    """Return the root of the site: ``$STEREO_SITE``, else ``site`` in the current directory."""
    return Path(os.environ.get(SITE_VARIABLE) or "site").absolute()


def load_settings(site: Path | None = None) -> Settings:
    """Load the configuration of a site.

    Parameters
    ----------
    site : pathlib.Path, optional
        Root of the site; `site_folder` by default. Files in its `config` folder are laid over the base ones, key by
        key.

    Raises
    ------
    SettingsError
        If a file is missing or unreadable, a key unknown, or a value out of range.
    """
    root = (site or site_folder()).absolute()
    raw: dict[str, Any] = {}
    for name in Settings.model_fields:
        content = _read(base_folder() / f"{name}.yaml", required=True)
        raw[name] = _overlay(content, _read(root / "config" / f"{name}.yaml", required=False))
    for production in raw["productions"]["productions"].values():
        name = production["mcp"]
        production["mcp"] = _overlay(
            _read(base_folder() / name, required=True), _read(root / "config" / name, required=False)
        )
    _place(raw["site"], root)
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        lines = [
            f"config/{item['loc'][0]}.yaml: {'.'.join(str(part) for part in item['loc'][1:]) or 'file'}: {item['msg']}"
            for item in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None


def _read(path: Path, *, required: bool) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except FileNotFoundError:
        if required:
            raise SettingsError(
                f"{path} is missing; point {CONFIG_VARIABLE} to the folder of the configuration"
            ) from None
        return None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from None


def _overlay(base: Any, over: Any) -> Any:
    if over is None:
        return base
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: _overlay(base.get(key), value) for key, value in over.items()}}
    return over


def _place(site: dict[str, Any], root: Path) -> None:
    """Make the paths of a site absolute."""
    site["root"] = root
    site["paths"] = {key: _placed(key, os.path.expandvars(value), root) for key, value in site["paths"].items()}
    for key in ("science_python", "analysis_python"):
        python = Path(os.path.expandvars(site[key]))
        # The interpreter is a link into the environment: resolving it would leave the environment.
        site[key] = python if python.is_absolute() else Path(__file__).parents[2] / python


def _placed(key: str, value: str, root: Path) -> str | Path:
    # The log may lie at an address, which stays as it is.
    return value if key == "stereo_log" and "://" in value else root / value
