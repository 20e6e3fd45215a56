"""MAGIC calibrated (`_Y_`) ROOT files of real data, as ctapipe_io_magic reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.nights import Night
from stereo_tasks.simulate.atomic import atomic
from stereo_tasks.simulate.images import with_noise
from stereo_tasks.simulate.pointing import Track
from stereo_tasks.simulate.showers import Images

SAMPLES_A_NS = 1.64
STEREO_TRIGGER, PEDESTAL_TRIGGER = 128, 8
STEREO_PRESCALING = (0, 1, 0, 1, 0, 0, 0, 1)
STEREO_TABLE = "L3T_L1L1_100_SYNC"
"""How MAGIC's trigger is set in a stereo run without the sum trigger."""

FILE_PIXELS = 1183
"""Length of the pixel arrays; the camera has 1039 pixels."""

MJD_OF_UNIX_EPOCH = 40587
DAY_S = 86400
DRIVE_MARGIN_S = 3.0
PEDESTAL_RMS_PE = 1.15


class _ArrayName(str):
    """A branch name such as ``fSourceName[80]``: uproot would append the dimension a second time."""

    def __add__(self, other: str) -> str:
        return str(self) if str(self).endswith(other) else str.__add__(self, other)


@dataclass(frozen=True)
class MagicSubrun:
    """Everything one telescope writes in one subrun.

    Parameters
    ----------
    telescope : int
        1 or 2.
    run, subrun : int
        Run number (5 million and more) and subrun number, from 1.
    source, ra_deg, dec_deg : str, float, float
        The source and its position.
    start_s, stop_s : float
        Unix times in s.
    time_ns : numpy.ndarray
        Shape (n,), int64: unix times of the cosmic events in ns, rising.
    event_id : numpy.ndarray
        Shape (n,): stereo event numbers, rising through the run.
    images : Images
        Noiseless images of the n events.
    pedestal_ns : numpy.ndarray
        Unix times of the pedestal events in ns; at least one.
    track : Track
        Pointing of the run.
    noise_pe : float, optional
        Noise a pixel, if not the usual one.
    """

    telescope: int
    run: int
    subrun: int
    source: str
    ra_deg: float
    dec_deg: float
    start_s: float
    stop_s: float
    time_ns: NDArray[np.int64]
    event_id: NDArray[np.int64]
    images: Images
    pedestal_ns: NDArray[np.int64]
    track: Track
    noise_pe: float | None = None


def magic_path(
    out: Path, night: Night, telescope: int, run: int, subrun: int, source: str, wobble: tuple[float, float]
) -> Path:
    """Return the path of a calibrated file; wobble is (offset, angle) in deg."""
    name = f"{night.magic_stamp}_M{telescope}_{run:08d}.{subrun:03d}_Y_{source}-W{wobble[0]:.2f}+{wobble[1]:03.0f}.root"
    return out / "MAGIC" / f"M{telescope}" / "event" / "Calibrated" / night.magic_date / name


def write_magic(path: Path, data: MagicSubrun, rng: np.random.Generator) -> None:
    """Write a calibrated file with the trees that the reader opens.

    Parameters
    ----------
    path : pathlib.Path
        Target; replaced if it exists.
    data : MagicSubrun
        What to write.
    rng : numpy.random.Generator
        Source of the pixel noise.
    """
    import uproot

    events, types = _events(data, rng)
    with atomic(path) as temporary, uproot.recreate(temporary) as file:
        write_tree(file, "RunHeaders", _run_headers(data))
        tree = file.mktree("Events", types)
        tree.extend(events)
        write_tree(file, "Drive", _drive(data))
        # Two reports each: real files repeat them, and the reader takes the second.
        write_tree(
            file, "Trigger", {"MTriggerPrescFact.fPrescFact": np.array([STEREO_PRESCALING] * 2, dtype=np.uint16)}
        )
        tables = file.mktree("L3T", {"MReportL3T.fTablename": "string"})
        tables.extend({"MReportL3T.fTablename": [STEREO_TABLE] * 2})
        write_tree(file, "Pedestals", _pedestals(data, rng))
        versions = {f"MMarsVersion_sorcerer.{name}": np.array([value], dtype=np.int32) for name, value in _VERSIONS}
        write_tree(file, "RunTails", versions)


_VERSIONS = (("fMARSVersionCode", 0x02140B), ("fROOTVersionCode", 0x052224))


def write_tree(file: Any, name: str, columns: dict[str, Any]) -> None:
    """Write a tree with a branch for each column; jagged ones hold int32."""
    types = {
        key: np.dtype((values.dtype, values.shape[1:])) if isinstance(values, np.ndarray) else "var * int32"
        for key, values in columns.items()
    }
    file.mktree(name, types).extend(columns)


def _letters(text: str, length: int) -> NDArray[np.uint8]:
    codes = np.zeros(length, dtype=np.uint8)
    codes[: len(text)] = np.frombuffer(text.encode("ascii")[:length], dtype=np.uint8)
    return codes


