"""MAGIC calibrated ROOT files, read as ``ctapipe_io_magic`` 0.5.8 reads them.

Whatever it would stop at is not covered here: its own error says it then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.clock import Times, times
from stereo_tasks.kernels.errors import NotCovered

Floats = NDArray[np.float64]

PEDESTAL_TYPES = ("fundamental", "from_extractor", "from_extractor_rndm")
"""As magic-cta-pipe's configuration names them."""

_PEDESTAL_BRANCHES = ("MPedPhotFundamental", "MPedPhotFromExtractor", "MPedPhotFromExtractorRndm")
_N_PIXELS = 1039
_FILE_PIXELS = 1183
_BLOCK = 1000
"""Events whose pixels are in memory as they are in the file."""
_MONTE_CARLO = 256
_STEREO_TRIGGER, _PEDESTAL_TRIGGER = 128, 8
_NOT_STEREO = ([1, 1, 0, 1, 0, 0, 0, 0], [0, 1, 0, 1, 0, 1, 0, 0])
_TOPOLOGICAL = [0, 1, 1, 1, 0, 0, 0, 1]
_SUM_TRIGGER_TABLE = "L3T_SUMSUM_100_SYNC"
_DEAD_PIXEL = 2
_NAME = re.compile(r"\d{8}_M(\d+)_(\d+)\.\d+_Y_.*")
_LATER_LEVELS = frozenset({"MHillas", "MHillas_1", "MHillas_2", "MStereoPar", "MHadronness", "MEnergyEst"})
_BRANCHES = {
    "RunHeaders": (
        "MRawRunHeader.fRunNumber",
        "MRawRunHeader.fRunType",
        "MRawRunHeader.fTelescopeNumber",
        "MRawRunHeader.fSubRunIndex",
        "MRawRunHeader.fSourceRA",
        "MRawRunHeader.fSourceDEC",
        "MRawRunHeader.fSourceName[80]",
        "MRawRunHeader.fObservationMode[60]",
        "MRawRunHeader.fProjectName[100]",
        "MRawRunHeader.fNumSamplesHiGain",
        "MRawRunHeader.fSamplingFrequency",
        "MBadPixelsCam.fArray.fInfo",
    ),
    "Events": (
        "MRawEvtHeader.fStereoEvtNumber",
        "MRawEvtHeader.fDAQEvtNumber",
        "MRawEvtHeader.fTimeDiff",
        "MTriggerPattern.fPrescaled",
        "MCerPhotEvt.fPixels.fPhot",
        "MArrivalTime.fData",
        "MTime.fMjd",
        "MTime.fTime.fMilliSec",
        "MTime.fNanoSec",
    ),
    "Drive": (
        "MReportDrive.fMjd",
        "MReportDrive.fCurrentZd",
        "MReportDrive.fCurrentAz",
        "MReportDrive.fRa",
        "MReportDrive.fDec",
    ),
    "Trigger": ("MTriggerPrescFact.fPrescFact",),
    "L3T": ("MReportL3T.fTablename",),
    "Pedestals": (
        "MTimePedestals.fMjd",
        "MTimePedestals.fTime.fMilliSec",
        "MTimePedestals.fNanoSec",
        *(f"{name}.fArray.{column}" for name in _PEDESTAL_BRANCHES for column in ("fMean", "fRms")),
    ),
    "RunTails": ("MMarsVersion_sorcerer.fMARSVersionCode", "MMarsVersion_sorcerer.fROOTVersionCode"),
}
"""What the reader needs, read here or not."""


class Header(NamedTuple):
    """What holds for the whole subrun."""

    telescope: int
    run: int
    subrun: int
    n_samples: int
    sampling_rate_ghz: np.float64


class Drive(NamedTuple):
    """Drive reports in the order of time, each time once: shape (reports,); MJD, zenith distance and azimuth in deg."""

    mjd: NDArray[Any]
    zenith_deg: NDArray[Any]
    azimuth_deg: NDArray[Any]


class Pedestals(NamedTuple):
    """Samples of pedestal events.

    Parameters
    ----------
    unix_s : numpy.ndarray
        Shape (samples,): Unix times in s.
    rms_pe : numpy.ndarray
        Shape (samples, pixels): spread of the charges in p.e., of the asked type; float32 or float64, as stored.
    """

    unix_s: Floats
    rms_pe: NDArray[Any]


class Subrun(NamedTuple):
    """A calibrated subrun.

    Parameters
    ----------
    header : Header
        Numbers of the subrun.
    dead_pixels : numpy.ndarray
        Shape (pixels,), bool: pixels that MARS calls unsuitable.
    pedestals : Pedestals
        Their spread.
    event_id : numpy.ndarray
        Shape (events,), int64: number of each stereo event.
    time : Times
        Of the stereo events.
    time_diff_s : numpy.ndarray
        Shape (events,), float64: see `read`.
    charge_pe, time_ns : numpy.ndarray
        Shape (events, pixels), float32: charges in p.e. and arrival times in ns.
    """

    header: Header
    dead_pixels: NDArray[np.bool_]
    pedestals: Pedestals
    event_id: NDArray[np.int64]
    time: Times
    time_diff_s: Floats
    charge_pe: NDArray[np.float32]
    time_ns: NDArray[np.float32]


