"""A production: a named way of processing. Two productions stand side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from stereo_tasks.nights import Night
from stereo_tasks.settings.irf_name import irf_name, short_hash
from stereo_tasks.settings.layers import overlay
from stereo_tasks.settings.mcp import check_mcp
from stereo_tasks.settings.model import Model
from stereo_tasks.settings.overrides import Rule, Span, keys_set, spans
from stereo_tasks.settings.sources import SourcePosition
from stereo_tasks.stages import Correction, Engine, Stage, stages
from stereo_tasks.stages.monte_carlo import MC_FORESTS, MC_STEREO


class Production(Model):
    """MCP version, LST-1 and Monte Carlo versions, cuts, and magic-cta-pipe's own configuration."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    mcp_version: str
    """Version of magic-cta-pipe that the science environment must have."""
    lst_version: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """lstchain version of the LST-1 DL1 files, as in their path: ``v0.10``; of several, each run has the newest."""
    lst_tailcut: str | None = None
    """Cleaning of the LST-1 DL1 files, as in their path: ``tailcut84``; None: the only one that is there."""
    mc_version: str
    """Version of the Monte Carlo, as in autoMCP's ``v{MC}`` folder."""
    nsb: float | None = None
    """NSB level of runs that autoMCP's tables do not know, one of ``monte_carlo.nsb_levels``; None: they are held."""
    high_density: bool = False
    """Whether the high-density variant of a declination line is taken where it exists."""
    engine: Engine | dict[str, Engine] = Engine.FAST
    """Who makes the products: ``fast`` or ``mcp``, or one of them for each stage (``fast`` for those without)."""
    corrections: tuple[Correction, ...] = ()
    """Defects of magic-cta-pipe that our kernels are not to repeat. What they make then is not what it makes."""
    compared_fraction: float = Field(default=0.002, ge=0, le=1)
    """Fraction of the elements of a stage and night that magic-cta-pipe makes again, to be compared."""
    compared_min: int = Field(default=1, ge=0)
    """At least so many of each stage."""
    mcp: dict[str, Any]
    """magic-cta-pipe's configuration, with its own keys."""
    overrides: tuple[Rule, ...] = ()
    """What is different for some sources and nights; later rules win."""
    position: SourcePosition | None = None
    """Of the source, where a rule sets it; None is that of config/sources.yaml."""
    origins: dict[str, str] = Field(default_factory=dict, repr=False)
    """Where each value comes from, by its dotted key: a file, and the rule."""

    _training: str = PrivateAttr("")

    def engine_of(self, stage: Stage) -> Engine:
        """Return who is wanted to make the products of a stage."""
        return self.engine.get(stage.name, Engine.FAST) if isinstance(self.engine, dict) else self.engine

    def corrections_of(self, stage: Stage) -> tuple[Correction, ...]:
        """Return what is to be put right in the products of a stage."""
        return tuple(one for one in stage.corrections if one in self.corrections)

    @field_validator("engine")
    @classmethod
    def _has_known_stages(cls, engine: Engine | dict[str, Engine]) -> Engine | dict[str, Engine]:
        known = [stage.name for stage in stages()]
        if isinstance(engine, dict) and (unknown := sorted(set(engine) - set(known))):
            raise ValueError(f"there is no stage {', '.join(unknown)}; there are {', '.join(known)}")
        return engine

    @field_validator("mcp")
    @classmethod
    def _is_a_configuration_of_mcp(cls, config: dict[str, Any]) -> dict[str, Any]:
        check_mcp(config)
        return config

    @model_validator(mode="after")
    def _rules_are_possible(self) -> Self:
        if self.position is not None and self.overrides:
            raise ValueError("position: sources have theirs in config/sources.yaml, or in a rule of overrides")
        for _ in self.cases():
            pass
        return self

    def effective(self, night: Night, source: str) -> Production:
        """Return this production as it is for a night and source: what its rules set is laid over it.

        Raises
        ------
        ValueError
            If the rules together are impossible; `load_settings` finds that out before.
        """
        return self._under([number for number, rule in enumerate(self.overrides) if rule.matches(night, source)])

    def cases(self) -> Iterator[tuple[Span, Production]]:
        """Yield all that the rules make of this production, each with the sources and nights that it is for."""
        made: dict[tuple[int, ...], Production] = {}
        for span in spans(self.overrides):
            if span.rules not in made:
                made[span.rules] = self._under(span.rules)
            yield span, made[span.rules]

    def with_engine(self, engine: Engine) -> Production:
        """Return this production with one engine for all stages, whatever its rules say."""
        rules = tuple(rule.without("engine") for rule in self.overrides)
        return self.model_copy(update={"engine": engine, "overrides": rules})

    def origin(self, *keys: str) -> str:
        """Return where the values of dotted keys come from, such as ``mcp.create_irf.event_type``: file and rule."""
        found = dict.fromkeys(
            origin
            for key in keys
            for known, origin in self.origins.items()
            if known == key or known.startswith(f"{key}.")
        )
        return "; ".join(found) or "default"

    @property
    def training(self) -> str:
        """Name of the forests, where rules change how they are trained or what of; empty for the production's own."""
        return self._training

    def _under(self, rules: Sequence[int]) -> Production:
        if not rules:
            return self
        values = {name: getattr(self, name) for name in type(self).model_fields} | {"overrides": ()}
        values["origins"] = dict(self.origins)
        for number in rules:
            values = overlay(values, self.overrides[number].set, nulls=True)
            where = f"{self.origin('overrides')}, rule {number + 1} of overrides"
            values["origins"] |= dict.fromkeys(keys_set(self.overrides[number].set), where)
        try:
            made = type(self).model_validate(values)
        except ValidationError as error:
            self._under(rules[:-1])  # so that an earlier rule is named if it was impossible already
            lines = [
                f"{'.'.join(str(part) for part in item['loc'])}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors()
            ]
            number, file = rules[-1] + 1, self.origin("overrides")
            raise ValueError(f"overrides in {file}, rule {number}: {'; '.join(lines)}") from None

        if (asked := _of_training(made.mcp)) != _of_training(self.mcp):
            made._training = short_hash(asked)
        return made

    @property
    def cuts(self) -> str:
        """Name of the IRFs in autoMCP's tree, such as ``g_dyn_0.9_th_glo_0.2``; see `irf_name`."""
        return irf_name(self.mcp["create_irf"])


def _of_training(config: dict[str, Any]) -> dict[str, Any]:
    """Return what of magic-cta-pipe's configuration the forests depend on."""
    return {key: config.get(key) for stage in (MC_STEREO, MC_FORESTS) for key in stage.mcp_keys}


class Productions(Model):
    """All productions of the site."""

    default: str
    productions: dict[str, Production]

    @model_validator(mode="before")
    @classmethod
    def _names_from_keys(cls, raw: Any) -> Any:
        for name, production in (raw.get("productions") or {}).items():
            if isinstance(production, dict):
                production.setdefault("name", name)
        return raw

    @model_validator(mode="after")
    def _default_exists(self) -> Self:
        if self.default not in self.productions:
            raise ValueError(f"default production {self.default!r} is not among {sorted(self.productions)}")
        return self
