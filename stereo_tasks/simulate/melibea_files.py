"""The melibea (`_Q_`) file of a run of MAGIC alone, with the branches and units of MARS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.nights import Night
from stereo_tasks.simulate.atmosphere import height_m
from stereo_tasks.simulate.atomic import atomic
from stereo_tasks.simulate.cameras import FOCAL_M, M1, POSITIONS_M, camera
from stereo_tasks.simulate.magic_files import MagicSubrun, mars_times, write_tree
from stereo_tasks.simulate.pointing import radec_deg
from stereo_tasks.simulate.showers import Images, ShowerModel
from stereo_tasks.simulate.standalone import MAGIC_ALONE, Truth, altaz_rad, reconstruct

NO_ENERGY_GEV, NO_IMPACT = -1.0, -1.0
"""What MARS writes where it reconstructs nothing."""

NO_DIRECTION_FRACTION = 0.5
"""Of the events without an energy, so many have no direction, either (NaN)."""

HEIGHT_SPREAD = 0.1
"""Relative standard deviation of the height of the shower maximum."""

Columns = dict[str, NDArray[Any]]


def melibea_path(out: Path, night: Night, run: int, source: str, wobble: tuple[float, float]) -> Path:
    """Return the path of a run's file; wobble is (offset, angle) in deg."""
    name = f"{night.magic_stamp}_{run:08d}_Q_{source}-W{wobble[0]:.2f}+{wobble[1]:03.0f}.root"
    return out / "MAGIC" / "ST" / "event" / "Melibea" / night.magic_date / name


