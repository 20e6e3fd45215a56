"""The name of a set of IRFs: different IRFs must not share a folder.

autoMCP's name of the folder tells the kinds of the gammaness and theta cuts and one number of each. What differs else
from magic-cta-pipe's own configuration is added to it, so that trees made with that keep their names.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from astropy import units as u

from stereo_tasks.settings.mcp import CUT_KEYS

_USUAL: dict[str, Any] = {
    "quality_cuts": "disp_diff_mean < 0.22",
    "energy_bins": {"start": "0.01 TeV", "stop": "1000 TeV", "n_edges": 26},
    "migration_bins": {"start": 0.2, "stop": 5, "n_edges": 31},
    "fov_offset_bins": {"start": "0 deg", "stop": "1 deg", "n_edges": 6},
    "gammaness": {"min_cut": 0.05, "max_cut": 0.85},
    "theta": {"min_cut": "0.1 deg", "max_cut": "0.25 deg"},
}
"""Values of create_irf in magic-cta-pipe 0.6.2's ``resources/config.yaml``: those that point-like IRFs depend on."""
CUTS = ("gammaness", "theta")
_USUAL_EVENTS, _USUAL_WEIGHTS = "software", "intensity"
_NAMED = ("cut_type", "global_cut_value", "efficiency")
_DIGITS = 8


def irf_name(create_irf: dict[str, Any]) -> str:
    """Return the name of the IRFs that a section ``create_irf`` asks for.

    Parameters
    ----------
    create_irf : dict
        The section of magic-cta-pipe's configuration.

    Returns
    -------
    str
        autoMCP's, such as ``g_dyn_0.9_th_glo_0.2``; with the type of events and the weights where they are not
        ``software`` and ``intensity``, and a hash of all else that is not as in magic-cta-pipe's own configuration:
        ``g_dyn_0.9_th_glo_0.2_software_only_3tel_simple_3f9a01bc``.
    """
    parts = [f"{letter}_{_cut(create_irf[key])}" for letter, key in zip(("g", "th"), CUTS, strict=True)]
    for key, usual in (("event_type", _USUAL_EVENTS), ("weight_type_dl2", _USUAL_WEIGHTS)):
        if create_irf[key] != usual:
            parts.append(create_irf[key])
    if unusual := _unusual(create_irf):
        parts.append(short_hash(unusual))
    return "_".join(parts)


def short_hash(content: Any) -> str:
    """Return a hash of values, short enough for the name of a folder."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _cut(cut: dict[str, Any]) -> str:
    kind = cut["cut_type"]
    if kind == "custom":
        return "cus"
    value = cut["efficiency"] if kind == "dynamic" else in_deg(cut["global_cut_value"])
    return f"{kind[:3]}_{value}"


def in_deg(value: Any) -> str:
    """Return an angle in deg without its unit, as it was written if it was written in deg; a number as it is."""
    text = str(value).removesuffix("deg").strip()
    try:
        float(text)
    except ValueError:
        return f"{u.Quantity(value).to_value('deg'):g}"
    return text


def _unusual(create_irf: dict[str, Any]) -> dict[str, Any]:
    """Return what is not as usual and not in the name, of what the IRFs depend on."""
    unusual = {
        key: create_irf[key]
        for key, usual in _USUAL.items()
        if key not in CUTS and key in create_irf and create_irf[key] != usual
    }
    for key in CUTS:
        cut = create_irf[key]
        values = {name: cut[name] for name in CUT_KEYS[cut["cut_type"]] if name not in _NAMED}
        if different := {name: value for name, value in values.items() if value != _USUAL[key].get(name)}:
            unusual[key] = different
    return unusual