def read(path: Path, pedestal_type: str, *, own_time_difference: bool = False) -> Subrun:
    """Read a subrun of real stereo data.

    The time difference to the previous event is that of another event: the reader takes those of all events, where it
    wants those of the stereo ones, and magic-cta-pipe counts them by the stereo events (``docs/upstream.md``).

    Parameters
    ----------
    path : pathlib.Path
        A calibrated file.
    pedestal_type : str
        One of `PEDESTAL_TYPES`.
    own_time_difference : bool, optional
        Take the time difference of the stereo event itself.

    Raises
    ------
    NotCovered
        If it holds something else, or is laid out in another way.
    """
    import uproot

    try:
        with uproot.open(path, array_cache=None, object_cache=None) as file:
            return _read(file, pedestal_type, own_time_difference)
    except NotCovered:
        raise
    except Exception as error:
        raise NotCovered(f"{path.name} cannot be read ({type(error).__name__})") from error


def _read(file: Any, pedestal_type: str, own_time_difference: bool) -> Subrun:
    trees = _trees(file)
    header = _header(trees["RunHeaders"])
    _check_trigger(trees)
    events = trees["Events"]
    pattern = _column(events, "MTriggerPattern.fPrescaled")
    wanted = pattern == _STEREO_TRIGGER
    rows = np.flatnonzero(wanted)
    if not len(rows) or not (pattern == _PEDESTAL_TRIGGER).any():
        raise NotCovered("no stereo or no pedestal event")
    arrival = _pixels(events, "MArrivalTime.fData", wanted)
    # In place, as the reader does: float32 divided by a float64 number.
    arrival /= header.sampling_rate_ghz
    difference_s = np.append(np.array([]), _column(events, "MRawEvtHeader.fTimeDiff"))
    return Subrun(
        header,
        _dead_pixels(trees["RunHeaders"]),
        _pedestals(trees["Pedestals"], pedestal_type),
        _column(events, "MRawEvtHeader.fStereoEvtNumber")[rows].astype(np.int64),
        _times(events, "MTime", rows),
        difference_s[rows] if own_time_difference else difference_s[: len(rows)],
        _pixels(events, "MCerPhotEvt.fPixels.fPhot", wanted),
        arrival,
    )


def _trees(file: Any) -> dict[str, Any]:
    """Return the trees of a file that has all that the reader needs, each read once."""
    present = set(file.keys(cycle=False))
    if missing := [name for name in _BRANCHES if name not in present]:
        raise NotCovered(f"no tree {missing[0]}")
    trees = {name: file[name] for name in _BRANCHES}
    for name, branches in _BRANCHES.items():
        keys = set(trees[name].keys(full_paths=False))
        if absent := [branch for branch in branches if branch not in keys and branch not in trees[name]]:
            raise NotCovered(f"no branch {absent[0]} in {name}")
    if later := _LATER_LEVELS.intersection(trees["Events"].keys()):
        raise NotCovered(f"no calibrated file: it has {min(later)}")
    return trees


def _header(tree: Any) -> Header:
    def number(name: str) -> Any:
        values = _column(tree, f"MRawRunHeader.{name}")
        if values.dtype.kind not in "iu":
            raise NotCovered(f"MRawRunHeader.{name} is no whole number")
        return values[0]

    if number("fRunType") == _MONTE_CARLO:
        raise NotCovered("simulated events")
    telescope = int(number("fTelescopeNumber"))
    if telescope not in (1, 2):
        raise NotCovered(f"telescope {telescope}")
    return Header(
        telescope,
        int(number("fRunNumber")),
        int(number("fSubRunIndex")),
        int(number("fNumSamplesHiGain")),
        np.float64(number("fSamplingFrequency") / 1000.0),
    )


def _check_trigger(trees: dict[str, Any]) -> None:
    """Let pass what the reader takes for stereo data of the standard trigger."""
    factors = _column(trees["Trigger"], "MTriggerPrescFact.fPrescFact")
    if not len(factors):
        raise NotCovered("no prescaling factors")
    # The second report: the first may be the one of the run before.
    factor = list(factors[min(1, len(factors) - 1)])
    if factor in _NOT_STEREO:
        raise NotCovered("events of one telescope")
    if factor == _TOPOLOGICAL:
        raise NotCovered("topological trigger (HaST)")
    tables = _column(trees["L3T"], "MReportL3T.fTablename")
    if not len(tables):
        raise NotCovered("no table of the stereo trigger")
    if tables[min(1, len(tables) - 1)] == _SUM_TRIGGER_TABLE:
        raise NotCovered("sum trigger")


