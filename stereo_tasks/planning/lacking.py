"""What lacks of forests and IRFs to reach DL3, NSB level by NSB level."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from stereo_tasks.planning.choices import Chosen
from stereo_tasks.planning.plan import Blocker, Choice, Notice
from stereo_tasks.products.models import Models
from stereo_tasks.settings.production import Production
from stereo_tasks.stereo_log.observation import Observation

COSZD_MARGIN = 0.02
"""So far outside of the nodes' cosines of the zenith magic-cta-pipe's ``dl2_to_dl3`` takes the nearest node."""

CUBIC_NODES = 4
"""So many points scipy's cubic spline needs at least."""
_NAMED = 3


def lacking_models(
    models: Mapping[float, Models], chosen: Chosen, production: Production, rows: Sequence[Observation]
) -> tuple[Blocker, ...]:
    """Return what lacks of forests and IRFs, and what to do about it.

    Parameters
    ----------
    models : mapping of float to Models
        What was found, by NSB level.
    chosen : Chosen
        Which run has which level.
    production : Production
        The way of processing.
    rows : sequence of Observation
        Rows of the log, which say at which zenith distances the runs are.

    Returns
    -------
    tuple of Blocker
        Of a level that not all runs have, with its runs.
    """
    blockers = []
    for level, found in models.items():
        runs = chosen.runs_of(level)
        lacking = [*_lacking(found, production), *_zenith_blockers(found, production, rows)]
        if len(runs) < len(chosen.levels):
            named = f"LST-1 run{'s' * (len(runs) > 1)} {', '.join(map(str, runs))}, NSB {level}"
            lacking = [Blocker(one.subject, f"{named}: {one.reason}", runs) for one in lacking]
        blockers += lacking
    return tuple(blockers)


def model_choices(
    models: Mapping[float, Models], chosen: Chosen, production: Production, lacking: Sequence[Blocker]
) -> Iterator[Choice]:
    """Yield the forests and IRFs that are taken, those of levels that lack nothing of the kind."""
    method = production.mcp["dl2_to_dl3"]["interpolation_method"]
    for level, found in models.items():
        runs = set(chosen.runs_of(level))
        subjects = {one.subject for one in lacking if not one.runs or runs <= set(one.runs)}
        name = f", NSB {level}" if len(models) > 1 else ""
        if "forests" not in subjects:
            yield Choice(f"forests{name}", str(found.forests_folder), f"{len(found.forests)} files")
        if "IRFs" not in subjects:
            low, high = found.zenith_range_deg
            reason = f"{len(found.irfs)} nodes, zenith {low:g}-{high:g} deg, {method}"
            yield Choice(f"IRFs{name}", str(found.irf_folder), reason)


def zenith_notices(
    models: Mapping[float, Models], production: Production, rows: Sequence[Observation]
) -> tuple[Notice, ...]:
    """Tell of zenith distances of the log that the IRF nodes cover in part only."""
    notices = []
    for level, found in models.items():
        low, high = _coszd(rows)
        first, last = _covered(found)
        if _is_checked(found, production) and low <= last and first <= high and not first <= low <= high <= last:
            notices.append(Notice("zenith", f"{_zenith_text(found, rows)}, NSB {level}: runs beyond it will be held"))
    return tuple(notices)


def _lacking(models: Models, production: Production) -> Iterator[Blocker]:
    cure = "prepare_mc makes them (or run 'stereo prepare-mc')" if models.can_be_made else "run 'stereo prepare-mc'"
    if missing := models.missing_forests:
        yield Blocker("forests", f"no {', '.join(missing)} in {models.forests_folder}: {cure}")
    elif models.unfinished:
        names = ", ".join(models.unfinished[:_NAMED]) + (", ..." if len(models.unfinished) > _NAMED else "")
        subject = "IRFs" if models.unfinished[0].startswith("irf_") else "forests"
        yield Blocker(subject, f"{len(models.unfinished)} files are still to come ({names}): {cure}")
    if places := models.open_to_all:
        names = " ".join(str(path) for path in places)
        reason = f"anybody may write {names}, and a forest runs code: look at them, then 'chmod o-w {names}'"
        yield Blocker("forests", reason)
    dl3, count = production.mcp["dl2_to_dl3"], len(models.irfs)
    method = dl3["interpolation_method"]
    if count == 0:
        yield Blocker("IRFs", f"no irf_*.fits.gz in {models.irf_folder}: {cure}")
    elif count == 2 or (count == 1 and method != "nearest"):
        # magic-cta-pipe 0.6.2 silently takes the first file's effective area when there are not more than two.
        reason = f"{count} IRF node(s) in {models.irf_folder}: '{method}' interpolation needs 3 or more"
        yield Blocker("IRFs", reason)
    elif method == "cubic" and dl3["interpolation_scheme"] == "cosZd" and count < CUBIC_NODES:
        reason = f"{count} IRF nodes in {models.irf_folder}: 'cubic' interpolation in cosZd needs {CUBIC_NODES} or more"
        yield Blocker("IRFs", reason)


def _zenith_blockers(models: Models, production: Production, rows: Sequence[Observation]) -> Iterator[Blocker]:
    (low, high), (first, last) = _coszd(rows), _covered(models)
    if _is_checked(models, production) and (high < first or low > last):
        yield Blocker("IRFs", f"{_zenith_text(models, rows)}: Monte Carlo at this zenith is needed")


def _is_checked(models: Models, production: Production) -> bool:
    # The nearest node is taken however far away it is.
    return bool(models.irfs) and production.mcp["dl2_to_dl3"]["interpolation_method"] != "nearest"


def _coszd(rows: Sequence[Observation]) -> tuple[float, float]:
    """Return the smallest and largest cosine of the zenith distance of the log; NaN where it does not know them."""
    largest = [row.zenith_max_deg for row in rows if row.zenith_max_deg is not None]
    smallest = [row.zenith_min_deg for row in rows if row.zenith_min_deg is not None]
    if len(largest) < len(rows) or len(smallest) < len(rows) or not rows:
        return math.nan, math.nan
    return math.cos(math.radians(max(largest))), math.cos(math.radians(min(smallest)))


def _covered(models: Models) -> tuple[float, float]:
    low_deg, high_deg = models.zenith_range_deg
    return math.cos(math.radians(high_deg)) - COSZD_MARGIN, math.cos(math.radians(low_deg)) + COSZD_MARGIN


def _zenith_text(models: Models, rows: Sequence[Observation]) -> str:
    low_deg = min(row.zenith_min_deg for row in rows if row.zenith_min_deg is not None)
    high_deg = max(row.zenith_max_deg for row in rows if row.zenith_max_deg is not None)
    first_deg, last_deg = models.zenith_range_deg
    return (
        f"zenith distances of {low_deg:g}-{high_deg:g} deg in the log, and the IRF nodes in {models.irf_folder} are at "
        f"{first_deg:g}-{last_deg:g} deg (cosines +- {COSZD_MARGIN})"
    )
