"""What magic-cta-pipe 0.6.2 takes for the keys of its configuration that the stages read; anything else is an error.

The configuration itself stays as it is written, since its tools are given it so: these models only look at it. Each
allowed value is one that the tool's own code knows (``magicctapipe/scripts/lst1_magic`` and ``magicctapipe/io``).
"""

from __future__ import annotations

import ast
from typing import Annotated, Any, Literal, Self

from astropy import units as u
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from stereo_tasks.settings.model import Model
from stereo_tasks.settings.units import Angle, Duration, quantity_like

Energy = Annotated[u.Quantity, quantity_like("TeV")]
Fraction = Annotated[float, Field(ge=0, le=1)]
EventType = Literal["software", "software_only_3tel", "magic_only", "hardware"]
WeightType = Literal["simple", "intensity", "variance"]
CUT_KEYS = {
    "global": ("global_cut_value",),
    "dynamic": ("efficiency", "min_cut", "max_cut"),
    "custom": ("custom_cuts", "interpolate_kind"),
}
"""What create_irf reads of a cut of each type."""

_CUBIC_POINTS = 4  # scipy's interp1d needs them
_TELESCOPES = ("LST-1", "LST-2", "LST-3", "LST-4", "MAGIC-I", "MAGIC-II")


def _expression(text: str) -> str:
    try:
        ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        raise ValueError(f"{text!r} is no expression; write for example '(intensity > 50) & (width > 0)'") from None
    return text


Cuts = Annotated[str, AfterValidator(_expression)]
"""An expression for pandas' ``query`` on the columns of an image."""


class _Coincidence(Model):
    class _Range(Model):
        start: Duration
        stop: Duration

    timestamp_type_lst: Literal["dragon_time", "tib_time", "ucts_time"]
    window_half_width: Duration
    pre_offset_search: bool = False
    n_pre_offset_search_events: int | None = Field(default=None, ge=2)
    time_offset: _Range | None = None

    @model_validator(mode="after")
    def _has_a_window(self) -> Self:
        if self.pre_offset_search and self.n_pre_offset_search_events is None:
            raise ValueError("pre_offset_search needs n_pre_offset_search_events")
        if not self.pre_offset_search and self.time_offset is None:
            raise ValueError("without pre_offset_search, time_offset needs start and stop")
        if self.time_offset is not None and self.time_offset.start >= self.time_offset.stop:
            raise ValueError("time_offset: start must be before stop")
        return self


class _StereoReco(Model):
    quality_cuts: Cuts | None
    theta_uplim: Angle


class _Bins(Model):
    start: Any
    stop: Any
    n_edges: int = Field(ge=2)

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if not self.start < self.stop:
            raise ValueError("start must be below stop")
        return self


class _EnergyBins(_Bins):
    start: Energy
    stop: Energy


class _AngleBins(_Bins):
    start: Angle
    stop: Angle


class _NumberBins(_Bins):
    start: float = Field(gt=0)
    stop: float


class _Table(Model):
    """Cuts by energy: one for each bin."""

    energy_bins: tuple[float, ...] = Field(min_length=2)
    energy_unit: str
    cut: tuple[float, ...] = Field(min_length=1)
    cut_unit: str

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.cut) != len(self.energy_bins) - 1:
            raise ValueError(
                f"{len(self.cut)} cuts for {len(self.energy_bins) - 1} energy bins: one for each is needed"
            )
        if any(low >= high for low, high in zip(self.energy_bins, self.energy_bins[1:], strict=False)):
            raise ValueError("energy_bins must rise")
        u.Unit(self.energy_unit).to("TeV")
        return self


class _Cut(Model):
    """A cut; only what its type reads must be there."""

    cut_type: Literal["global", "dynamic", "custom"]
    efficiency: float | None = Field(default=None, gt=0, le=1)
    custom_cuts: _Table | None = None
    interpolate_kind: Literal["nearest", "linear", "cubic"] | None = None
    global_cut_value: Any = None
    min_cut: Any = None
    max_cut: Any = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if lost := [key for key in CUT_KEYS[self.cut_type] if getattr(self, key) is None]:
            raise ValueError(f"a cut of type {self.cut_type} needs {', '.join(lost)}")
        if self.cut_type == "dynamic" and not self.min_cut <= self.max_cut:
            raise ValueError("min_cut must not exceed max_cut")
        if self.cut_type == "custom" and self.custom_cuts is not None:
            self._check_table(self.custom_cuts)
        return self

    def _check_table(self, table: _Table) -> None:
        if self.interpolate_kind == "cubic" and len(table.cut) < _CUBIC_POINTS:
            raise ValueError(f"cubic interpolation of custom cuts needs {_CUBIC_POINTS} energy bins or more")


