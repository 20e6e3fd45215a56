"""Calibrated files with whatever a test wants in them: made-up showers in the file layout of our simulator."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from stereo_tasks.kernels.camera import magic_camera
from stereo_tasks.simulate import magic_files
from stereo_tasks.simulate.pointing import Track
from stereo_tasks.simulate.primaries import Pointing
from stereo_tasks.simulate.showers import Images
from stereo_tasks.simulate.spec import SpectrumSpec
from stereo_tasks.simulate.subruns import throw_gammas

RUN = 5_114_600
START_S = 1_704_920_400.0
N_PIXELS, FILE_PIXELS = 1039, 1183
SAMPLES_A_NS = 1.64


def showers(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return charges (p.e.) and times (samples) of n events, (n, 1183): ellipses of all sizes in noise."""
    camera = magic_camera()
    charge = np.zeros((n, FILE_PIXELS), dtype=np.float32)
    samples = np.zeros_like(charge)
    for event in range(n):
        signal, time_ns = np.zeros(N_PIXELS), np.full(N_PIXELS, 30.0)
        for _ in range(1 + (rng.random() < 0.3)):
            x, y = rng.uniform(-0.5, 0.5, 2)
            psi = rng.uniform(-np.pi, np.pi)
            length, width = rng.uniform(0.01, 0.12), rng.uniform(0.005, 0.05)
            along = (camera.x_m - x) * np.cos(psi) + (camera.y_m - y) * np.sin(psi)
            across = -(camera.x_m - x) * np.sin(psi) + (camera.y_m - y) * np.cos(psi)
            size = 10 ** rng.uniform(0.7, 3.2)
            signal += size * np.exp(-0.5 * ((along / length) ** 2 + (across / width) ** 2))
            time_ns = time_ns + rng.normal(0, 6) * along + rng.normal(0, 1)
        charge[event, :N_PIXELS] = signal + rng.normal(0, 1.1, N_PIXELS)
        jitter = rng.normal(0, 0.3 + 8 / (1 + np.maximum(signal, 0)), N_PIXELS)
        samples[event, :N_PIXELS] = (time_ns + jitter) * SAMPLES_A_NS
    return charge, samples


def simulated_subruns(folder: Path) -> list[Path]:
    """Write two subruns of MAGIC-II with gammas of our simulator, and return their paths."""
    rng = np.random.default_rng(3)
    spectrum = SpectrumSpec(amplitude_per_tev_cm2_s=8e-9, energy_min_tev=0.2)
    seen = throw_gammas(spectrum, 25.0, 120.0, (0.007, 0.0), Pointing(np.deg2rad(70), 0.0), rng).showers
    events = np.flatnonzero(seen.magic_stereo)
    paths = []
    for subrun, rows in enumerate(np.array_split(events, 2), start=1):
        start_s = START_S + 10 * subrun
        time_ns = int(start_s * 1e9) + np.sort(rng.integers(1, 10_000_000_000, len(rows) + 3))
        paths.append(folder / f"20240111_M2_{RUN:08d}.{subrun:03d}_Y_CrabNebula-W0.40+035.root")
        subrun_data = magic_files.MagicSubrun(
            telescope=2, run=RUN, subrun=subrun, source="CrabNebula", ra_deg=83.63, dec_deg=22.01, start_s=start_s,
            stop_s=start_s + 10, time_ns=time_ns[3:], event_id=rows, images=seen.images[2].take(rows),
            pedestal_ns=time_ns[:3], track=_track(),
        )  # fmt: skip
        magic_files.write_magic(paths[-1], subrun_data, rng)
    return paths


