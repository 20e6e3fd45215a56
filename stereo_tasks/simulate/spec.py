"""What to simulate: pydantic models, with units in their names. Nothing here imports the science stack."""

from __future__ import annotations

import datetime as dt
import hashlib
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from stereo_tasks.nights import Night

MODEL_VERSION = 1
"""Raise it when the same spec would give other events: it makes old outputs and libraries stale."""

MAGIC_DEAD_TIME_US = 26.0
LST_DEAD_TIME_US = 8.0
"""Dead times of the readouts; magic-cta-pipe cannot tell LST-1 events apart that are closer than 8 us."""

RUNS_A_NIGHT = 16
"""Run numbers set aside for each night; a night with more runs should be given its own first numbers."""

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _evening(text: str) -> str:
    return str(Night(text))


def _aware(time: dt.datetime) -> dt.datetime:
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone; write it with one, such as 2024-01-10T22:00:00Z")
    return time.astimezone(dt.UTC)


NightText = Annotated[str, AfterValidator(_evening)]
AwareTime = Annotated[dt.datetime, AfterValidator(_aware)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpectrumSpec(_Model):
    """A power law: dN/dE = amplitude (E / reference)^-index, injected between two true energies."""

    amplitude_per_tev_cm2_s: PositiveFloat
    reference_tev: PositiveFloat = 0.5
    index: float = Field(default=2.5, ge=1.0, le=6.0)
    energy_min_tev: PositiveFloat = 0.1
    energy_max_tev: PositiveFloat = 20.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.energy_min_tev >= self.energy_max_tev:
            raise ValueError("energy_min_tev must be below energy_max_tev")
        return self

    def integral_per_cm2_s(self) -> float:
        """Return the integral flux between the two energies."""
        import math

        low, high = self.energy_min_tev / self.reference_tev, self.energy_max_tev / self.reference_tev
        scale = self.amplitude_per_tev_cm2_s * self.reference_tev
        if abs(self.index - 1) < 1e-9:
            return scale * math.log(high / low)
        return float(scale * (low ** (1 - self.index) - high ** (1 - self.index)) / (self.index - 1))


class RunSpec(_Model):
    """One run: when, for how long, and to which side of the source the telescopes point.

    Give `start` (UTC) or `zenith_deg`: the time is then found at which the source has this zenith angle in the middle
    of the run, on the chosen branch of its track.
    """

    zenith_deg: Annotated[float, Field(ge=0, lt=70)] | None = None
    branch: Literal["rising", "setting"] = "rising"
    start: AwareTime | None = None
    subruns: int = Field(default=3, ge=1, le=500)
    subrun_seconds: float = Field(default=10.0, ge=1.0, le=60.0)
    wobble_offset_deg: float = Field(default=0.4, ge=0, le=1.5)
    wobble_angle_deg: float = Field(default=35.0, ge=0, lt=360)

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.start is None) == (self.zenith_deg is None):
            raise ValueError("give a run either start (a time with time zone) or zenith_deg, not both and not none")
        return self

    @property
    def seconds(self) -> float:
        """Return the length of the run in s."""
        return self.subruns * self.subrun_seconds


class SourceSpec(_Model):
    """A source with its spectrum and runs; `spectrum: null` makes a field without a signal."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9+.]+$")]
    ra_deg: float = Field(ge=0, lt=360)
    dec_deg: float = Field(ge=-90, le=90)
    spectrum: SpectrumSpec | None
    runs: tuple[RunSpec, ...] = Field(min_length=1)


class FaultKind(StrEnum):
    """What can go wrong with a night's files."""

    MAGIC_TRUNCATED = "magic_truncated"
    LST_TRUNCATED = "lst_truncated"
    MAGIC_MISSING = "magic_missing"
    LST_MISSING = "lst_missing"
    MAGIC_NOISE = "magic_noise"
    POINTING_APART = "pointing_apart"
    NO_OVERLAP = "no_overlap"
    DUPLICATED = "duplicated"
    LST_STALL = "lst_stall"
    MAGIC_STALL = "magic_stall"
    BROKEN_GPS = "broken_gps"
    CLOCK_JUMP = "clock_jump"
    LOW_RATE = "low_rate"
    LIGHT_LOSS = "light_loss"
    NOISY_TELESCOPE = "noisy_telescope"
    WRONG_POSITION = "wrong_position"


MAGIC_FILE_FAULTS = frozenset(
    {
        FaultKind.MAGIC_TRUNCATED,
        FaultKind.MAGIC_MISSING,
        FaultKind.MAGIC_NOISE,
        FaultKind.DUPLICATED,
        FaultKind.MAGIC_STALL,
        FaultKind.NOISY_TELESCOPE,
    }
)
LST_FILE_FAULTS = frozenset({FaultKind.LST_TRUNCATED, FaultKind.LST_MISSING, FaultKind.LST_STALL})
STALLS = frozenset({FaultKind.LST_STALL, FaultKind.MAGIC_STALL})


