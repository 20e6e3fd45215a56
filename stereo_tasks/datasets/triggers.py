"""All triggers of LST-1 in a run: how many showers of which intensity, and the time in which there could be some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tables

from stereo_tasks.datasets.effective_time import effective_time_s
from stereo_tasks.datasets.errors import DatasetError
from stereo_tasks.kernels.lst_subruns import COSMIC_EVENT, PARAMETERS

EDGES = np.linspace(1, 3.5, 180)
"""Of log10(intensity / p.e.): those of the seed's run selection, since its limit is a rate in one of these bins."""
ROWS_A_BLOCK = 32_768
_NEEDED = ("intensity", "event_type", "dragon_time")


class RunTriggers(NamedTuple):
    """What the triggers of a run say."""

    counts: npt.NDArray[np.int64]
    """Shape (179,): showers in the bins of `EDGES`."""
    showers: int
    """All of them, with an image or without."""
    effective_s: float
    elapsed_s: float


def run_triggers(
    intensity: npt.NDArray[np.float64], event_type: npt.NDArray[np.int64], time_s: npt.NDArray[np.float64]
) -> RunTriggers:
    """Count the showers of a run.

    Parameters
    ----------
    intensity, event_type, time_s : numpy.ndarray
        Shape (n,): of **all** triggers of the run, in any order: photoelectrons (NaN without an image), ctapipe's
        numbers, unix times in s. See `stereo_tasks.datasets.effective_time.effective_time_s` for why all.
    """
    order = np.argsort(time_s, kind="stable")
    intensity, event_type, time_s = intensity[order], event_type[order], time_s[order]
    # lstchain's add_delta_t_key: the time since the trigger before, of whatever kind.
    effective_s, elapsed_s = effective_time_s(event_type, time_s, np.insert(np.diff(time_s), 0, 0.0)[: len(time_s)])
    shower = event_type == COSMIC_EVENT
    with np.errstate(invalid="ignore", divide="ignore"):
        log_intensity = np.log10(intensity[shower])
    counts = np.histogram(log_intensity[np.isfinite(log_intensity)], EDGES)[0]
    return RunTriggers(counts.astype(np.int64), int(np.count_nonzero(shower)), effective_s, elapsed_s)


def read_triggers(path: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return intensity, kind and time of all triggers in a DL1 file of LST-1, as `run_triggers` takes them.

    Raises
    ------
    DatasetError
        If the file is damaged, or no such DL1.
    """
    parts: list[npt.NDArray[np.float64]] = [np.column_stack([block[name] for name in _NEEDED]) for block in _of(path)]
    rows = np.concatenate(parts) if parts else np.zeros((0, len(_NEEDED)))
    return rows[:, 0], rows[:, 1].astype(np.int64), rows[:, 2]


def _of(path: Path) -> Iterator[npt.NDArray[np.void]]:
    try:
        with tables.open_file(str(path)) as file:
            node = file.get_node(PARAMETERS)
            if missing := _missing(node.colnames):
                raise DatasetError(f"{path}: its table lacks {', '.join(missing)}; make it with lstchain 0.9 or later")
            for begin in range(0, node.nrows, ROWS_A_BLOCK):
                yield node.read(begin, begin + ROWS_A_BLOCK)
    except tables.NoSuchNodeError:
        raise DatasetError(f"{path}: there is no table {PARAMETERS}, so it is no DL1 of LST-1; move it away") from None
    except (tables.HDF5ExtError, OSError) as error:
        raise DatasetError(f"{path}: truncated or damaged ({type(error).__name__}); copy it again") from error


def _missing(there: Iterable[str]) -> list[str]:
    return sorted(set(_NEEDED) - set(there))
