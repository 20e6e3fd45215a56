"""Small DL3 folders as magic-cta-pipe writes them, brought to their format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.time import Time

from stereo_tasks.gadf.amend import amend_dl3, amend_index
from stereo_tasks.kernels.index import create_dl3_index_files

START_S, LENGTH_S = 1704922987.0, 100.0
ENERGY_TEV = np.geomspace(0.01, 100, 9)


def write_folder(folder: Path, runs: Iterable[int], events: int = 50, seed: int = 0) -> Path:
    """Write DL3 of some runs with their index."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.fits.gz"):
        path.unlink()
    for run in runs:
        write_run(folder / f"dl3_MAGIC_LST-1.Run{run:05d}.fits.gz", run, events, seed)
    write_index(folder)
    return folder


def write_index(folder: Path) -> None:
    """Write the index files of a folder."""
    create_dl3_index_files(str(folder))
    headers = [fits.getheader(path, "EVENTS") for path in sorted(folder.glob("dl3_*"))]
    amend_index(
        folder / "hdu-index.fits.gz", folder / "obs-index.fits.gz", {int(one["OBS_ID"]): one for one in headers}
    )


def write_run(path: Path, run: int, events: int = 50, seed: int = 0) -> None:
    """Write the DL3 file of one run."""
    hdus = fits.HDUList([fits.PrimaryHDU(), _events(run, events, seed), _gti(run), _pointing(run), *_responses()])
    amend_dl3(hdus, "magic-cta-pipe 0.6.2")
    hdus.writeto(path, overwrite=True)


def _table(
    name: str, columns: dict[str, tuple[str, str | None, np.ndarray]], cards: dict[str, object]
) -> fits.BinTableHDU:
    made = [fits.Column(key, form, unit, array=values) for key, (form, unit, values) in columns.items()]
    return fits.BinTableHDU.from_columns(made, header=fits.Header(cards.items()), name=name)


def _times(run: int) -> dict[str, object]:
    return {
        "OBS_ID": run, "MJDREFI": 40587.0, "MJDREFF": 0.0, "TIMEUNIT": "s", "TIMESYS": "UTC", "TIMEREF": "TOPOCENTER",
    }  # fmt: skip


def _events(run: int, number: int, seed: int) -> fits.BinTableHDU:
    rng = np.random.default_rng([seed, run])
    start_s = START_S + 1000 * run
    dates = [Time(time_s, format="unix", scale="utc").iso.split() for time_s in (start_s, start_s + LENGTH_S)]
    cards = {
        "HDUCLAS1": "EVENTS", **_times(run), "DATE-OBS": dates[0][0], "TIME-OBS": dates[0][1],
        "DATE-END": dates[1][0], "TIME-END": dates[1][1], "TSTART": start_s, "TSTOP": start_s + LENGTH_S,
        "ONTIME": LENGTH_S, "TELAPSE": LENGTH_S, "DEADC": 0.95, "LIVETIME": 0.95 * LENGTH_S, "OBJECT": "CrabNebula",
        "OBS_MODE": "WOBBLE", "N_TELS": 3, "TELLIST": "LST1_M1_M2", "INSTRUME": "LST1_M1_M2", "GEOLON": -17.89,
        "GEOLAT": 28.76, "ALTITUDE": 2199.0, "RA_PNT": 83.8813, "DEC_PNT": 22.3419, "ALT_PNT": 66.0, "AZ_PNT": 99.5,
        "RA_OBJ": 83.6331, "DEC_OBJ": 22.0145,
    }  # fmt: skip
    columns = {
        "EVENT_ID": ("K", None, np.arange(number)),
        "TIME": ("D", "s", np.sort(rng.uniform(start_s, start_s + LENGTH_S, number))),
        "RA": ("D", "deg", rng.normal(83.63, 0.3, number)),
        "DEC": ("D", "deg", rng.normal(22.01, 0.3, number)),
        "ENERGY": ("D", "TeV", 0.05 * rng.pareto(1.5, number) + 0.05),
    }
    return _table("EVENTS", columns, cards)


def _gti(run: int) -> fits.BinTableHDU:
    start_s = START_S + 1000 * run
    columns = {"START": ("D", "s", np.array([start_s])), "STOP": ("D", "s", np.array([start_s + LENGTH_S]))}
    return _table("GTI", columns, {"HDUCLAS1": "GTI", **_times(run)})


def _pointing(run: int) -> fits.BinTableHDU:
    values = {"TIME": START_S, "RA_PNT": 83.8813, "DEC_PNT": 22.3419}
    columns = {name: ("D", "s" if name == "TIME" else "deg", np.array([value])) for name, value in values.items()}
    return _table("POINTING", columns, {"HDUCLAS1": "POINTING", **_times(run)})


def _responses() -> list[fits.BinTableHDU]:
    bins = len(ENERGY_TEV) - 1
    migration = np.linspace(0.2, 5, 11)
    energy = {
        "ENERG_LO": (f"{bins}D", "TeV", ENERGY_TEV[None, :-1]),
        "ENERG_HI": (f"{bins}D", "TeV", ENERGY_TEV[None, 1:]),
    }
    offset = {"THETA_LO": ("D", "deg", np.array([0.3])), "THETA_HI": ("D", "deg", np.array([0.5]))}
    migra = {"MIGRA_LO": ("10D", None, migration[None, :-1]), "MIGRA_HI": ("10D", None, migration[None, 1:])}
    cards = {"HDUCLAS1": "RESPONSE", "HDUCLAS3": "POINT-LIKE", "TELESCOP": "CTA-N"}
    area = np.linspace(1e3, 1e5, bins)[None, None, :]
    matrix = np.full((1, 1, 10, bins), 1 / 4.8)
    area_hdu = _table(
        "EFFECTIVE AREA",
        {**energy, **offset, "EFFAREA": (f"{bins}D", "m2", area)},
        {**cards, "HDUCLAS2": "EFF_AREA", "HDUCLAS4": "AEFF_2D", "RAD_MAX": 0.2},
    )
    dispersion = _table(
        "ENERGY DISPERSION",
        {**energy, **migra, **offset, "MATRIX": (f"{10 * bins}D", None, matrix)},
        {**cards, "HDUCLAS2": "EDISP", "HDUCLAS4": "EDISP_2D"},
    )
    area_hdu.columns["EFFAREA"].dim, dispersion.columns["MATRIX"].dim = f"({bins},1)", f"({bins},10,1)"
    return [area_hdu, dispersion]
