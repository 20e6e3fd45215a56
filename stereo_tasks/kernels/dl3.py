"""DL2 -> DL3 with point-like IRFs, as ``lst1_magic_dl2_to_dl3`` of magic-cta-pipe 0.6.2.

Coordinates, times and FITS are astropy's; what magic-cta-pipe does with pandas, image by image, is done with arrays.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tables
from astropy.io import fits

from stereo_tasks.kernels import irf_cuts
from stereo_tasks.kernels import irfs as irf
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.images import INDEX, Floats, Images, first_images, stereo_events
from stereo_tasks.kernels.means import means, sums

log = logging.getLogger(__name__)

EVENTS = "/events/parameters"
ROWS_A_BLOCK = 65_536

LST_DEAD_TIME_S = 7.599999999999999e-06  # 7.6 us, as astropy converts it
MAGIC_DEAD_TIME_S = 26e-6
GAP_S = 1.0
"""Larger differences of times do not count as ON time, nor for the dead time."""

NO_EVENT = 6
"""magic-cta-pipe's exit code if no event survives the gammaness cut."""

EVENTS_AT_MOST = 1_000_000
"""From there on pandas computes powers with numexpr, which may round otherwise than numpy."""

ORM_LON_DEG, ORM_LAT_DEG, ORM_HEIGHT_M = -17.89064, 28.76177, 2199.835
"""Where magic-cta-pipe transforms directions."""

REFERENCE_CARDS = (
    ("GEOLON", -17.890878999999984, "deg"),
    ("GEOLAT", 28.761578999999994, "deg"),
    ("ALTITUDE", 2199.0, "m"),
)
"""ctapipe_io_lst's reference location of the array, as it stands in the headers."""

TELESCOPES = ("LST1_M1", "LST1_M1_M2", "LST1_M2", "M1_M2")

