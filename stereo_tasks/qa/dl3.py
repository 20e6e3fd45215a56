"""Opening a folder of point-like DL3 files through its index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astropy.coordinates import SkyCoord
from astropy.utils import iers
from gammapy.data import DataStore, Observation, Observations


class Dl3Error(ValueError):
    """DL3 files or their index cannot be used; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """What the header of a DL3 file says about its run."""

    obs_id: int
    """LST-1 run."""
    source: str
    wobble_offset_deg: float
    """Distance of the source from the mean pointing."""
    zenith_deg: float
    on_time_s: float
    live_time_s: float
    dead_time_factor: float
    events: int


def open_observations(folder: Path) -> Observations:
    """Open all observations of a folder with index files.

    Raises
    ------
    Dl3Error
        If index or files are missing or unreadable.
    """
    # Compute nodes have no network; the tables that come with astropy reach far enough for arcseconds.
    iers.conf.auto_download = False
    iers.conf.iers_degraded_accuracy = "warn"
    try:
        observations = DataStore.from_dir(folder).get_observations(required_irf="point-like")
        for observation in observations:
            _load(observation)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise Dl3Error(f"the DL3 in {folder} cannot be opened ({error}): make dl3 and index again") from error
    if len(observations) == 0:
        raise Dl3Error(f"the index in {folder} lists no point-like observation: make dl3 and index again")
    return observations


def _load(observation: Observation) -> None:
    """Read everything now: gammapy reads lazily, and anew each time; a broken file should show here, not later."""
    observation.events = observation.events
    observation.edisp = observation.edisp
    observation.aeff = observation.aeff
    if observation.rad_max is None:
        raise ValueError("no theta cut in RAD_MAX")


def pointing_of(observation: Observation) -> SkyCoord:
    """Return the mean pointing of a run."""
    return observation.get_pointing_icrs(observation.tmid)


def source_name(observation: Observation) -> str:
    """Return the OBJECT of a run."""
    return str(observation.events.table.meta.get("OBJECT", ""))


def observed_run(observation: Observation, source: SkyCoord) -> ObservedRun:
    """Return what the header says about a run, with the distance to `source`."""
    header = observation.events.table.meta
    return ObservedRun(
        obs_id=int(observation.obs_id),
        source=source_name(observation),
        wobble_offset_deg=float(pointing_of(observation).separation(source).deg),
        zenith_deg=90.0 - float(header["ALT_PNT"]),
        on_time_s=float(header["ONTIME"]),
        live_time_s=float(header["LIVETIME"]),
        dead_time_factor=float(header["DEADC"]),
        events=len(observation.events.table),
    )