def _new(default: float, **limits: Any) -> Any:
    """Return a field that came later: where it is not asked for, a spec has the hash that it had before."""
    return Field(default=default, exclude_if=lambda value: value == default, **limits)


class Fault(_Model):
    """One fault.

    Parameters
    ----------
    kind : FaultKind
        What is wrong.
    run : int
        Index of the run within the night, counted over all sources in the order of the spec, from 0.
    subrun : int
        Index of the subrun within the run, from 0; ignored by faults of a whole run.
    telescope : {"M1", "M2", "LST"}
        Whose file; M1 by default for faults of MAGIC files, ignored by faults of a whole run. A stall of MAGIC stops
        both telescopes if none is named.
    begin_s, duration_s : float
        When a stall begins, in s after the start of its subrun, and how long it takes; ignored by other faults.
    clock_offset_s, clock_drift_us_per_s : float
        How far MAGIC's clock is ahead at the start of its run, and how that grows, where its GPS is broken.
    jump_us : float
        How far MAGIC's clock jumps ahead, from the start of the subrun on.
    separation_arcmin : float
        Between the pointings of LST-1 and MAGIC, where they point apart.
    kept_fraction : float
        Of all showers, where the rate is low; of all light, where a cloud takes it.
    noise_pe : float
        Noise a pixel of a noisy MAGIC telescope (usually 1.15 p.e.).
    shift_deg : float
        How far the source is above the position that all believe in.
    """

    kind: FaultKind
    run: int = Field(default=0, ge=0)
    subrun: int = Field(default=0, ge=0)
    telescope: Literal["M1", "M2", "LST"] | None = None
    begin_s: NonNegativeFloat = 2.0
    duration_s: PositiveFloat = 3.0
    clock_offset_s: float = Field(default=2.3, ge=-10, le=10)
    clock_drift_us_per_s: float = Field(default=3.0, ge=-20, le=20)
    jump_us: float = _new(1.0, ge=-100, le=100)
    separation_arcmin: float = _new(12.0, ge=0, le=60)
    kept_fraction: float = _new(0.5, gt=0, le=1)
    noise_pe: float = _new(5.0, gt=0, le=20)
    shift_deg: float = _new(0.25, ge=-2, le=2)

    @model_validator(mode="after")
    def _telescope_fits(self) -> Self:
        if self.kind in MAGIC_FILE_FAULTS and self.telescope == "LST":
            raise ValueError(f"{self.kind} is a fault of a MAGIC file; telescope must be M1 or M2")
        if self.kind in LST_FILE_FAULTS and self.telescope in ("M1", "M2"):
            raise ValueError(f"{self.kind} is a fault of an LST-1 file; leave telescope out")
        return self

    def stops(self, telescope: Literal["M1", "M2", "LST"]) -> bool:
        """Return whether this is a stall of a telescope's readout."""
        if self.kind not in STALLS or (telescope == "LST") != (self.kind is FaultKind.LST_STALL):
            return False
        return self.telescope in (None, telescope)


class StandaloneSpec(_Model):
    """What the analyses of LST-1 alone (lstchain DL2) and of MAGIC alone (MARS melibea) make of the night."""

    failed_fraction: float = Field(default=0.77, ge=0, le=1)
    """Fraction of MAGIC's events of which melibea gives no energy; it writes -1 GeV then, and may give no direction.

    0.77 is what the melibea files of a season of the Crab Nebula have.
    """


