"""How far from the source MAGIC pointed, from the names of the files: known before anything is processed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from stereo_tasks.inventory import MagicSubrun
from stereo_tasks.planning.plan import Choice, Notice
from stereo_tasks.settings.qa import Limit


def wobble_offsets(
    runs: Mapping[int, Sequence[MagicSubrun]], limit: Limit | None
) -> tuple[tuple[Choice, ...], tuple[Notice, ...]]:
    """Return the wobble offsets of MAGIC's runs, and what QA will say against them.

    Parameters
    ----------
    runs : mapping of int to sequence of MagicSubrun
        The files of each run, of both telescopes.
    limit : Limit, optional
        Of the QA page, in deg; None where it has none.

    Returns
    -------
    choices, notices : tuple
        One choice for each offset; a notice for each run whose offset is not good or not known.
    """
    by_offset: dict[float, list[int]] = defaultdict(list)
    notices = []
    for run, files in runs.items():
        offsets = {file.wobble_offset_deg for file in files}
        offset = offsets.pop() if len(offsets) == 1 else None
        if offset is None:
            why = "differ in the wobble offset" if offsets else "have no wobble offset in their names"
            notices.append(Notice(f"MAGIC run {run}", f"its files {why}: QA will measure it"))
            continue
        by_offset[offset].append(run)
        if limit is not None and not limit.is_good(offset):
            verdict = "is a warning" if limit.is_usable(offset) else "makes it bad: the IRFs are for other offsets"
            notices.append(Notice(f"MAGIC run {run}", f"wobble offset {offset:.2f} deg, which {verdict}"))
    choices = [
        Choice("wobble offset", f"{offset:.2f} deg", f"in the file names of MAGIC runs {', '.join(map(str, own))}")
        for offset, own in sorted(by_offset.items())
    ]
    return tuple(choices), tuple(notices)
