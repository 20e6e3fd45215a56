"""The effective time of LST-1 in a run, from all of its triggers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

BREAK_S = 0.01
"""lstchain takes a longer gap between two showers for a break of the readout."""

LOSS_MAX = 0.01
"""At most so much of the time may lie in gaps that chance made so long."""


def effective_time_s(
    event_type: npt.NDArray[np.int64], time_s: npt.NDArray[np.float64], delta_t_s: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Return effective and elapsed time in s, by lstchain's ``get_effective_time``.

    Give all triggers of a run. In a part of them, the stereo events above all, gaps are longer than 10 ms by chance,
    and what lies in those is no time for lstchain: at 76 Hz 18 % of it are left.

    Parameters
    ----------
    event_type : numpy.ndarray
        Shape (n,): kinds of the triggers as ctapipe numbers them; only showers are counted.
    time_s : numpy.ndarray
        Shape (n,): ``dragon_time``, unix times in s, in any order.
    delta_t_s : numpy.ndarray
        Shape (n,): time since the trigger before, in s, whether that one is in the list or not.

    Returns
    -------
    effective_s, elapsed_s : float
        NaN if there are fewer than two showers, or so few a second (below some 660 Hz) that more than `LOSS_MAX` of the
        time would be lost in gaps: of waiting times with mean w, (1 + t / w) exp(-t / w) lie in gaps longer than t.
    """
    from ctapipe.containers import EventType
    from lstchain.reco.utils import get_effective_time

    # lstchain takes the times as they come, and a step back for time that has passed.
    order = np.argsort(time_s, kind="stable")
    event_type, time_s, delta_t_s = event_type[order], time_s[order], delta_t_s[order]
    times = time_s[event_type == EventType.SUBARRAY.value]
    if len(times) < 2:
        return math.nan, math.nan
    mean_s = float(np.median(np.diff(times))) / math.log(2)
    in_waits = BREAK_S / mean_s if mean_s > 0 else math.inf
    if (1 + in_waits) * math.exp(-in_waits) > LOSS_MAX:
        return math.nan, math.nan
    effective, elapsed = get_effective_time({"event_type": event_type, "dragon_time": time_s, "delta_t": delta_t_s})
    return float(effective.to_value("s")), float(elapsed.to_value("s"))
