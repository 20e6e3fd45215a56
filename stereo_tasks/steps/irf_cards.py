"""Was an IRF made with the cuts, events and weights that the configuration asks for? Its header says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ANY = "Custom energy-dependent"  # what create_irf writes where the cuts stand in a table


def difference(path: Path, create_irf: Mapping[str, Any]) -> str:
    """Compare the header of an IRF with the configuration of ``lst1_magic_create_irf``.

    ``lst1_magic_dl2_to_dl3`` takes cuts, event type and weights from the header of the IRF and not from the
    configuration: an IRF of another analysis would pass unnoticed (cta-lstchain 1362).

    Parameters
    ----------
    path : pathlib.Path
        The IRF.
    create_irf : mapping
        That part of magic-cta-pipe's configuration.

    Returns
    -------
    str
        The cards that differ, each with what was found and what is wanted, and what to do; empty if none does.
    """
    from astropy.io import fits

    with fits.open(path) as hdus:
        header = dict(hdus["EFFECTIVE AREA"].header)
    wrong = [
        f"{card} is {header.get(card)!r}, wanted {value!r}"
        for card, value in wanted_cards(create_irf).items()
        if not _equal(header.get(card), value)
    ]
    if not wrong:
        return ""
    return (
        f"{path} is not the IRF that is asked for: {'; '.join(wrong)}. Make it again ('stereo prepare-mc'), or correct "
        "create_irf of the production"
    )


def wanted_cards(create_irf: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cards that ``lst1_magic_create_irf`` (magic-cta-pipe 0.6.2) writes of a configuration.

    Angles are in deg. Of custom cuts only their kind is there, not the values.

    Parameters
    ----------
    create_irf : mapping
        That part of magic-cta-pipe's configuration.
    """
    import astropy.units as u

    gammaness, theta = create_irf["gammaness"], create_irf["theta"]
    by_gammaness = {
        "global": {"GH_CUT": "global_cut_value"},
        "dynamic": {"GH_EFF": "efficiency", "GH_MIN": "min_cut", "GH_MAX": "max_cut"},
    }
    by_theta = {
        "global": {"RAD_MAX": "global_cut_value"},
        "dynamic": {"TH_EFF": "efficiency", "TH_MIN": "min_cut", "TH_MAX": "max_cut"},
    }
    cards = {
        "EVT_TYPE": create_irf["event_type"],
        "DL2_WEIG": create_irf["weight_type_dl2"],
        "QUAL_CUT": create_irf["quality_cuts"],
    }
    for card, key in by_gammaness.get(gammaness["cut_type"], {}).items():
        cards[card] = gammaness[key]
    for card, key in by_theta.get(theta["cut_type"], {}).items():
        cards[card] = theta[key] if key == "efficiency" else float(u.Quantity(theta[key]).to_value("deg"))
    if gammaness["cut_type"] == "custom":
        cards["GH_CUTS"] = _ANY
    if theta["cut_type"] == "custom":
        cards["THETA_CUTS"] = _ANY
    return cards


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return math.isclose(found, wanted, rel_tol=1e-6)
    return bool(found == wanted)