def write_melibea(path: Path, parts: list[Columns]) -> None:
    """Write a file with the events of some subruns, as `melibea_events` gives them."""
    import uproot

    with atomic(path) as temporary, uproot.recreate(temporary) as file:
        write_tree(file, "Events", {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def melibea_events(
    subruns: tuple[MagicSubrun, MagicSubrun], truth: Truth, failed_fraction: float, rng: np.random.Generator
) -> Columns:
    """Return what melibea makes of a subrun: the events that both telescopes recorded.

    Parameters
    ----------
    subruns : tuple of MagicSubrun
        What M1 and M2 recorded.
    truth : dict of str to numpy.ndarray
        What the events of the subrun are, those included that a telescope has lost; the first has the number
        `truth["event_id"][0]`.
    failed_fraction : float
        Fraction of the events without an energy.
    rng : numpy.random.Generator
        Source of all fluctuations.

    Returns
    -------
    dict of str to numpy.ndarray
        Shape (n,) each, by MARS's names: energies in GeV, angles in deg, right ascensions in hours, lengths in cm, in
        the camera in mm; `fDelta` in rad.
    """
    one, two = subruns
    event_id, first, second = np.intersect1d(one.event_id, two.event_id, return_indices=True)
    rows = np.searchsorted(truth["event_id"], event_id)
    truth = {name: values[rows] for name, values in truth.items()}
    time_ns = one.time_ns[first]
    unix = time_ns.astype(np.float64) * 1e-9
    alt, az = (np.deg2rad(one.track.at(name, unix)) for name in ("alt_deg", "az_deg"))
    found = reconstruct(truth, MAGIC_ALONE, rng)
    reco_alt, reco_az = altaz_rad(alt, az, found.lat_rad, found.lon_rad)
    ra, dec = radec_deg(np.rad2deg(reco_alt), np.rad2deg(reco_az), unix)
    fails = rng.random(len(event_id)) < failed_fraction
    lost = fails & (rng.random(len(event_id)) < NO_DIRECTION_FRACTION)
    columns: Columns = {
        "MRawEvtHeader_1.fStereoEvtNumber": event_id.astype(np.uint32),
        # Ticks of a counter: no clock.
        "MRawEvtHeader_1.fClockCounter": ((time_ns - round(one.start_s * 1e9)) // 100).astype(np.uint32),
        "MRawEvtHeader_1.fTimeDiff": _time_diff(one, time_ns),
        "MEnergyEst.fEnergy": np.where(fails, NO_ENERGY_GEV, 1000 * found.energy_tev),
        "MHadronness.fHadronness": 1 - found.gammaness,
        "MStereoParDisp.fDirectionRA": np.where(lost, np.nan, ra / 15),
        "MStereoParDisp.fDirectionDec": np.where(lost, np.nan, dec),
        # MARS's camera lies on its side: x to smaller azimuth, y to smaller altitude.
        "MStereoParDisp.fDirectionX": np.where(lost, np.nan, -np.rad2deg(found.lon_rad)),
        "MStereoParDisp.fDirectionY": np.where(lost, np.nan, -np.rad2deg(found.lat_rad)),
        "MStereoParDisp.fMaxHeight": 100 * _height_m(truth, alt) * (1 + HEIGHT_SPREAD * rng.normal(size=len(event_id))),
        "MPointingPos_1.fZd": 90 - np.rad2deg(alt),
        "MPointingPos_1.fAz": np.rad2deg(az) % 360,
        "MPointingPos_1.fRa": np.full(len(event_id), one.track.ra_deg / 15),
        "MPointingPos_1.fDec": np.full(len(event_id), one.track.dec_deg),
    }
    columns |= mars_times("MTime_1", time_ns)
    for telescope, images in ((1, one.images.take(first)), (2, two.images.take(second))):
        columns |= _telescope(telescope, images, one, truth, alt, az, unix, fails, rng)
    return columns


def _telescope(
    telescope: int,
    images: Images,
    subrun: MagicSubrun,
    truth: Truth,
    alt: NDArray[np.float64],
    az: NDArray[np.float64],
    unix: NDArray[np.float64],
    fails: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Columns:
    """Return the branches of one telescope."""
    focal_mm = 1000 * FOCAL_M[M1]
    geometry = camera(telescope + 1).geometry
    n = len(unix)
    event = np.repeat(np.arange(n), np.diff(images.start))
    size = np.bincount(event, images.charge_pe, n)
    lat, lon = (
        np.bincount(event, images.charge_pe * axis.to_value("m")[images.pixel], n)
        / np.maximum(size, 1e-9)
        / FOCAL_M[M1]
        for axis in (geometry.pix_x, geometry.pix_y)
    )
    core = np.stack([truth["true_core_x"], truth["true_core_y"], np.zeros(n)], axis=1)
    away = POSITIONS_M[telescope] - core
    direction_alt, direction_az = altaz_rad(alt, az, truth["true_lat"], truth["true_lon"])
    cos_alt = np.cos(direction_alt)
    axis_ = np.stack([cos_alt * np.cos(direction_az), -cos_alt * np.sin(direction_az), np.sin(direction_alt)], axis=1)
    impact = np.linalg.norm(np.cross(away, axis_), axis=1)
    impact = np.abs(impact + MAGIC_ALONE.core_m * rng.normal(size=n))
    impact_az = np.rad2deg(np.arctan2(-(core - POSITIONS_M[telescope])[:, 1], (core - POSITIONS_M[telescope])[:, 0]))
    return {
        f"MHillas_{telescope}.fSize": size,
        f"MHillas_{telescope}.fDelta": np.arctan2(lat - truth["true_lat"], lon - truth["true_lon"]),
        f"MSrcPosCam_{telescope}.fX": -focal_mm * np.deg2rad(subrun.track.at("source_lon_deg", unix)),
        f"MSrcPosCam_{telescope}.fY": -focal_mm * np.deg2rad(subrun.track.at("source_lat_deg", unix)),
        f"MStereoParDisp.fM{telescope}Impact": np.where(fails, NO_IMPACT, 100 * impact),
        f"MStereoParDisp.fM{telescope}ImpactAz": np.where(fails, NO_IMPACT, impact_az % 360),
    }


def _time_diff(subrun: MagicSubrun, time_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the time in s since the trigger before, pedestals included."""
    triggers = np.sort(np.concatenate([[round(subrun.start_s * 1e9)], subrun.time_ns, subrun.pedestal_ns]))
    return np.asarray((time_ns - triggers[np.searchsorted(triggers, time_ns) - 1]) * 1e-9)


def _height_m(truth: Truth, alt: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the height of the shower maximum by Heitler's logarithm, as in `ShowerModel`."""
    model = ShowerModel()
    depth = model.interaction_g_cm2 + model.radiation_g_cm2 * np.log(truth["true_energy"] / model.critical_tev)
    return np.asarray(height_m(depth, np.sin(alt)))