_TYPES = {"software": (0, 1, 2), "software_only_3tel": (1,), "magic_only": (3,), "hardware": (0, 1, 2, 3)}
_WEIGHTS: dict[str, dict[str, str]] = {
    "simple": {},
    "intensity": {"energy": "intensity", "direction": "intensity", "gammaness": "intensity"},
    "variance": {"energy": "reco_energy_var", "direction": "reco_disp_var", "gammaness": "gammaness_var"},
}
_COLUMNS = (
    "timestamp", "time_diff", "pointing_alt", "pointing_az", "reco_energy", "reco_alt", "reco_az", "gammaness",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choices:
    """What the configuration asks for."""

    method: str
    scheme: str
    max_distance: str | None
    source_name: str
    source_ra: str
    source_dec: str


def dl2_to_dl3(input_file_dl2: str, input_dir_irf: str, output_dir: str, config: dict[str, Any]) -> None:
    """Make a DL3 file of a DL2 file, with IRFs interpolated to its mean pointing.

    The position of the source is the configuration's, which magic-cta-pipe takes where it cannot ask a name server.

    Parameters
    ----------
    input_file_dl2 : str
        DL2 file of real data.
    input_dir_irf : str
        Folder of the IRFs of the nodes.
    output_dir : str
        Folder for the DL3 file.
    config : dict
        magic-cta-pipe's configuration; unlike there, nothing is taken out of it.

    Raises
    ------
    NotCovered
        Before anything is written: if magic-cta-pipe's own tool must do it.
    SystemExit
        With 5 if the pointing is outside of the IRFs, with 6 if no event survives the gammaness cut.
    """
    import astropy.units as u
    from astropy.stats import circmean

    choices = _choices(config["dl2_to_dl3"])
    irfs = irf.load(input_dir_irf)
    images = _select(Path(input_file_dl2), irfs.header)
    events = mean_events(images, irfs.header["DL2_WEIG"])
    on_time, deadc = _on_time(events["timestamp"]), _dead_time_correction(images)

    coszd = np.sin(events["pointing_alt"]).mean().value
    az_rad = circmean(events["pointing_az"]).to_value("rad")
    if choices.max_distance is not None:
        irfs = irf.within(irfs, coszd, az_rad, u.Quantity(choices.max_distance).to_value("deg"))
    method = irf.method_at(irfs, coszd, choices.method)
    if choices.scheme == "cosZd":
        parts = irf.interpolated(irfs, irfs.nodes[:, 0], np.array([coszd]), method)
    else:
        parts = irf.interpolated(irfs, irfs.nodes, np.array([coszd, az_rad]), method)
    header = {**irfs.header, "IRF_INTP": method}

    events = events[_gamma_like(events, irfs, parts)]
    if not len(events):
        raise SystemExit(NO_EVENT)
    hdus = fits.HDUList([fits.PrimaryHDU(), *_event_hdus(events, on_time, deadc, choices)])
    hdus.extend(irf.hdus(parts, irfs.bins, header))
    target = Path(output_dir) / Path(input_file_dl2).name.replace("dl2", "dl3").replace(".h5", ".fits.gz")
    Path(output_dir).mkdir(exist_ok=True, parents=True)
    hdus.writeto(target, overwrite=True)
    log.info("%s: %d events", target, len(events))


def _choices(config: dict[str, Any]) -> Choices:
    known = {
        "interpolation_method", "interpolation_scheme", "max_distance", "source_name", "source_ra", "source_dec",
    }  # fmt: skip
    if unknown := set(config) - known:
        raise NotCovered(f"settings of dl2_to_dl3: {', '.join(sorted(unknown))}")
    if lost := [key for key in known - {"max_distance"} if config.get(key) is None]:
        raise NotCovered(f"no {', '.join(sorted(lost))} in dl2_to_dl3: a name server is asked")
    if config["interpolation_scheme"] not in ("cosZd", "cosZdAz"):
        raise NotCovered(f"interpolation_scheme {config['interpolation_scheme']}")
    return Choices(
        config["interpolation_method"],
        config["interpolation_scheme"],
        config.get("max_distance"),
        config["source_name"],
        config["source_ra"],
        config["source_dec"],
    )


# --- events ----------------------------------------------------------------------------------------------------------


def _select(path: Path, header: dict[str, Any]) -> Images:
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


def _on_time(timestamp: Any) -> Any:
    import astropy.units as u

    differences = np.diff(timestamp)
    return differences[differences < GAP_S * u.s].sum()


def _dead_time_correction(images: Images) -> Any:
    """Return 1 - dead time / mean time difference: that of LST-1, if it is there, times that of a MAGIC telescope."""
    counted = (images["time_diff"] > 0) & (images["time_diff"] < GAP_S)
    difference_s = {tel_id: images["time_diff"][counted & (images["tel_id"] == tel_id)] for tel_id in (1, 2, 3)}
    factors = []
    if len(difference_s[1]):
        factors.append(1 - LST_DEAD_TIME_S / _mean(difference_s[1]))
    one, other = difference_s[2], difference_s[3]
    factors.append(1 - MAGIC_DEAD_TIME_S / _mean(one if len(one) > len(other) else other))
    return np.prod(factors)


def _mean(values: Floats) -> Any:
    return values.sum() / np.float64(len(values)) if len(values) else np.float64(np.nan)


def _gamma_like(events: Any, irfs: irf.Irfs, parts: dict[str, Floats]) -> npt.NDArray[np.bool_]:
    """Return which events pass the gammaness cut of the IRFs."""
    if "GH_CUT" in irfs.header:
        passed: npt.NDArray[np.bool_] = np.asarray(events["gammaness"]) > irfs.header["GH_CUT"]
        return passed
    if "gh_cuts" not in parts:
        raise NotCovered("IRFs without a gammaness cut")
    cuts = parts["gh_cuts"].T[0]
    index = np.digitize(events["reco_energy"].to_value("TeV"), irfs.bins["energy"]) - 1
    valid = (index >= 0) & (index < len(cuts))
    passed = np.zeros(len(events), bool)
    passed[valid] = np.asarray(events["gammaness"])[valid] >= cuts[index[valid]]
    return passed


# --- HDUs ------------------------------------------------------------------------------------------------------------


def _event_hdus(events: Any, on_time: Any, deadc: Any, choices: Choices) -> list[fits.BinTableHDU]:
    """Return the HDUs of events, good time intervals and pointing, as ``magicctapipe.io.gadf`` makes them."""
    import astropy.units as u
    from astropy.table import QTable
    from astropy.time import Time

    fraction, days = np.modf(Time(0, format="unix", scale="utc").mjd)
    reference = [("MJDREFI", days), ("MJDREFF", fraction), ("TIMEUNIT", "s"), ("TIMESYS", "UTC")]
    reference += [("TIMEREF", "TOPOCENTER")]
    obs_id = np.unique(events["obs_id"])[0]
    pointing = _mean_pointing(events)
    first, last = (u.Quantity(events["timestamp"][i], ndmin=1) for i in (0, -1))

    def begin(kind: str) -> list[tuple[Any, ...]]:
        return [("CREATED", irf.now()), ("HDUCLAS1", kind), ("OBS_ID", obs_id)]

    event_hdu = fits.BinTableHDU(
        _event_table(events),
        header=fits.Header(begin("EVENTS") + _event_cards(events, on_time, deadc, choices, reference, pointing)),
        name="EVENTS",
    )
    gti_hdu = fits.BinTableHDU(
        QTable({"START": first, "STOP": last}), header=fits.Header(begin("GTI") + reference), name="GTI"
    )
    names = ("RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT")
    units = ("deg", "deg", "deg", "deg")
    columns = {name: u.Quantity(value, ndmin=1) for name, value in zip(names, pointing, strict=True)}
    for name, unit in zip(names[2:], units[2:], strict=True):
        columns[name] = columns[name].to(unit)
    place = [
        ("OBSGEO-L", ORM_LON_DEG, "Geographic longitude (deg)"),
        ("OBSGEO-B", ORM_LAT_DEG, "Geographic latitude (deg)"),
        ("OBSGEO-H", ORM_HEIGHT_M, "Geographic height (m)"),
    ]
    pointing_hdu = fits.BinTableHDU(
        QTable({"TIME": first, **columns}), header=fits.Header(begin("POINTING") + reference + place), name="POINTING"
    )
    return [event_hdu, gti_hdu, pointing_hdu]


def _event_table(events: Any) -> Any:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    galactic = SkyCoord(ra=events["reco_ra"], dec=events["reco_dec"], frame="icrs").galactic
    return QTable(
        {
            "EVENT_ID": events["event_id"],
            "TIME": events["timestamp"],
            "RA": events["reco_ra"],
            "DEC": events["reco_dec"],
            "ENERGY": events["reco_energy"],
            "GAMMANESS": events["gammaness"],
            "MULTIP": events["multiplicity"],
            "GLON": galactic.l.to("deg"),
            "GLAT": galactic.b.to("deg"),
            "ALT": events["reco_alt"].to("deg"),
            "AZ": events["reco_az"].to("deg"),
        }
    )


def _event_cards(
    events: Any, on_time: Any, deadc: Any, choices: Choices, reference: list[Any], pointing: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    from astropy.coordinates import SkyCoord
    from astropy.time import Time

    start, stop = (Time(events["timestamp"][i], format="unix", scale="utc") for i in (0, -1))
    start_iso, stop_iso = (time.to_value("iso", "date_hms") for time in (start, stop))
    source = SkyCoord(ra=choices.source_ra, dec=choices.source_dec, frame="icrs")
    combinations = "_".join(TELESCOPES[number] for number in np.unique(events["combo_type"]))
    telescopes = "_".join(sorted(set(combinations.split("_"))))
    ra, dec, alt, az = (value.to_value("deg") for value in pointing)
    return [
        ("DATE-OBS", start_iso[:10]),
        ("TIME-OBS", start_iso[11:]),
        ("DATE-END", stop_iso[:10]),
        ("TIME-END", stop_iso[11:]),
        ("TSTART", start.value),
        ("TSTOP", stop.value),
        *reference,
        ("ONTIME", on_time.value),
        ("TELAPSE", (stop - start).to_value("s")),
        ("DEADC", deadc),
        ("LIVETIME", (on_time * deadc).value),
        ("OBJECT", choices.source_name),
        ("OBS_MODE", "WOBBLE"),
        ("N_TELS", np.max(events["multiplicity"])),
        ("TELLIST", telescopes),
        ("INSTRUME", telescopes),
        *REFERENCE_CARDS,
        ("RA_PNT", ra, "deg"),
        ("DEC_PNT", dec, "deg"),
        ("ALT_PNT", alt, "deg"),
        ("AZ_PNT", az, "deg"),
        ("RA_OBJ", source.ra.to_value("deg"), "deg"),
        ("DEC_OBJ", source.dec.to_value("deg"), "deg"),
        ("FOVALIGN", "RADEC"),
    ]


def _mean_pointing(events: Any) -> tuple[Any, Any, Any, Any]:
    """Return mean RA, Dec, altitude and azimuth without the first 15 % and the last 5 % of the events."""
    from astropy.stats import circmean

    first, last = int(len(events) * 0.15), int(len(events) * (1 - 0.05))
    middle = events[first:last]
    return (
        circmean(middle["pointing_ra"]),
        middle["pointing_dec"].mean(),
        middle["pointing_alt"].mean(),
        circmean(middle["pointing_az"]),
    )
