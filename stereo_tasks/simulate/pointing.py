"""Where the telescopes look: wobble positions, their track across the sky of La Palma, and the source in the camera."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.nights import Night
from stereo_tasks.simulate.spec import RunSpec, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = NDArray[np.float64]

SITE_LONGITUDE_DEG, SITE_LATITUDE_DEG, SITE_HEIGHT_M = -17.89064, 28.76177, 2199.835
"""Roque de los Muchachos, as in magic-cta-pipe: it turns directions back into sky positions with the same numbers."""

MAX_ZENITH_DEG = 70.0
SUN_BELOW_DEG = -12.0


@dataclass(frozen=True)
class Track:
    """Pointing of a run, sampled every second from 10 s before to 10 s after it.

    Parameters
    ----------
    unix_s, alt_deg, az_deg : numpy.ndarray
        Shape (n,): times in s, altitude and azimuth (north over east, without wrap) of the pointing in deg.
    ra_deg, dec_deg : float
        The pointing in the sky (ICRS).
    source_lat_deg, source_lon_deg : numpy.ndarray
        Shape (n,): the source in the camera, along altitude and azimuth, in deg.
    source_zenith_deg : numpy.ndarray
        Shape (n,): zenith angle of the source in deg.
    """

    unix_s: Floats
    alt_deg: Floats
    az_deg: Floats
    ra_deg: float
    dec_deg: float
    source_lat_deg: Floats
    source_lon_deg: Floats
    source_zenith_deg: Floats

    def at(self, column: str, unix_s: Floats | float) -> Floats:
        """Return a column interpolated at some times."""
        return np.asarray(np.interp(unix_s, self.unix_s, getattr(self, column)))


def start_time(source: SourceSpec, run: RunSpec, night: Night) -> dt.datetime:
    """Return the start of a run in UTC.

    Raises
    ------
    ValueError
        If the time lies outside the dark hours of the night, the source is below 70 deg zenith, or it never reaches the
        wanted zenith angle in the dark.
    """
    if run.start is not None:
        start = run.start
        seconds = np.array([start.timestamp(), start.timestamp() + run.seconds])
        if not night.noon <= start < night.noon + dt.timedelta(days=1):
            raise ValueError(f"{source.name}: {start} is not in the night {night}; its noon is {night.noon}")
        if np.any(_sun_altitude_deg(seconds) > SUN_BELOW_DEG):
            raise ValueError(f"{source.name}: the sun is up at {start}; choose a time in the dark")
        if np.any(90 - _altaz_deg(source.ra_deg, source.dec_deg, seconds)[0] > MAX_ZENITH_DEG):
            raise ValueError(f"{source.name} is below {MAX_ZENITH_DEG:g} deg zenith at {start}; choose another time")
        return start
    return _time_at_zenith(source, run, night)


def track(source: SourceSpec, run: RunSpec, start: dt.datetime) -> Track:
    """Return the track of a run that starts at a time."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    unix = np.arange(np.floor(start.timestamp()) - 10, start.timestamp() + run.seconds + 10)
    target = SkyCoord(source.ra_deg * u.deg, source.dec_deg * u.deg)
    centre = target.directional_offset_by(run.wobble_angle_deg * u.deg, run.wobble_offset_deg * u.deg)
    ra, dec = float(centre.ra.deg), float(centre.dec.deg)
    alt, az = _altaz_deg(ra, dec, unix)
    source_alt, source_az = _altaz_deg(source.ra_deg, source.dec_deg, unix)
    lat, lon = _offset_deg(alt, az, source_alt, source_az)
    return Track(unix, alt, np.rad2deg(np.unwrap(np.deg2rad(az))), ra, dec, lat, lon, 90 - source_alt)


def radec_deg(alt_deg: Floats, az_deg: Floats, unix_s: Floats) -> tuple[Floats, Floats]:
    """Return right ascension and declination (ICRS) in deg of local directions (deg) at unix times (s)."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    with without_network():
        sky = SkyCoord(alt=alt_deg * u.deg, az=az_deg * u.deg, frame=_frame(unix_s)).transform_to("icrs")
    return np.asarray(sky.ra.deg), np.asarray(sky.dec.deg)


@contextmanager
def without_network() -> Iterator[None]:
    """Keep astropy from downloading Earth-rotation tables: compute nodes have no network, bundled tables do."""
    from astropy.utils import iers

    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "warn"):
        yield


def _time_at_zenith(source: SourceSpec, run: RunSpec, night: Night) -> dt.datetime:
    wanted = float(run.zenith_deg or 0.0)
    unix = night.noon.timestamp() + np.arange(4 * 3600, 20 * 3600, 60.0)
    zenith = 90 - _altaz_deg(source.ra_deg, source.dec_deg, unix)[0]
    dark = _sun_altitude_deg(unix) < SUN_BELOW_DEG
    falling = np.diff(zenith) < 0
    branch = falling if run.branch == "rising" else ~falling
    crosses = (zenith[:-1] - wanted) * (zenith[1:] - wanted) <= 0
    moments = np.flatnonzero(branch & crosses & dark[:-1])
    if not len(moments):
        lowest = f"{zenith[dark].min():.1f}" if dark.any() else "none"
        raise ValueError(
            f"{source.name} does not pass {wanted:g} deg zenith on the {run.branch} branch in the dark of {night} "
            f"(smallest zenith in the dark: {lowest} deg); choose another zenith_deg, branch or night"
        )
    i = int(moments[0])
    middle = unix[i] + 60 * (zenith[i] - wanted) / (zenith[i] - zenith[i + 1])
    start = np.floor(middle - run.seconds / 2)
    return dt.datetime.fromtimestamp(float(start), tz=dt.UTC)


def _frame(unix_s: Floats) -> Any:
    import astropy.units as u
    from astropy.coordinates import AltAz, EarthLocation
    from astropy.time import Time

    site = EarthLocation.from_geodetic(SITE_LONGITUDE_DEG * u.deg, SITE_LATITUDE_DEG * u.deg, SITE_HEIGHT_M * u.m)
    return AltAz(obstime=Time(unix_s, format="unix", scale="utc"), location=site)


def _altaz_deg(ra_deg: float, dec_deg: float, unix_s: Floats) -> tuple[Floats, Floats]:
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    with without_network():
        local = SkyCoord(ra_deg * u.deg, dec_deg * u.deg).transform_to(_frame(unix_s))
    return np.asarray(local.alt.deg), np.asarray(local.az.deg)


def _sun_altitude_deg(unix_s: Floats) -> Floats:
    from astropy.coordinates import get_sun

    with without_network():
        frame = _frame(unix_s)
        return np.asarray(get_sun(frame.obstime).transform_to(frame).alt.deg)


def _offset_deg(alt: Floats, az: Floats, other_alt: Floats, other_az: Floats) -> tuple[Floats, Floats]:
    """Return the offset (lat, lon) in deg of other directions in the frame of a pointing."""
    a, b = np.deg2rad(alt), np.deg2rad(other_alt)
    d = np.deg2rad(other_az - az)
    front = np.cos(a) * np.cos(b) * np.cos(d) + np.sin(a) * np.sin(b)
    up = -np.sin(a) * np.cos(b) * np.cos(d) + np.cos(a) * np.sin(b)
    side = np.cos(b) * np.sin(d)
    return np.rad2deg(np.arcsin(up)), np.rad2deg(np.arctan2(side, front))