class _Gammaness(_Cut):
    global_cut_value: Fraction | None = None
    min_cut: Fraction | None = None
    max_cut: Fraction | None = None

    def _check_table(self, table: _Table) -> None:
        super()._check_table(table)
        if table.cut_unit or not all(0 <= cut <= 1 for cut in table.cut):
            raise ValueError("custom cuts in gammaness lie between 0 and 1, and cut_unit is empty")


class _Theta(_Cut):
    global_cut_value: Angle | None = None
    min_cut: Angle | None = None
    max_cut: Angle | None = None

    def _check_table(self, table: _Table) -> None:
        super()._check_table(table)
        u.Unit(table.cut_unit).to("deg")
        if not all(cut > 0 for cut in table.cut):
            raise ValueError("custom cuts in theta must be above 0")


class _CreateIrf(Model):
    quality_cuts: Cuts | None
    event_type: EventType
    weight_type_dl2: WeightType
    obs_time_irf: Duration | None = None
    energy_bins: _EnergyBins
    migration_bins: _NumberBins
    fov_offset_bins: _AngleBins | None = None
    source_offset_bins: _AngleBins | None = None
    bkg_fov_offset_bins: _AngleBins | None = None
    gammaness: _Gammaness
    theta: _Theta


class _Dl3(Model):
    interpolation_method: Literal["nearest", "linear", "cubic"]
    interpolation_scheme: Literal["cosZd", "cosZdAz"]
    max_distance: Angle = Field(default=None)
    """Absent or an angle: null stops the tool."""
    source_name: str | None = None
    source_ra: str | None = None
    source_dec: str | None = None


class _MagicClean(Model):
    # Cleaning has more keys, each with a default in `magicctapipe.image.MAGICClean`.
    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)
    use_time: bool
    use_sum: bool
    picture_thresh: float = Field(gt=0)
    boundary_thresh: float = Field(gt=0)
    max_time_off: float = Field(gt=0)
    max_time_diff: float = Field(gt=0)
    find_hotpixels: bool
    pedestal_type: Literal["fundamental", "from_extractor", "from_extractor_rndm"] = "from_extractor_rndm"


class _Magic(Model):
    # Beside the cleaning, what the tools for Monte Carlo read.
    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)
    magic_clean: _MagicClean


class _Forest(Model):
    class _OffAxis(Model):
        min: Angle | None
        max: Angle | None

    settings: dict[str, Any]
    """Of scikit-learn, which checks them."""
    features: tuple[str, ...] = Field(min_length=1)
    gamma_offaxis: _OffAxis


class _Configuration(Model):
    # A whole configuration of magic-cta-pipe has sections for tools that no stage runs.
    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)
    mc_tel_ids: dict[Literal["LST-1", "LST-2", "LST-3", "LST-4", "MAGIC-I", "MAGIC-II"], int]
    save_images: bool = False
    MAGIC: _Magic
    event_coincidence: _Coincidence
    stereo_reco: _StereoReco
    energy_regressor: _Forest
    disp_regressor: _Forest
    event_classifier: _Forest
    create_irf: _CreateIrf
    dl2_to_dl3: _Dl3

    @model_validator(mode="after")
    def _lists_six_telescopes(self) -> Self:
        names = list(self.mc_tel_ids)
        if sorted(names) != sorted(_TELESCOPES) or any(name.startswith("MAGIC") for name in names[:4]):
            raise ValueError(f"mc_tel_ids must list {', '.join(_TELESCOPES)}, the LSTs first")
        return self


SECTIONS = tuple(_Configuration.model_fields)
"""The keys of a configuration that the stages read."""


def check_mcp(config: dict[str, Any]) -> None:
    """Check a configuration of magic-cta-pipe.

    Parameters
    ----------
    config : dict
        With the keys, values and units of magic-cta-pipe 0.6.2.

    Raises
    ------
    ValueError
        If a key is unknown or missing in a section that a stage reads, or its value impossible; the text has a line for
        each, with the key and what is allowed.
    """
    try:
        _Configuration.model_validate(config)
    except ValidationError as error:
        raise ValueError("; ".join(_line(item) for item in error.errors())) from None


def _line(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    found = "" if isinstance(item["input"], dict) or item["type"] == "missing" else f", not {item['input']!r}"
    return f"{key}: {item['msg'].removeprefix('Value error, ')}{found if item['type'] == 'literal_error' else ''}"