class NightSpec(_Model):
    """One night of joint observations."""

    night: NightText
    seed: int = Field(default=1, ge=0)
    sources: tuple[SourceSpec, ...] = Field(min_length=1)
    magic_rate_hz: PositiveFloat = 16.0
    """Rate of hadrons that trigger both MAGIC telescopes (really some 300 Hz)."""
    lst_rate_hz: PositiveFloat = 50.0
    """Rate of hadrons that trigger LST-1 (really some 5300 Hz)."""
    lst_interleaved_hz: NonNegativeFloat = 1.0
    """Rate of LST-1's pedestal events, and the same again of flat-field events."""
    magic_pedestal_hz: PositiveFloat = 1.0
    time_offset_us: float = Field(default=-3.2, ge=-1e6, le=1e6)
    """MAGIC time minus LST-1 time of one and the same shower."""
    time_jitter_ns: NonNegativeFloat = 40.0
    scatter_radius_m: float = Field(default=350.0, ge=100, le=2000)
    proton_library: int = Field(default=800, ge=50, le=100_000)
    """MAGIC-triggered hadrons at each place of the library; a night with more events repeats them with new noise."""
    first_lst_run: int | None = Field(default=None, ge=1, le=99_999)
    first_magic_run: int | None = Field(default=None, ge=5_000_000, le=5_999_999)
    """Run numbers of the first run; by default counted from the date, so that no two nights share a number."""
    lstchain_version: Annotated[str, Field(pattern=r"^v\d+\.\d+(\.\d+)?$")] = "v0.10"
    tailcut: Annotated[str, Field(pattern=r"^tailcut\d+$")] = "tailcut84"
    faults: tuple[Fault, ...] = ()
    standalone: StandaloneSpec | None = Field(default=None, exclude_if=lambda value: value is None)
    """Null makes no files of the standalone analyses; such a night is the same as before there were any."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.magic_rate_hz > 1e6 / MAGIC_DEAD_TIME_US / 4 or self.lst_rate_hz > 1e6 / LST_DEAD_TIME_US / 4:
            raise ValueError("rates so close to the inverse dead time (26 us MAGIC, 8 us LST-1) make no sense")
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError("a source appears twice; give it once with all its runs")
        runs = [run for source in self.sources for run in source.runs]
        for fault in self.faults:
            if fault.run >= len(runs):
                raise ValueError(f"fault {fault.kind} is for run index {fault.run}, the night has {len(runs)} runs")
            run = runs[fault.run]
            if fault.subrun >= run.subruns:
                raise ValueError(f"fault {fault.kind}: run {fault.run} has only {run.subruns} subruns")
            if fault.kind in STALLS and fault.begin_s + fault.duration_s >= run.subrun_seconds:
                raise ValueError(f"fault {fault.kind} must end within its subrun of {run.subrun_seconds:g} s")
        return self


class NodeSpec(_Model):
    """One pointing of the Monte Carlo."""

    zenith_deg: float = Field(ge=0, lt=70)
    azimuth_deg: float = Field(ge=0, lt=360)


class MonteCarloSpec(_Model):
    """Training and test showers at some nodes along the track of one declination."""

    seed: int = Field(default=1, ge=0)
    nodes: tuple[NodeSpec, ...] = Field(min_length=1)
    period: Annotated[str, Field(pattern=r"^[A-Z0-9]+$")] = "ST0320A"
    nsb: float = Field(default=1.5, ge=0, le=10)
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.]+$")] = "01"
    declination: Annotated[str, Field(pattern=r"^(min_)?\d+$")] = "2276"
    gamma_offset_deg: float = Field(default=0.4, ge=0, le=2)
    """Gammas come from a ring of this radius around the pointing, as for a source in wobble mode."""
    proton_cone_deg: float = Field(default=3.0, gt=0, le=10)
    energy_min_tev: PositiveFloat = 0.1
    energy_max_tev: PositiveFloat = 20.0
    proton_energy_min_tev: PositiveFloat = 0.15
    proton_energy_max_tev: PositiveFloat = 50.0
    spectral_index: float = Field(default=-2.0, le=-1, ge=-4)
    """Simulated spectrum; negative, as simtel files have it."""
    scatter_radius_m: float = Field(default=350.0, ge=100, le=2000)
    gamma_train_showers: int = Field(default=2500, ge=1)
    gamma_test_showers: int = Field(default=5000, ge=1)
    proton_train_showers: int = Field(default=11_000, ge=1)
    """Thrown showers a node."""

    @model_validator(mode="after")
    def _not_two_nodes(self) -> Self:
        if len(self.nodes) == 2:
            raise ValueError(
                "with exactly two nodes magic-cta-pipe silently uses the first one only; give one, or three and more"
            )
        if len({(node.zenith_deg, node.azimuth_deg) for node in self.nodes}) != len(self.nodes):
            raise ValueError("two nodes are at the same place; remove one")
        if self.energy_min_tev >= self.energy_max_tev or self.proton_energy_min_tev >= self.proton_energy_max_tev:
            raise ValueError("energy_min_tev must be below energy_max_tev")
        return self


class Campaign(_Model):
    """What a spec file holds: any number of nights, and Monte Carlo if wanted."""

    nights: tuple[NightSpec, ...] = ()
    monte_carlo: MonteCarloSpec | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.nights and self.monte_carlo is None:
            raise ValueError("the spec asks for nothing: give nights, monte_carlo or both")
        dates = [night.night for night in self.nights]
        if len(set(dates)) != len(dates):
            raise ValueError("a night appears twice; give it once with all its sources")
        return self


def first_runs(spec: NightSpec) -> tuple[int, int]:
    """Return the run numbers (LST-1, MAGIC) of a night's first run."""
    days = (Night(spec.night).evening - Night("2018-10-10").evening).days
    lst = spec.first_lst_run if spec.first_lst_run is not None else 100 + RUNS_A_NIGHT * days
    magic = spec.first_magic_run if spec.first_magic_run is not None else 5_050_000 + RUNS_A_NIGHT * days
    return lst, magic


def spec_hash(spec: BaseModel) -> str:
    """Return a short hash of everything that decides what a spec gives."""
    return text_hash(spec.model_dump_json())


def text_hash(*parts: Any) -> str:
    """Return a short hash of texts and the version of the model."""
    return hashlib.sha256(repr((MODEL_VERSION, *map(str, parts))).encode()).hexdigest()[:20]
