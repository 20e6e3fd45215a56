"""DL3 drawn from a known spectrum: point-like (one theta cut, or one by energy) or full-enclosure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits

NAME, RA_DEG, DEC_DEG = "Mrk421", 166.1138, 38.2088
DEADC = 0.95
PSF_DEG = 0.05
FIRST_RUN = 100
_START_S = 1704922987.0  # 2024-01-10 21:43:07 UTC
_UNIX_MJD = 40587
_ENERGY = np.geomspace(0.02, 50, 35)  # TeV, edges of true energy and of the theta cut
_MIGRATION = np.geomspace(0.3, 3, 51)
_RESOLUTION = 0.15
_OFFSET = (0.2, 0.8)


@dataclass(frozen=True)
class Sky:
    """What is injected, and what the IRFs are."""

    amplitude: float = 3.2e-11
    """At 1 TeV, in 1 / (TeV cm2 s)."""
    alpha: float = 2.4
    beta: float = 0.1
    """Curvature, natural logarithm."""
    background_hz: float = 0.5
    """In the whole field of view."""
    offset_deg: float = 0.4
    seconds: float = 1200.0
    kind: str = "table"
    """Of the IRFs: ``table`` and ``fixed`` are point-like, ``full`` is full-enclosure."""
    reference_mjd: int = 58392
    """From which times count, in UTC and days of 86400 s."""


def cut_deg(energy_tev: Any, kind: str) -> Any:
    """Return the theta cut in deg."""
    if kind == "table":
        return np.interp(np.log10(energy_tev), [-1.0, 0.5], [0.2, 0.1])
    return np.full_like(np.asarray(energy_tev, dtype=float), 0.14)


def write_folder(
    folder: Path,
    *,
    runs: int = 2,
    seed: int = 1,
    first_run: int = FIRST_RUN,
    nights: Sequence[int] | None = None,
    factors: Sequence[float] | None = None,
    quality: Sequence[int] | None = None,
    **sky: Any,
) -> Path:
    """Write runs with their index.

    Parameters
    ----------
    nights : sequence of int, optional
        Of each run, counted from the first.
    factors : sequence of float, optional
        By which the flux of each run is multiplied.
    quality : sequence of int, optional
        ``QUALITY`` of each run; without it the index has no such column.
    """
    injected = Sky(**sky)
    rows = []
    for number in range(runs):
        one = replace(injected, amplitude=injected.amplitude * (factors[number] if factors else 1.0))
        start_s = _START_S + 1500.0 * number + 86400.0 * (nights[number] if nights else 0)
        path = folder / f"run{first_run + number}.fits"
        rows.append((path.name, write_run(path, first_run + number, one, start_s, 35 + 180 * number, seed + number)))
    _write_index(folder, rows, quality)
    return folder


def write_run(path: Path, run: int, sky: Sky, start_s: float, angle_deg: float, seed: int) -> list[fits.BinTableHDU]:
    """Write a run that points at a position angle of the source; return its HDUs."""
    rng = np.random.default_rng(seed)
    source = SkyCoord(RA_DEG, DEC_DEG, unit="deg")
    pointing = source.directional_offset_by(angle_deg * u.deg, sky.offset_deg * u.deg)
    start_s -= 86400 * (sky.reference_mjd - _UNIX_MJD)
    times = {"MJDREFI": sky.reference_mjd, "MJDREFF": 0.0, "TIMEUNIT": "s", "TIMESYS": "UTC", "TIMEREF": "LOCAL"}
    gti = _table("GTI", {"START": ([start_s], "s"), "STOP": ([start_s + sky.seconds], "s")}, "GTI", **times)
    events = _events(rng, sky, source, pointing, start_s)
    cards = {
        **times, "OBS_ID": run, "OBJECT": NAME, "RA_OBJ": RA_DEG, "DEC_OBJ": DEC_DEG, "RA_PNT": pointing.ra.deg,
        "DEC_PNT": pointing.dec.deg, "ALT_PNT": 70.0, "AZ_PNT": 100.0, "TSTART": start_s,
        "TSTOP": start_s + sky.seconds, "ONTIME": sky.seconds, "LIVETIME": DEADC * sky.seconds, "DEADC": DEADC,
        "OBS_MODE": "POINTING", "TELESCOP": "SIM", "INSTRUME": "SIM", "RADECSYS": "ICRS", "EQUINOX": 2000.0,
        "GEOLON": -17.89, "GEOLAT": 28.76, "ALTITUDE": 2200.0,
    }  # fmt: skip
    hdus = [_table("EVENTS", events, "EVENTS", **cards), gti, *_responses(sky)]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return hdus


def _area_m2(energy_tev: Any) -> Any:
    """Return the effective area before any theta cut."""
    return np.where((energy_tev > 0.03) & (energy_tev < 40), 1.5e5 / (1 + (energy_tev / 0.12) ** -3), 0.0)


def _events(
    rng: np.random.Generator, sky: Sky, source: SkyCoord, pointing: SkyCoord, start_s: float
) -> dict[str, tuple[Any, str]]:
    fine = np.geomspace(_ENERGY[0], _ENERGY[-1], 4001)
    middle = np.sqrt(fine[1:] * fine[:-1])
    flux = sky.amplitude * middle ** (-sky.alpha - sky.beta * np.log(middle))
    expected = flux * _area_m2(middle) * 1e4 * DEADC * sky.seconds * np.diff(fine)
    n_gamma, n_hadron = rng.poisson(expected.sum()), rng.poisson(sky.background_hz * sky.seconds)
    true_energy = rng.choice(middle, n_gamma, p=expected / expected.sum()) if n_gamma else np.empty(0)
    gamma = source.directional_offset_by(rng.uniform(0, 360, n_gamma) * u.deg, rng.rayleigh(PSF_DEG, n_gamma) * u.deg)
    # The acceptance falls off with the distance from the pointing, as that of real cameras does.
    hadron = pointing.directional_offset_by(rng.uniform(0, 360, n_hadron) * u.deg, rng.rayleigh(0.7, n_hadron) * u.deg)
    number = n_gamma + n_hadron
    energy = np.append(
        true_energy * rng.lognormal(0, _RESOLUTION, n_gamma), 0.05 * rng.uniform(size=n_hadron) ** (-1 / 1.7)
    )
    order = rng.permutation(number)
    return {
        "EVENT_ID": (np.arange(number), ""),
        "TIME": (start_s + np.sort(rng.uniform(0, sky.seconds, number)), "s"),
        "RA": (np.append(gamma.ra.deg, hadron.ra.deg)[order], "deg"),
        "DEC": (np.append(gamma.dec.deg, hadron.dec.deg)[order], "deg"),
        "ENERGY": (energy[order], "TeV"),
    }


def _responses(sky: Sky) -> list[fits.BinTableHDU]:
    centers, mu = np.sqrt(_ENERGY[1:] * _ENERGY[:-1]), np.sqrt(_MIGRATION[1:] * _MIGRATION[:-1])
    weight = np.exp(-0.5 * (np.log(mu) / _RESOLUTION) ** 2) * np.diff(np.log(_MIGRATION))
    kept = np.tile(weight / weight.sum(), (len(centers), 1))
    if sky.kind != "full":
        kept *= 1 - np.exp(-(cut_deg(centers[:, np.newaxis] * mu, sky.kind) ** 2) / (2 * PSF_DEG**2))
    energy = {"ENERG_LO": ([_ENERGY[:-1]], "TeV"), "ENERG_HI": ([_ENERGY[1:]], "TeV")}
    theta = {"THETA_LO": ([[_OFFSET[0]]], "deg"), "THETA_HI": ([[_OFFSET[1]]], "deg")}
    migration = {"MIGRA_LO": ([_MIGRATION[:-1]], ""), "MIGRA_HI": ([_MIGRATION[1:]], "")}
    area = [(_area_m2(centers) * kept.sum(axis=1))[np.newaxis]]
    matrix = [(kept / kept.sum(axis=1, keepdims=True) / np.diff(_MIGRATION)).T[np.newaxis]]
    enclosure = "FULL-ENCLOSURE" if sky.kind == "full" else "POINT-LIKE"

    def response(name: str, columns: dict[str, tuple[Any, str]], kind: str, what: str, **more: Any) -> Any:
        cards = {"HDUCLAS2": what, "HDUCLAS3": enclosure, "HDUCLAS4": kind, **more}
        return _table(name, columns, "RESPONSE", **cards)

    cut = {"RAD_MAX": float(cut_deg(1.0, "fixed"))} if sky.kind == "fixed" else {}
    hdus = [
        response("EFFECTIVE AREA", {**energy, **theta, "EFFAREA": (area, "m2")}, "AEFF_2D", "EFF_AREA", **cut),
        response("ENERGY DISPERSION", {**energy, **migration, **theta, "MATRIX": (matrix, "")}, "EDISP_2D", "EDISP"),
    ]
    if sky.kind == "table":
        table = [cut_deg(centers, sky.kind)[np.newaxis]]
        hdus.append(response("RAD_MAX", {**energy, **theta, "RAD_MAX": (table, "deg")}, "RAD_MAX_2D", "RAD_MAX"))
    if sky.kind == "full":
        radius = np.linspace(0, 0.4, 81)
        middle = 0.5 * (radius[1:] + radius[:-1])
        density = np.exp(-0.5 * (middle / PSF_DEG) ** 2) / (2 * np.pi * np.radians(PSF_DEG) ** 2)
        psf = [np.tile(density[:, np.newaxis, np.newaxis], (1, 1, len(centers)))]
        rad = {"RAD_LO": ([radius[:-1]], "deg"), "RAD_HI": ([radius[1:]], "deg")}
        hdus.append(response("PSF", {**energy, **theta, **rad, "RPSF": (psf, "sr-1")}, "PSF_TABLE", "RPSF"))
    return hdus


def _table(name: str, columns: dict[str, tuple[Any, str]], kind: str, **cards: Any) -> fits.BinTableHDU:
    made = []
    for key, (values, unit) in columns.items():
        array = np.asarray(values)
        form = "K" if array.dtype.kind == "i" else "D"
        size = int(np.prod(array.shape[1:]))
        dim = f"({','.join(map(str, array.shape[:0:-1]))})" if array.ndim > 2 else None
        made.append(fits.Column(key, f"{size}{form}", unit or None, array=array, dim=dim))
    header = fits.Header({"HDUCLASS": "GADF", "HDUVERS": "0.3", "HDUCLAS1": kind, **cards})
    return fits.BinTableHDU.from_columns(made, header=header, name=name)


_TYPES: dict[str, tuple[str, Callable[[fits.Header], str]]] = {
    "EVENTS": ("events", lambda _: "events"),
    "GTI": ("gti", lambda _: "gti"),
    "EFFECTIVE AREA": ("aeff", lambda header: header["HDUCLAS4"].lower()),
    "ENERGY DISPERSION": ("edisp", lambda header: header["HDUCLAS4"].lower()),
    "RAD_MAX": ("rad_max", lambda header: header["HDUCLAS4"].lower()),
    "PSF": ("psf", lambda header: header["HDUCLAS4"].lower()),
}


def _write_index(
    folder: Path, runs: Sequence[tuple[str, list[fits.BinTableHDU]]], quality: Sequence[int] | None
) -> None:
    rows = [
        (hdus[0].header["OBS_ID"], _TYPES[hdu.name][0], _TYPES[hdu.name][1](hdu.header), ".", name, hdu.name)
        for name, hdus in runs
        for hdu in hdus
    ]
    names = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
    columns = [
        fits.Column(name, "K" if name == "OBS_ID" else "30A", array=np.array(values))
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    ]
    index = fits.BinTableHDU.from_columns(columns, name="HDU_INDEX")
    index.writeto(folder / "hdu-index.fits.gz")
    headers = [hdus[0].header for _, hdus in runs]
    columns = [fits.Column("OBS_ID", "K", array=[header["OBS_ID"] for header in headers])]
    columns += [
        fits.Column(name, "D", unit, array=[header[name] for header in headers])
        for name, unit in (("RA_PNT", "deg"), ("DEC_PNT", "deg"), ("TSTART", "s"), ("TSTOP", "s"), ("DEADC", None))
    ]
    if quality is not None:
        columns.append(fits.Column("QUALITY", "K", array=list(quality)))
    cards = fits.Header({name: headers[0][name] for name in ("MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS")})
    fits.BinTableHDU.from_columns(columns, header=cards, name="OBS_INDEX").writeto(folder / "obs-index.fits.gz")