def noise(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return n events without a shower."""
    charge = rng.normal(0, 0.3, (n, FILE_PIXELS)).astype(np.float32)
    return charge, rng.uniform(0, 80, (n, FILE_PIXELS)).astype(np.float32)


@dataclass
class Calibrated:
    """A calibrated file; what is not given is as our simulator writes it.

    Parameters
    ----------
    charge, samples : numpy.ndarray
        Shape (events, 1183), float32.
    pedestal : numpy.ndarray, optional
        Shape (events,), bool: pedestal events; by default the first and every 20th.
    telescope, subrun : int
        Numbers.
    columns : dict
        Columns to replace, by tree and name; ``None`` for a tree leaves it out, and for a column, too.
    baskets : int
        In how many parts the events are written.
    jagged : bool
        Pixels as arrays of variable length.
    """

    charge: np.ndarray
    samples: np.ndarray
    pedestal: np.ndarray | None = None
    telescope: int = 1
    subrun: int = 1
    columns: dict[str, Any] = field(default_factory=dict)
    baskets: int = 1
    jagged: bool = True

    def write(self, folder: Path) -> Path:
        """Write the file and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"20240111_M{self.telescope}_{RUN:08d}.{self.subrun:03d}_Y_CrabNebula-W0.40+035.root"
        with uproot.recreate(path) as file:
            for name, columns in self._trees().items():
                if columns is not None:
                    _write_tree(file, name, columns, self.baskets if name == "Events" else 1)
        return path

    def _trees(self) -> dict[str, Any]:
        n = len(self.charge)
        rng = np.random.default_rng(self.subrun)
        start_s = START_S + 10 * self.subrun
        time_ns = int(start_s * 1e9) + np.sort(rng.integers(1, 10_000_000_000, n))
        nothing = Images(np.zeros(1, dtype=np.int64), *(np.zeros(0, dtype=t) for t in (np.int64, float, float)))
        about = magic_files.MagicSubrun(
            telescope=self.telescope, run=RUN, subrun=self.subrun, source="CrabNebula", ra_deg=83.63, dec_deg=22.01,
            start_s=start_s, stop_s=start_s + 10, time_ns=time_ns[:0], event_id=np.arange(0), images=nothing,
            pedestal_ns=time_ns, track=_track(),
        )  # fmt: skip
        pedestal = np.arange(n) % 20 == 0 if self.pedestal is None else self.pedestal
        version = {f"MMarsVersion_sorcerer.{name}": np.array([value]) for name, value in magic_files._VERSIONS}
        trees = {
            "RunHeaders": magic_files._run_headers(about),
            "Events": {
                "MRawEvtHeader.fStereoEvtNumber": np.where(pedestal, 0, 7 * np.arange(n)).astype(np.uint32),
                "MRawEvtHeader.fDAQEvtNumber": np.arange(n, dtype=np.uint32),
                "MRawEvtHeader.fTimeDiff": np.diff(time_ns, prepend=int(start_s * 1e9)) * 1e-9,
                "MTriggerPattern.fPrescaled": np.where(pedestal, 8, 128).astype(np.uint16),
                **magic_files.mars_times("MTime", time_ns),
                "MCerPhotEvt.fPixels.fPhot": jagged(self.charge) if self.jagged else self.charge,
                "MArrivalTime.fData": jagged(self.samples) if self.jagged else self.samples,
            },
            "Drive": magic_files._drive(about),
            "Trigger": {"MTriggerPrescFact.fPrescFact": np.array([(0, 1, 0, 1, 0, 0, 0, 1)] * 2, dtype=np.uint16)},
            "L3T": {"MReportL3T.fTablename": ["L3T_L1L1_100_SYNC"] * 2},
            "Pedestals": magic_files._pedestals(about, rng),
            "RunTails": version,
        }
        for tree, changes in self.columns.items():
            trees[tree] = None if changes is None else trees[tree] | changes
        return trees


def jagged(values: np.ndarray) -> ak.Array:
    """Return rows as arrays of variable length."""
    return ak.from_regular(ak.from_numpy(values), axis=1)


def dead(*pixels: int) -> dict[str, Any]:
    """Return run headers with some dead pixels."""
    words = np.zeros((4, FILE_PIXELS), dtype=np.int32)
    words[1, list(pixels)] = 2
    return {"MBadPixelsCam.fArray.fInfo": jagged(words.ravel(order="F")[None, :])}


def pedestal_samples(seconds: list[float], rng: np.random.Generator) -> dict[str, Any]:
    """Return pedestal samples of the first subrun, at these times after its start, some pixels noisy in each."""
    columns = magic_files.mars_times(
        "MTimePedestals", np.array([int((START_S + 10 + s) * 1e9) for s in seconds], dtype=np.int64)
    )
    for kind in ("Fundamental", "FromExtractor", "FromExtractorRndm"):
        rms = rng.normal(1.15, 0.05, (len(seconds), FILE_PIXELS)).astype(np.float32)
        for sample in rms:
            sample[rng.integers(0, N_PIXELS, 15)] = rng.choice([0, 0.1, 5, 300, 1e4], 15)
        columns[f"MPedPhot{kind}.fArray.fMean"] = jagged(np.zeros_like(rms))
        columns[f"MPedPhot{kind}.fArray.fRms"] = jagged(rms)
    return columns


def _track() -> Track:
    unix_s = START_S + np.arange(-60.0, 300.0)
    moving = np.arange(len(unix_s)) * 0.003
    zero = np.zeros_like(moving)
    return Track(
        unix_s=unix_s, alt_deg=70 + moving, az_deg=120 + 2 * moving, ra_deg=83.2, dec_deg=22.3,
        source_lat_deg=zero, source_lon_deg=zero, source_zenith_deg=zero,
    )  # fmt: skip


def _write_tree(file: Any, name: str, columns: dict[str, Any], baskets: int) -> None:
    columns = {key: values for key, values in columns.items() if values is not None}
    types = {key: _type(values) for key, values in columns.items()}
    tree = file.mktree(name, types)
    n = len(next(iter(columns.values())))
    edges = np.linspace(0, n, baskets + 1).astype(int)
    for begin, end in pairwise(edges):
        tree.extend({key: values[begin:end] for key, values in columns.items()})


def _type(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return np.dtype((values.dtype, values.shape[1:]))
    if isinstance(values, list):
        return "string"
    return f"var * {values.type.content.content}"
