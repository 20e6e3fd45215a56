"""What a production asks for, as choices of a plan: each with the file, and the rule, that it comes from."""

from __future__ import annotations

from typing import Any

from stereo_tasks.planning.plan import Choice
from stereo_tasks.settings.mcp import CUT_KEYS
from stereo_tasks.settings.production import Production

KEPT = {
    "software": "LST1_M1, LST1_M1_M2, LST1_M2; in the Monte Carlo only what triggers MAGIC in stereo",
    "software_only_3tel": "LST1_M1_M2",
    "magic_only": "M1_M2",
    "hardware": "all combinations of telescopes",
}
"""The combinations of telescopes that magic-cta-pipe keeps of a type of events."""
_WEIGHTED = {
    "simple": "each telescope counts alike",
    "intensity": "telescopes count by the intensity of their image",
    "variance": "telescopes count by the inverse of the forest's variance",
}


def option_choices(production: Production) -> tuple[Choice, ...]:
    """Return the options of reconstruction, IRFs and DL3 as choices.

    Parameters
    ----------
    production : Production
        The effective one of a night and source.
    """
    irf, dl3 = production.mcp["create_irf"], production.mcp["dl2_to_dl3"]
    event_type, weights = irf["event_type"], irf["weight_type_dl2"]
    distance = f", nodes up to {dl3['max_distance']} away" if "max_distance" in dl3 else ""
    interpolation = f"{dl3['interpolation_method']} in {dl3['interpolation_scheme']}{distance}"

    def origin(*keys: str) -> str:
        return production.origin(*(f"mcp.{key}" for key in keys))

    def read(cut: str) -> str:
        return origin(*(f"create_irf.{cut}.{key}" for key in ("cut_type", *CUT_KEYS[irf[cut]["cut_type"]])))

    return (
        Choice("event type", event_type, f"{KEPT[event_type]}; {origin('create_irf.event_type')}"),
        Choice("weights", weights, f"{_WEIGHTED[weights]}; {origin('create_irf.weight_type_dl2')}"),
        Choice("gammaness cut", _cut(irf["gammaness"]), read("gammaness")),
        Choice("theta cut", _cut(irf["theta"]), read("theta")),
        Choice("quality cuts of images", _or_none(production.mcp["stereo_reco"]["quality_cuts"]),
               origin("stereo_reco.quality_cuts")),
        Choice("quality cuts of events", _or_none(irf["quality_cuts"]), origin("create_irf.quality_cuts")),
        Choice("IRF interpolation", interpolation, origin("dl2_to_dl3")),
    )  # fmt: skip


def _cut(cut: dict[str, Any]) -> str:
    match cut["cut_type"]:
        case "global":
            return f"global {cut['global_cut_value']}"
        case "dynamic":
            return f"efficiency {cut['efficiency']} in each energy bin, within {cut['min_cut']} to {cut['max_cut']}"
        case _:
            table = cut["custom_cuts"]
            unit = f" {table['cut_unit']}" if table["cut_unit"] else ""
            cuts = ", ".join(str(value) for value in table["cut"])
            return f"custom {cuts}{unit} by energy, interpolated {cut['interpolate_kind']}"


def _or_none(cuts: str | None) -> str:
    return cuts or "none"