def _dead_pixels(tree: Any) -> NDArray[np.bool_]:
    from uproot.interpretation.jagged import AsJagged
    from uproot.interpretation.numerical import AsDtype

    words = tree["MBadPixelsCam.fArray.fInfo"].array(AsJagged(AsDtype(np.dtype(">i4"))), library="np")[0]
    bits = words.reshape((4, _FILE_PIXELS), order="F")[1][:_N_PIXELS].astype(np.int64)
    # The reader takes the last but one digit of the number without its sign.
    dead: NDArray[np.bool_] = (np.abs(bits) & _DEAD_PIXEL) != 0
    return dead


def _pedestals(tree: Any, pedestal_type: str) -> Pedestals:
    branch = _PEDESTAL_BRANCHES[PEDESTAL_TYPES.index(pedestal_type)]
    stored = _column(tree, f"{branch}.fArray.fRms")
    if not len(stored):
        raise NotCovered("no pedestal sample")
    # Arrays of a fixed size become Python's numbers on this way, and float64.
    rms = np.array(stored.tolist())[:, :_N_PIXELS]
    if rms.shape[1] != _N_PIXELS or rms.dtype not in (np.float32, np.float64):
        raise NotCovered("pedestals of another camera")
    return Pedestals(_times(tree, "MTimePedestals", np.arange(len(rms))).unix, rms)


def _times(tree: Any, name: str, rows: NDArray[np.int64]) -> Times:
    day, millisecond, nanosecond = (
        _column(tree, f"{name}.{part}")[rows] for part in ("fMjd", "fTime.fMilliSec", "fNanoSec")
    )
    if any(part.dtype.kind not in "iu" for part in (day, millisecond, nanosecond)):
        raise NotCovered(f"{name} is no whole number")
    return times(day, millisecond, nanosecond)


def _column(tree: Any, name: str) -> NDArray[Any]:
    values: NDArray[Any] = tree[name].array(library="np")
    return values


def _pixels(tree: Any, name: str, wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the pixels of some events; only arrays of variable length in the file stay float32 in the reader.

    Parameters
    ----------
    tree : uproot.TTree
        The events.
    name : str
        The branch.
    wanted : numpy.ndarray
        Shape (events,): which events.
    """
    branch = tree[name]
    pixels = np.empty((np.count_nonzero(wanted), _N_PIXELS), dtype=np.float32)
    filled = 0
    for begin, end in _blocks(branch):
        stored = branch.array(entry_start=begin, entry_stop=end, library="np")
        if stored.dtype != np.object_:
            raise NotCovered(f"{name} is an array of fixed size")
        if {len(one) for one in stored} != {_FILE_PIXELS} or stored[0].dtype != np.float32:
            raise NotCovered(f"{name} has not {_FILE_PIXELS} float32 numbers an event")
        for one in stored[wanted[begin:end]]:
            pixels[filled] = one[:_N_PIXELS]
            filled += 1
    return pixels


def _blocks(branch: Any) -> Iterator[tuple[int, int]]:
    """Part a branch between baskets, so that each is unpacked once and only some are in memory."""
    begin = 0
    for basket in range(branch.num_baskets):
        end = branch.basket_entry_start_stop(basket)[1]
        if end - begin >= _BLOCK or (end > begin and basket == branch.num_baskets - 1):
            yield begin, end
            begin = end


def read_drive(path: Path) -> Drive:
    """Read the drive reports of a subrun and of all others of its run and telescope in the same folder.

    Raises
    ------
    NotCovered
        If a file cannot be read or has no report, or there are too few for an interpolation.
    """
    named = _NAME.match(path.name)
    if named is None:
        raise NotCovered(f"{path.name} is not named as a calibrated subrun")
    telescope, run = int(named[1]), int(named[2])
    of_run = re.compile(rf"\d{{8}}_M{telescope}_0{run}\.\d{{3}}_Y_.*\.root")
    names = sorted(other for other in path.parent.iterdir() if of_run.match(other.name))
    if not names:
        raise NotCovered(f"{path.name} is not named as the others of its run")
    reports = [_reports_of(other) for other in names]
    mjd, zenith_deg, azimuth_deg = (np.concatenate(parts) for parts in zip(*reports, strict=True))
    _, first = np.unique(mjd, return_index=True)
    if len(first) < 2 or not np.isfinite(mjd).all():
        raise NotCovered("too few drive reports")
    return Drive(mjd[first], zenith_deg[first], azimuth_deg[first])


def _reports_of(path: Path) -> Drive:
    real = path.resolve()
    status = real.stat()
    return _reports(real, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _reports(path: Path, size: int, changed_ns: int) -> Drive:
    """Read the reports of one file; each subrun of a run asks for them anew."""
    import uproot

    try:
        with uproot.open(path, array_cache=None, object_cache=None) as file:
            reports = Drive(*(_column(file["Drive"], name) for name in _BRANCHES["Drive"][:3]))
    except Exception as error:
        raise NotCovered(f"{path.name} has no drive reports to read ({type(error).__name__})") from error
    if not len(reports.mjd):
        raise NotCovered(f"{path.name} has no drive report")
    return reports