def _run_headers(data: MagicSubrun) -> dict[str, Any]:
    import awkward as ak

    head = "MRawRunHeader."
    # Four words for each of the 1183 pixels in Fortran order; no bit set means no dead pixel.
    bad_pixels = np.zeros((1, 4 * FILE_PIXELS), dtype=np.int32)
    return {
        f"{head}fRunNumber": np.array([data.run], dtype=np.uint32),
        f"{head}fRunType": np.array([0], dtype=np.uint16),
        f"{head}fTelescopeNumber": np.array([data.telescope], dtype=np.uint16),
        f"{head}fSubRunIndex": np.array([data.subrun], dtype=np.uint32),
        f"{head}fSourceRA": np.array([round(data.ra_deg / 15 * 3600)], dtype=np.int32),
        f"{head}fSourceDEC": np.array([round(data.dec_deg * 3600)], dtype=np.int32),
        _ArrayName(f"{head}fSourceName[80]"): _letters(data.source, 80)[None, :],
        _ArrayName(f"{head}fObservationMode[60]"): _letters("Wobble", 60)[None, :],
        _ArrayName(f"{head}fProjectName[100]"): _letters(data.source, 100)[None, :],
        f"{head}fNumSamplesHiGain": np.array([50], dtype=np.uint16),
        f"{head}fSamplingFrequency": np.array([round(1000 * SAMPLES_A_NS)], dtype=np.uint16),
        "MBadPixelsCam.fArray.fInfo": ak.from_regular(ak.from_numpy(bad_pixels), axis=1),
    }


def _events(data: MagicSubrun, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    import awkward as ak

    n, pedestals = len(data.time_ns), len(data.pedestal_ns)
    time_ns = np.concatenate([data.time_ns, data.pedestal_ns])
    is_pedestal = np.arange(n + pedestals) >= n
    empty = Images(np.zeros(pedestals + 1, dtype=np.int64), *(np.zeros(0, dtype=t) for t in (np.int64, float, float)))
    charge = np.zeros((n + pedestals, FILE_PIXELS), dtype=np.float32)
    samples = np.zeros_like(charge)
    tel_id = data.telescope + 1
    for rows, images in ((~is_pedestal, data.images), (is_pedestal, empty)):
        pe, ns = with_noise(images, tel_id, rng, data.noise_pe)
        charge[rows, : pe.shape[1]], samples[rows, : ns.shape[1]] = pe, ns * SAMPLES_A_NS
    order = np.argsort(time_ns, kind="stable")
    time_ns, is_pedestal, charge, samples = time_ns[order], is_pedestal[order], charge[order], samples[order]
    event_id = np.concatenate([data.event_id, np.zeros(pedestals, dtype=np.int64)])[order]
    columns: dict[str, Any] = {
        "MRawEvtHeader.fStereoEvtNumber": event_id.astype(np.uint32),
        "MRawEvtHeader.fDAQEvtNumber": np.arange(1, len(order) + 1, dtype=np.uint32),
        "MRawEvtHeader.fTimeDiff": np.diff(time_ns, prepend=int(data.start_s * 1e9)) * 1e-9,
        "MTriggerPattern.fPrescaled": np.where(is_pedestal, PEDESTAL_TRIGGER, STEREO_TRIGGER).astype(np.uint16),
    }
    columns |= mars_times("MTime", time_ns)
    types: dict[str, Any] = {key: values.dtype for key, values in columns.items()}
    # Jagged although all rows are equally long: the reader needs half the memory for it.
    columns["MCerPhotEvt.fPixels.fPhot"] = ak.from_regular(ak.from_numpy(charge), axis=1)
    columns["MArrivalTime.fData"] = ak.from_regular(ak.from_numpy(samples), axis=1)
    types |= {"MCerPhotEvt.fPixels.fPhot": "var * float32", "MArrivalTime.fData": "var * float32"}
    return columns, types


def mars_times(name: str, unix_ns: NDArray[np.int64]) -> dict[str, Any]:
    """Return MARS's three-part time: day, milliseconds of the day, nanoseconds of the millisecond (to 100 ns)."""
    rounded = (unix_ns + 50) // 100 * 100
    day, of_day = np.divmod(rounded, DAY_S * 1_000_000_000)
    return {
        f"{name}.fMjd": (day + MJD_OF_UNIX_EPOCH).astype(np.uint32),
        f"{name}.fTime.fMilliSec": (of_day // 1_000_000).astype(np.int32),
        f"{name}.fNanoSec": (of_day % 1_000_000).astype(np.uint32),
    }


def _drive(data: MagicSubrun) -> dict[str, Any]:
    unix = np.arange(np.floor(data.start_s - DRIVE_MARGIN_S), data.stop_s + DRIVE_MARGIN_S)
    head = "MReportDrive."
    return {
        f"{head}fMjd": unix / DAY_S + MJD_OF_UNIX_EPOCH,
        f"{head}fCurrentZd": 90 - data.track.at("alt_deg", unix),
        f"{head}fCurrentAz": data.track.at("az_deg", unix),
        f"{head}fRa": np.full(len(unix), data.track.ra_deg / 15),
        f"{head}fDec": np.full(len(unix), data.track.dec_deg),
    }


def _pedestals(data: MagicSubrun, rng: np.random.Generator) -> dict[str, Any]:
    columns = mars_times("MTimePedestals", np.array([int(data.start_s * 1e9)], dtype=np.int64))
    for kind in ("Fundamental", "FromExtractor", "FromExtractorRndm"):
        # Some spread is needed: the reader looks for pixels that stand out of it.
        rms = np.clip(rng.normal(PEDESTAL_RMS_PE, 0.05, (1, FILE_PIXELS)), 0.98, 1.32).astype(np.float32)
        columns[f"MPedPhot{kind}.fArray.fMean"] = np.zeros((1, FILE_PIXELS), dtype=np.float32)
        columns[f"MPedPhot{kind}.fArray.fRms"] = rms
    return columns
