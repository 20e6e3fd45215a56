"""The events of a DL3 file: images of DL2 that pass the cuts, averaged for each event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tables

from stereo_tasks.kernels import irf_cuts
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.images import INDEX, Floats, Images, first_images, stereo_events
from stereo_tasks.kernels.means import means, sums

EVENTS = "/events/parameters"
ROWS_A_BLOCK = 65_536

ORM_LON_DEG, ORM_LAT_DEG, ORM_HEIGHT_M = -17.89064, 28.76177, 2199.835
"""Where magic-cta-pipe transforms directions."""

EVENTS_AT_MOST = 1_000_000
"""From there on pandas computes powers with numexpr, which may round otherwise than numpy."""

_TYPES = {"software": (0, 1, 2), "software_only_3tel": (1,), "magic_only": (3,), "hardware": (0, 1, 2, 3)}
_WEIGHTS: dict[str, dict[str, str]] = {
    "simple": {},
    "intensity": {"energy": "intensity", "direction": "intensity", "gammaness": "intensity"},
    "variance": {"energy": "reco_energy_var", "direction": "reco_disp_var", "gammaness": "gammaness_var"},
}
_COLUMNS = (
    "timestamp", "time_diff", "pointing_alt", "pointing_az", "reco_energy", "reco_alt", "reco_az", "gammaness",
)  # fmt: skip


def select(path: Path, header: dict[str, Any]) -> Images:
    """Read what is needed of a DL2 file, and keep what passes the quality cuts and is of the IRFs' type of events."""
    cuts = irf_cuts.parse(str(header["QUAL_CUT"])) if "QUAL_CUT" in header else None
    event_type, weight = header.get("EVT_TYPE"), header.get("DL2_WEIG")
    if event_type not in _TYPES or weight not in _WEIGHTS:
        raise NotCovered(f"IRFs for events of type {event_type}, weighted by {weight}")
    wanted = {*_COLUMNS, *_WEIGHTS[weight].values()} | (irf_cuts.columns(cuts) if cuts is not None else set())
    rows = _read(path, sorted(wanted - set(INDEX)))
    if cuts is not None:
        rows = rows[irf_cuts.passed(cuts, rows)]
    images = stereo_events(rows)
    kept = np.isin(images["combo_type"], _TYPES[event_type])
    if not kept.any():
        raise NotCovered(f"no event of type {event_type}")
    return Images(images.rows[kept], {name: values[kept] for name, values in images.made.items()})


def _read(path: Path, names: list[str]) -> npt.NDArray[np.void]:
    with tables.open_file(str(path)) as file:
        if EVENTS not in file:
            raise NotCovered(f"{path.name} has no {EVENTS}")
        table = file.get_node(EVENTS)
        if "true_energy" in table.colnames:
            raise NotCovered(f"{path.name} is of Monte Carlo")
        kinds = {name: np.int64 for name in INDEX} | {name: np.float64 for name in names}
        for name, kind in kinds.items():
            if name not in table.colnames or table.dtype[name] not in (kind, np.int64):
                raise NotCovered(f"{path.name} has no {name} as {np.dtype(kind)}")
        rows = np.empty(table.nrows, [(name, table.dtype[name]) for name in kinds])
        for begin in range(0, table.nrows, ROWS_A_BLOCK):
            block = table.read(begin, begin + ROWS_A_BLOCK)
            for name in kinds:
                rows[name][begin : begin + len(block)] = block[name]
    return rows


def mean_events(images: Images, weight: str) -> Any:
    """Average the images of each event.

    Parameters
    ----------
    images : Images
        Of stereo events.
    weight : str
        ``simple``, ``variance`` or ``intensity``.

    Returns
    -------
    astropy.table.QTable
        One row for each event that has all values, as ``load_dl2_data_file`` of magic-cta-pipe makes it.
    """
    import astropy.units as u
    from astropy.table import QTable
    from astropy.time import Time

    first = first_images(images.rows)
    if np.count_nonzero(first) >= EVENTS_AT_MOST:
        raise NotCovered(f"{np.count_nonzero(first)} events in one file")
    weights = {name: images[column] for name, column in _WEIGHTS[weight].items()}
    if weight == "variance":
        with np.errstate(divide="ignore"):
            weights = {name: 1 / variance for name, variance in weights.items()}
    one = np.ones(len(images))

    def average(values: Floats, weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: Floats = sums(values * weights, first)[0] / sums(weights, first)[0]
        return mean

    def direction(lon: Floats, lat: Floats, unit: str, weights: Floats | None) -> tuple[Floats, Floats]:
        vectors = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
        if weights is None:
            return _spherical([means(vector, first) for vector in vectors], unit)
        return _spherical([average(vector, weights) for vector in vectors], unit)

    with np.errstate(divide="ignore", invalid="ignore"):
        log_energy = np.log10(images["reco_energy"])
    time = means(images["timestamp"], first)
    pointing_az, pointing_alt = direction(images["pointing_az"], images["pointing_alt"], "rad", None)
    energy = 10 ** average(log_energy, weights.get("energy", one))
    reco_lon, reco_lat = np.deg2rad(images["reco_az"]), np.deg2rad(images["reco_alt"])
    reco_az, reco_alt = direction(reco_lon, reco_lat, "deg", weights.get("direction"))
    gammaness = average(images["gammaness"], weights.get("gammaness", one))
    obstime = Time(time, format="unix", scale="utc")
    pointing_ra, pointing_dec = _icrs(u.Quantity(pointing_alt, "rad"), u.Quantity(pointing_az, "rad"), obstime)
    reco_ra, reco_dec = _icrs(u.Quantity(reco_alt, "deg"), u.Quantity(reco_az, "deg"), obstime)
    table = {name: images[name][first] for name in ("obs_id", "event_id", "combo_type", "multiplicity")} | {
        "timestamp": u.Quantity(time, "s"),
        "pointing_alt": u.Quantity(pointing_alt, "rad"),
        "pointing_az": u.Quantity(pointing_az, "rad"),
        "reco_energy": u.Quantity(energy, "TeV"),
        "reco_alt": u.Quantity(reco_alt, "deg"),
        "reco_az": u.Quantity(reco_az, "deg"),
        "gammaness": gammaness,
        "pointing_ra": u.Quantity(pointing_ra, "deg"),
        "pointing_dec": u.Quantity(pointing_dec, "deg"),
        "reco_ra": u.Quantity(reco_ra, "deg"),
        "reco_dec": u.Quantity(reco_dec, "deg"),
    }
    known = np.logical_and.reduce([~np.isnan(values) for values in table.values()])
    return QTable({name: values[known] for name, values in table.items()})


def _spherical(vector: list[Floats], unit: str) -> tuple[Floats, Floats]:
    """Return longitude and latitude of mean vectors, as ``calculate_mean_direction``."""
    from astropy.coordinates import SkyCoord

    x, y, z = vector
    mean = SkyCoord(x=x, y=y, z=z, representation_type="cartesian").spherical
    return mean.lon.to_value(unit), mean.lat.to_value(unit)


def _icrs(alt: Any, az: Any, obstime: Any) -> tuple[Floats, Floats]:
    """Return right ascension and declination in deg, as ``transform_altaz_to_radec``."""
    import astropy.units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord

    location = EarthLocation.from_geodetic(lon=ORM_LON_DEG * u.deg, lat=ORM_LAT_DEG * u.deg, height=ORM_HEIGHT_M * u.m)
    frame = AltAz(location=location, obstime=obstime)
    coord = SkyCoord(alt=alt, az=az, frame=frame).transform_to("icrs")
    return coord.ra.to_value("deg"), coord.dec.to_value("deg")
