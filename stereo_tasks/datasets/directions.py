"""Complementary columns: ICRS directions, zenith distances, squared distances from source and OFF positions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, angular_separation
from astropy.coordinates.erfa_astrom import ErfaAstromInterpolator, erfa_astrom
from astropy.time import Time

from stereo_tasks.datasets.errors import DatasetError


@dataclass(frozen=True, slots=True)
class SourceRegions:
    """The source, and the OFF positions that are wished."""

    ra_deg: float
    dec_deg: float
    radius_deg: float
    """Of the regions: the largest theta cut. No two of them overlap."""
    off_regions: int
    """Largest number of OFF positions."""

    @property
    def position(self) -> SkyCoord:
        """The source."""
        return SkyCoord(self.ra_deg, self.dec_deg, unit="deg", frame="icrs")


_EARTH_EVERY = 60 * u.s
"""The orientation of the Earth is interpolated in between: 1e-8 arcsec off, and forty times faster."""


@contextmanager
def interpolated_earth() -> Iterator[None]:
    """Let astropy transform many events between horizon and ICRS in little time."""
    with erfa_astrom.set(ErfaAstromInterpolator(_EARTH_EVERY)):
        yield


def with_icrs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with ICRS directions of pointing and reconstruction in deg, from those at the horizon.

    Parameters
    ----------
    rows : pandas.DataFrame
        pointing_alt and pointing_az in rad, reco_alt and reco_az in deg, timestamp in s.
    """
    from magicctapipe.utils import transform_altaz_to_radec

    time = Time(rows["timestamp"].to_numpy(), format="unix", scale="utc")
    added: dict[str, np.ndarray] = {}
    for name, unit in (("pointing", u.rad), ("reco", u.deg)):
        alt, az = (rows[f"{name}_{angle}"].to_numpy() * unit for angle in ("alt", "az"))
        with interpolated_earth():
            ra, dec = transform_altaz_to_radec(alt=alt, az=az, obs_time=time)
        added |= {f"{name}_ra": ra.deg, f"{name}_dec": dec.deg}
    return rows.assign(**added)


def with_horizon(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with reconstructed directions at the horizon, reco_alt and reco_az in deg, from those in ICRS.

    Parameters
    ----------
    rows : pandas.DataFrame
        reco_ra and reco_dec in deg, timestamp in s; where one of them is missing, there is no direction, either.
    """
    from magicctapipe.utils import HEIGHT_ORM, LAT_ORM, LON_ORM

    known = rows[["reco_ra", "reco_dec", "timestamp"]].notna().all(axis=1)
    site = EarthLocation.from_geodetic(lon=LON_ORM, lat=LAT_ORM, height=HEIGHT_ORM)
    time = Time(rows.loc[known, "timestamp"].to_numpy(), format="unix", scale="utc")
    with interpolated_earth():
        local = _positions(rows[known], "reco").transform_to(AltAz(obstime=time, location=site))
    added = pd.DataFrame({"reco_alt": local.alt.deg, "reco_az": local.az.deg}, index=rows.index[known])
    return rows.join(added)


def with_zenith_distances(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with zenith distances in deg.

    Parameters
    ----------
    rows : pandas.DataFrame
        pointing_alt in rad, reco_alt in deg.

    Raises
    ------
    DatasetError
        If an altitude is none.
    """
    alt_deg = {"pointing_zd": np.degrees(rows["pointing_alt"]), "reco_zd": rows["reco_alt"]}
    if (rows["pointing_alt"].abs() > np.pi / 2).any():
        raise DatasetError("pointing_alt beyond pi / 2 rad: it is not in rad, or not an altitude")
    return rows.assign(**{name: 90 - alt for name, alt in alt_deg.items()})


def with_theta2(rows: pd.DataFrame, regions: SourceRegions) -> pd.DataFrame:
    """Return the rows of a run with the squared distances from the source and from OFF positions in deg2.

    The OFF positions of an event lie on the circle around its own pointing that goes through the source, at equal
    angles (`stereo_tasks.qa.theta2.off_positions`): a change of the wobble position within a run does no harm. Their
    number is the largest that lets no two regions overlap at the run's offset, as a position too close to the source
    would show it.

    Parameters
    ----------
    rows : pandas.DataFrame
        With pointing_ra, pointing_dec, reco_ra, reco_dec in deg.
    regions : SourceRegions
        Source and wishes.

    Returns
    -------
    pandas.DataFrame
        With theta2_on, off_regions and theta2_off1 to as many as are wished; not a number beyond ``off_regions``.
    """
    from stereo_tasks.qa.theta2 import off_positions, off_regions_possible

    source, reco = regions.position, _positions(rows, "reco")
    pointing = _positions(rows, "pointing")
    offset_deg = float(np.nanmedian(pointing.separation(source).deg)) if len(rows) else 0.0
    number = off_regions_possible(offset_deg, regions.radius_deg, regions.off_regions)
    added = {"theta2_on": reco.separation(source).deg ** 2, "off_regions": np.full(len(rows), number, dtype=np.int64)}
    off = np.full((len(rows), regions.off_regions), np.nan)
    if number:
        off[:, :number] = (
            reco[:, np.newaxis].separation(off_positions(source, pointing[:, np.newaxis], number)).deg ** 2
        )
    return rows.assign(**added, **{f"theta2_off{i + 1}": off[:, i] for i in range(regions.off_regions)})


def with_true_theta2(rows: pd.DataFrame) -> pd.DataFrame:
    """Return simulated rows with the squared distance from the simulated direction in deg2.

    Parameters
    ----------
    rows : pandas.DataFrame
        true_alt, true_az, reco_alt and reco_az in deg.
    """
    true_az, true_alt, az, alt = (np.radians(rows[name]) for name in ("true_az", "true_alt", "reco_az", "reco_alt"))
    return rows.assign(theta2_on=np.degrees(angular_separation(true_az, true_alt, az, alt)) ** 2)


def _positions(rows: pd.DataFrame, name: str) -> SkyCoord:
    return SkyCoord(rows[f"{name}_ra"].to_numpy(), rows[f"{name}_dec"].to_numpy(), unit="deg", frame="icrs")
