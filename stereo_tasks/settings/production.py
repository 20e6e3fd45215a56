"""A production: a named way of processing. Two productions stand side by side."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from stereo_tasks.settings.model import Model
from stereo_tasks.stages import Correction, Engine, Stage, stages


class Production(Model):
    """MCP version, LST-1 and Monte Carlo versions, cuts, and magic-cta-pipe's own configuration."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    mcp_version: str
    """Version of magic-cta-pipe that the science environment must have."""
    lst_version: str
    """lstchain version of the LST-1 DL1 files, as in their path: ``v0.10``."""
    lst_tailcut: str
    """Cleaning of the LST-1 DL1 files, as in their path: ``tailcut84``."""
    mc_version: str
    """Version of the Monte Carlo, as in autoMCP's ``v{MC}`` folder."""
    nsb: float
    """NSB level of the Monte Carlo, one of ``monte_carlo.nsb_levels``."""
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
    def _has_the_keys_of_mcp(cls, config: dict[str, Any]) -> dict[str, Any]:
        needed = {
            "mc_tel_ids", "MAGIC", "event_coincidence", "stereo_reco", "energy_regressor", "disp_regressor",
            "event_classifier", "create_irf", "dl2_to_dl3",
        }  # fmt: skip
        if missing := sorted(needed - config.keys()):
            raise ValueError(f"magic-cta-pipe's configuration lacks {', '.join(missing)}")
        return config

    @property
    def cuts(self) -> str:
        """Name of the gammaness and theta cuts in autoMCP's tree, such as ``g_dyn_0.9_th_glo_0.2``."""
        irf = self.mcp["create_irf"]
        parts = []
        for letter, cut in (("g", irf["gammaness"]), ("th", irf["theta"])):
            kind = cut["cut_type"]
            value = cut["global_cut_value"] if kind == "global" else cut["efficiency"]
            parts.append(f"{letter}_{kind[:3]}_{str(value).split()[0]}")
        return "_".join(parts)


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
