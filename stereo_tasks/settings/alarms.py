"""When something needs care although nothing has failed yet, and who is told."""

from __future__ import annotations

from pydantic import Field

from stereo_tasks.settings.model import Model
from stereo_tasks.settings.units import Memory


class Notify(Model):
    """Who is told of new alarms, and gets the digest of the morning; with none of these, both are only shown."""

    mail_connection: str | None = None
    """Id of an Airflow connection of type ``smtp``; None sends no mail."""
    mail_to: tuple[str, ...] = ()
    chat_connection: str | None = None
    """Id of an Airflow connection of type ``apprise``, with the address of a chat; None tells no chat."""
    red_run: bool = True
    """Whether a run of ``watch_nights`` that finds a new alarm is red; Airflow's own callbacks and listeners see it."""
    file: str | None = None
    """A file that each new alarm is appended to, a JSON object a line; below the site's root if relative."""


class Flare(Model):
    """When the flux of a source in a night is so far above the median of its other nights that people should know."""

    nights_min: int = Field(ge=1)
    """There must be so many other nights."""
    factor: float = Field(ge=1)
    """The flux must be above so many times their median,"""
    sigma: float = Field(gt=0)
    """and above it by so many of its own statistical errors."""


class Alarms(Model):
    """Limits of the alarms. ``config/alarms.yaml`` gives the reason for each value."""

    table_ends_days: int = Field(ge=0)
    """The observation periods and the time offsets must reach so many days into the future."""
    waits_h: float = Field(gt=0)
    """A source of a night may wait for its files so many hours, from when it was first seen waiting."""
    requested_h: float = Field(gt=0)
    """A requested night may be without a run for so many hours."""
    run_h: float = Field(gt=0)
    """A run may work on a night, and hold its lock, for so many hours."""
    unattended_h: float = Field(ge=0)
    """A night may stay failed or held by itself for so many hours before somebody is told."""
    look_back_days: int = Field(ge=1)
    """Older events (an end of a run, a request) cause no alarm of a night."""
    log_unchanged_days: int = Field(ge=1)
    """The stereo log must have changed within so many days."""
    log_unread_h: float = Field(gt=0)
    """Detection must have read the log within so many hours."""
    log_changes_days: int = Field(ge=1)
    """Rows that left the log, or old rows that were changed, are shown for so many days."""
    free_space: Memory
    """Free space that each file system with products or state needs."""
    flare: Flare
    notify: Notify = Notify()
