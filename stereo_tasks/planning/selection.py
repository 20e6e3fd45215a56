"""Which of the inputs that an element could take it takes.

The step asks when it works, and the fingerprint asks again afterwards: so a product depends on what it was made of, and
on the rest only as far as another choice would be made today.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from stereo_tasks.planning.plan import Input
from stereo_tasks.products.record import Record

MARGIN_S = 1.0
"""Far more than any time offset between the telescopes (76 ms)."""
START, STOP = "lst_start_unix_s", "lst_stop_unix_s"
"""Counts of an element: first and last time of its LST-1 subrun, in s since 1970 UTC."""


def of_both_telescopes(made: Sequence[tuple[Input, Record]]) -> list[tuple[Input, Record]]:
    """Return the merged MAGIC runs that both telescopes have."""
    runs = defaultdict(list)
    for item, record in made:
        runs[item.path.rsplit("Run", 1)[1]].append((item, record))
    return [pair for run in runs.values() if len(run) == 2 for pair in run]


def same_time(made: Sequence[tuple[Input, Record]], counts: Mapping[str, float]) -> list[Input]:
    """Return the MAGIC runs that were taken during an LST-1 subrun.

    Parameters
    ----------
    made : sequence of (Input, Record)
        Merged MAGIC runs that are there; their records tell first and last time.
    counts : mapping of str to float
        Of the element: `START` and `STOP`.
    """
    start_s, stop_s = counts[START], counts[STOP]
    return [
        item
        for item, record in of_both_telescopes(made)
        if record.counts["time_start_unix_s"] - MARGIN_S <= stop_s
        and record.counts["time_stop_unix_s"] + MARGIN_S >= start_s
    ]
