"""Faults of a night's files: what a data centre really meets, on demand."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.simulate.spec import LST_FILE_FAULTS, MAGIC_FILE_FAULTS, Fault, FaultKind

KEPT_FRACTION = 0.6
"""A truncated file keeps this part of its bytes."""

NOISE_PE = 0.3
"""Pixel noise of a subrun in which no event survives the cleaning (a closed camera)."""

NO_OVERLAP_S = 600.0
"""MAGIC's clock is ahead of LST-1's by this much where no event can be coincident."""


@dataclass(frozen=True)
class RunFaults:
    """The faults of one run."""

    faults: tuple[Fault, ...]

    def noise(self, telescope: int, subrun: int) -> bool:
        """Return whether a MAGIC subrun holds noise only."""
        return any(
            f.kind is FaultKind.MAGIC_NOISE and f.subrun == subrun and _magic_telescope(f) == telescope
            for f in self.faults
        )

    def noise_pe(self, telescope: int) -> float | None:
        """Return the noise a pixel of a MAGIC telescope in p.e.; None for the usual one."""
        noisy = [f for f in self._of(FaultKind.NOISY_TELESCOPE) if _magic_telescope(f) == telescope]
        return noisy[0].noise_pe if noisy else None

    def rate_factor(self) -> float:
        """Return which fraction of the showers is recorded."""
        return math.prod(f.kept_fraction for f in self._of(FaultKind.LOW_RATE))

    def light_factor(self) -> float:
        """Return which fraction of the light is recorded."""
        return math.prod(f.kept_fraction for f in self._of(FaultKind.LIGHT_LOSS))

    def source_shift_deg(self) -> float:
        """Return how far the source is above its supposed position."""
        return sum(f.shift_deg for f in self._of(FaultKind.WRONG_POSITION))

    def recorded(
        self, telescope: Literal["M1", "M2", "LST"], subrun: int, begin_s: float, time_ns: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return which events a telescope records that stalls now and then.

        Parameters
        ----------
        telescope : {"M1", "M2", "LST"}
            Whose events.
        subrun : int
            Index of the subrun within the run.
        begin_s : float
            Unix time of its start, in s.
        time_ns : numpy.ndarray
            Shape (n,): unix times of the events, in ns.
        """
        recorded = np.ones(len(time_ns), dtype=bool)
        for stall in self.faults:
            if stall.subrun == subrun and stall.stops(telescope):
                first_ns = round((begin_s + stall.begin_s) * 1e9)
                recorded &= (time_ns < first_ns) | (time_ns >= first_ns + round(stall.duration_s * 1e9))
        return recorded

    def pointing_apart_deg(self) -> float:
        """Return how far LST-1 points above MAGIC."""
        return sum(f.separation_arcmin / 60 for f in self._of(FaultKind.POINTING_APART))

    def magic_shift_s(self) -> float:
        """Return how much MAGIC's times are shifted."""
        return NO_OVERLAP_S if self._of(FaultKind.NO_OVERLAP) else 0.0

    def magic_clock_ns(self, begin_s: float, time_ns: NDArray[np.int64], subrun: int = 0) -> NDArray[np.int64]:
        """Return the times that MAGIC's clock shows, which is wrong without GPS.

        Parameters
        ----------
        begin_s : float
            Unix time of the start of the run, in s.
        time_ns : numpy.ndarray
            Shape (n,): unix times of the events, in ns.
        subrun : int, optional
            Index of the subrun within the run.
        """
        for fault in self.faults:
            if fault.kind is FaultKind.BROKEN_GPS:
                grown_us = fault.clock_drift_us_per_s * (time_ns - round(begin_s * 1e9)) * 1e-9
                time_ns = time_ns + round(fault.clock_offset_s * 1e9) + np.round(grown_us * 1e3).astype(np.int64)
            elif fault.kind is FaultKind.CLOCK_JUMP and subrun >= fault.subrun:
                time_ns = time_ns + round(fault.jump_us * 1e3)
        return time_ns

    def _of(self, kind: FaultKind) -> list[Fault]:
        return [f for f in self.faults if f.kind is kind]


@dataclass
class RunFiles:
    """Paths of one run's files: (telescope, subrun index) to MAGIC file, subrun index to LST-1 file."""

    magic: dict[tuple[int, int], Path]
    lst: dict[int, Path]
    standalone: list[Path] = field(default_factory=list)
    """Those of the standalone analyses, with their truth."""

    def all(self) -> list[Path]:
        """Return all paths."""
        return [*self.magic.values(), *self.lst.values(), *self.standalone]


def apply(fault: Fault, files: RunFiles) -> list[Path]:
    """Do to the files of a run what the fault asks for.

    Parameters
    ----------
    fault : Fault
        The fault. Those that are already in the data (noise, pointing, times, stalls) only name their files.
    files : RunFiles
        Paths of the run it is for.

    Returns
    -------
    list of pathlib.Path
        The affected files; for a duplicated file the original and the copy.
    """
    if fault.kind is FaultKind.MAGIC_STALL and fault.telescope is None:
        return [files.magic[telescope, fault.subrun] for telescope in (1, 2)]
    if fault.kind is FaultKind.NOISY_TELESCOPE:
        return [path for (telescope, _), path in files.magic.items() if telescope == _magic_telescope(fault)]
    if fault.kind in MAGIC_FILE_FAULTS:
        path = files.magic[_magic_telescope(fault), fault.subrun]
    elif fault.kind in LST_FILE_FAULTS:
        path = files.lst[fault.subrun]
    else:
        return files.all()
    if fault.kind in (FaultKind.MAGIC_TRUNCATED, FaultKind.LST_TRUNCATED):
        with path.open("r+b") as file:
            file.truncate(int(path.stat().st_size * KEPT_FRACTION))
    elif fault.kind in (FaultKind.MAGIC_MISSING, FaultKind.LST_MISSING):
        path.unlink(missing_ok=True)
    elif fault.kind is FaultKind.DUPLICATED:
        copy = path.with_name(_other_wobble(path.name))
        shutil.copyfile(path, copy)
        return [path, copy]
    return [path]


def _magic_telescope(fault: Fault) -> int:
    return 2 if fault.telescope == "M2" else 1


def _other_wobble(name: str) -> str:
    """Return a MAGIC file name with the wobble angle on the other side of the source."""
    head, angle = name.removesuffix(".root").rsplit("+", 1)
    return f"{head}+{(int(angle) + 180) % 360:03d}.root"
