"""Loading: the base folder `config/`, and over it the site's own files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError, ValidationInfo, field_validator

from stereo_tasks.analysis.settings import AnalysisSettings
from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night
from stereo_tasks.settings.alarms import Alarms
from stereo_tasks.settings.choices import MonteCarlo, NoChoiceError, TimeOffset
from stereo_tasks.settings.layers import leaves, overlay
from stereo_tasks.settings.model import Model
from stereo_tasks.settings.policy import Policy
from stereo_tasks.settings.production import Production, Productions
from stereo_tasks.settings.qa import QaSettings
from stereo_tasks.settings.resources import Resources
from stereo_tasks.settings.site import Site
from stereo_tasks.settings.sources import SourcePosition, check_names, find_source
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
    analysis: AnalysisSettings
    alarms: Alarms

    @field_validator("resources")
    @classmethod
    def _stages_are_known(cls, resources: dict[str, Resources]) -> dict[str, Resources]:
        names = [stage.name for stage in stages()]
        if unknown := sorted(resources.keys() - set(names)):
            raise ValueError(f"there is no stage {', '.join(unknown)}; there are {', '.join(names)}")
        return resources

    @field_validator("monte_carlo")
    @classmethod
    def _has_the_nsb_levels(cls, monte_carlo: MonteCarlo, info: ValidationInfo) -> MonteCarlo:
        productions: Productions | None = info.data.get("productions")
        for production in productions.productions.values() if productions else ():
            for _, one in production.cases():
                if one.nsb is not None and one.nsb not in monte_carlo.nsb_levels:
                    raise ValueError(f"nsb_levels lack {one.nsb}, the nsb of {one.name} ({one.origin('nsb')})")
        return monte_carlo

    @field_validator("sources")
    @classmethod
    def _names_are_one_place(cls, sources: dict[str, SourcePosition]) -> dict[str, SourcePosition]:
        check_names(sources)
        return sources

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
        """Return the position of a source, by its name or an alias.

        Raises
        ------
        NoChoiceError
            If the configuration does not know it.
        """
        if (found := find_source(self.sources, source)) is None:
            raise NoChoiceError(
                f"no position of {source}: add it to config/sources.yaml ('stereo sources resolve {source}' does it), "
                "or wait for MAGIC's files, whose headers tell it"
            )
        return found[1]


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
    origins: dict[str, str] = {}
    for name in Settings.model_fields:
        raw[name] = _layered(f"{name}.yaml", root, origins if name == "productions" else None)
    for name, production in raw["productions"]["productions"].items():
        key = f"productions.{name}."
        own = {known.removeprefix(key): origin for known, origin in origins.items() if known.startswith(key)}
        if "mcp" in production:  # else it is missed below, with all others
            production["mcp"] = _mcp(production["mcp"], root, own)
        production["origins"] = own
    _place(raw["site"], root)
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise SettingsError("\n".join(_line(*item["loc"], message=item["msg"]) for item in error.errors())) from None


def _line(file: str | int, *keys: str | int, message: str) -> str:
    """Return file, key and what is wrong with it; rules are counted from 1, as people do."""
    parts = [f"rule {key + 1}" if isinstance(key, int) and before == "overrides" else str(key)
             for before, key in zip(("", *keys), keys, strict=False)]  # fmt: skip
    return f"config/{file}.yaml: {'.'.join(parts) or 'file'}: {message.removeprefix('Value error, ')}"


def _read(path: Path, *, required: bool) -> Any:
    try:
        # The loader in C: every page reads all files, and Python takes 60 ms for them.
        return yaml.load(path.read_text(), yaml.CSafeLoader)
    except FileNotFoundError:
        if required:
            raise SettingsError(
                f"{path} is missing; point {CONFIG_VARIABLE} to the folder of the configuration"
            ) from None
        return None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from None


def _layered(name: str, root: Path, origins: dict[str, str] | None = None, prefix: str = "") -> Any:
    """Read a file of the base configuration with the site's laid over it, and note where each value comes from."""
    content: Any = None
    for path, required in ((base_folder() / name, True), (root / "config" / name, False)):
        layer = _read(path, required=required)
        content = overlay(content, layer)
        if origins is not None and isinstance(layer, dict):
            shown = f"config/{name}" if required else str(path)
            origins |= {key: shown for key, value in leaves(layer, prefix) if value is not None or key not in origins}
    return content


def _mcp(named: str | dict[str, Any], root: Path, origins: dict[str, str]) -> Any:
    """Read magic-cta-pipe's configuration from the file that a production names, with what it sets of its own."""
    if isinstance(named, dict) and not {"file"} <= named.keys() <= {"file", "set"}:
        raise SettingsError(f"config/productions.yaml: mcp holds 'file' and 'set', not {', '.join(map(str, named))}")
    name, own = (named["file"], named.get("set")) if isinstance(named, dict) else (named, None)
    set_in = {key: origins.pop(key) for key in list(origins) if key == "mcp" or key.startswith("mcp.")}
    content = _layered(name, root, origins, "mcp.")
    if own:
        content = overlay(content, own, nulls=True)
        origins |= {key: set_in.get(f"mcp.set.{key.removeprefix('mcp.')}", "") for key, _ in leaves(own, "mcp.")}
    return content


def _place(site: dict[str, Any], root: Path) -> None:
    """Make the paths of a site absolute."""
    site["root"] = root
    site["paths"] = {
        key: _placed(key, os.path.expandvars(value), root) for key, value in site["paths"].items() if value is not None
    }
    for key in ("science_python", "analysis_python"):
        python = Path(os.path.expandvars(site[key]))
        # The interpreter is a link into the environment: resolving it would leave the environment.
        site[key] = python if python.is_absolute() else Path(__file__).parents[2] / python


def _placed(key: str, value: str, root: Path) -> str | Path:
    # The log may lie at an address, which stays as it is.
    return value if key == "stereo_log" and "://" in value else root / value
