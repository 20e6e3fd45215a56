"""Which observations are processed, and when the files of a night are taken for complete."""

from __future__ import annotations

import datetime as dt
from typing import Literal, Self

from pydantic import Field, model_validator

from stereo_tasks.settings.model import Model


class Policy(Model):
    """Run selection, readiness and detection. ``config/policy.yaml`` gives the source of each value."""

    triggers: tuple[str, ...] = Field(min_length=1)
    """MAGIC triggers that are processed, as the stereo log names them."""
    stereo: bool
    """What the log's column "Stereo" must say."""
    hv: tuple[str, ...] = Field(min_length=1)
    """High-voltage settings of MAGIC that are processed, as the stereo log names them."""
    mixed_rows: Literal["reject", "accept"]
    """What becomes of a row whose trigger, stereo or HV cell lists wanted and unwanted values together."""
    min_same_wobble_min: float = Field(ge=0)
    """A row needs more time at the same wobble position than this, in minutes."""
    same_wobble_recorded_from: dt.date | None = None
    """Earlier rows (evening date) are not judged by their same-wobble time; None judges all."""
    min_magic_run: int = Field(ge=0)
    """Lowest run number of MAGIC stereo data; lower ones are of a single telescope."""
    max_zenith_deg: float = Field(gt=0, le=90)
    """A row is taken when some of it lies below this zenith distance."""

    completeness_min: float = Field(gt=0, le=1)
    """Fraction of its subruns that a run needs."""
    wait_for_night_finished: bool
    """Whether LST-1's ``NightFinished.txt`` must be there."""
    settle_s: float = Field(ge=0)
    """Files must have been unchanged for so long, in seconds: nobody is still copying."""
    partial_night_age_h: float = Field(gt=0)
    """So many hours after its end a night is processed with what there is."""

    look_back_days: int = Field(ge=1)
    """Detection looks at the nights of so many days; older ones are requested by hand."""
    detect_productions: tuple[str, ...] = ()
    """Productions that detection asks for, by name; empty: the default one."""
    log_lost_rows_max: int = Field(ge=0)
    """A log that lost more rows than this since the last reading is not followed: the known ones stay."""
    log_lost_fraction_max: float = Field(ge=0, le=1)
    """The same as a fraction of the known rows. A single row may always go."""

    published_versions_min: int = Field(ge=1, default=2)
    """So many versions of a published night or season stay, the current one among them."""
    published_version_days: float = Field(ge=0, default=14.0)
    """A published version stays for so long after it was current: somebody may be reading it."""

    def lost_too_many(self, lost: int, known: int) -> bool:
        """Return whether a log that lost so many of the known rows is rather damaged than corrected."""
        return lost > self.log_lost_rows_max or (lost > 1 and lost > self.log_lost_fraction_max * known)

    @model_validator(mode="after")
    def _settles_before_it_is_partial(self) -> Self:
        if self.settle_s >= self.partial_night_age_h * 3600:
            raise ValueError("settle_s must be shorter than partial_night_age_h")
        if self.partial_night_age_h >= self.look_back_days * 24:
            raise ValueError("look_back_days must be longer than partial_night_age_h: no partial night would be seen")
        return self
