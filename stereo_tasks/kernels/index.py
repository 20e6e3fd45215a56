"""Index files of DL3, as ``create_dl3_index_files`` of magic-cta-pipe 0.6.2 makes them with lstchain."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

from astropy.io import fits

from stereo_tasks.kernels.errors import NotCovered

LSTCHAIN_HEADER = (
    ("CREATOR", "lstchain v0.12.3"),
    ("HDUDOC", "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats"),
    ("HDUVERS", "0.3"),
    ("HDUCLASS", "GADF"),
    ("ORIGIN", "CTA"),
    ("TELESCOP", "CTA-N"),
)
"""What lstchain begins its headers with."""

_FIXED = ("EVENTS", "GTI", "POINTING")
_UNITS = {
    **dict.fromkeys(("RA_PNT", "DEC_PNT", "ZEN_PNT", "ALT_PNT", "AZ_PNT", "RA_OBJ", "DEC_OBJ"), "deg"),
    **dict.fromkeys(("TSTART", "TSTOP", "ONTIME", "TELAPSE", "LIVETIME"), "s"),
}
_CARDS = (
    "OBS_ID", "DATE-OBS", "TIME-OBS", "DATE-END", "TIME-END", "RA_PNT", "DEC_PNT", "ZEN_PNT", "ALT_PNT", "AZ_PNT",
    "RA_OBJ", "DEC_OBJ", "TSTART", "TSTOP", "ONTIME", "TELAPSE", "LIVETIME", "DEADC", "OBJECT", "OBS_MODE", "N_TELS",
    "TELLIST", "INSTRUME",
)  # fmt: skip


def create_dl3_index_files(input_dir: str) -> None:
    """Write ``hdu-index.fits.gz`` and ``obs-index.fits.gz`` beside the DL3 files of a folder.

    Parameters
    ----------
    input_dir : str
        Folder of the DL3 files.

    Raises
    ------
    FileNotFoundError
        If there are none.
    NotCovered
        If one cannot be read: magic-cta-pipe leaves it out.
    """
    paths = [Path(path) for path in sorted(glob.glob(f"{input_dir}/dl3_*.fits.gz"))]  # noqa: PTH207
    if not paths:
        raise FileNotFoundError("Could not find any DL3 data files in the input directory.")
    hdu_rows: list[dict[str, Any]] = []
    obs_rows: list[dict[str, Any]] = []
    for path in paths:
        try:
            with fits.open(path) as hdus:
                header = hdus["EVENTS"].header
                hdu_rows += _hdu_rows(path, hdus, Path(input_dir))
                obs_rows.append(_obs_row(header))
        except (OSError, KeyError, IndexError) as error:
            raise NotCovered(f"{path.name} is not whole: {error}") from None
    folder = Path(input_dir)
    base = os.path.commonpath([folder.resolve(), paths[0].resolve()])
    _write(folder / "hdu-index.fits.gz", hdu_rows, {"HDUCLAS2": "HDU"}, header, {"BASE_DIR": base})
    times = {key: header[key] for key in ("MJDREFI", "MJDREFF")}
    _write(folder / "obs-index.fits.gz", obs_rows, {"HDUCLAS2": "OBS"}, header, times)


def _hdu_rows(path: Path, hdus: fits.HDUList, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each HDU: events, good time intervals, pointing, and IRFs but the gammaness cuts."""
    common = {
        "OBS_ID": hdus["EVENTS"].header["OBS_ID"],
        "HDU_TYPE": "",
        "HDU_CLASS": "",
        "FILE_DIR": os.path.relpath(path.parent, folder),
        "FILE_NAME": path.name,
        "HDU_NAME": "",
        "SIZE": path.stat().st_size,
    }
    rows = []
    for name in _FIXED:
        hdus[name].header  # noqa: B018 - must be there
        rows.append({**common, "HDU_TYPE": name.lower(), "HDU_CLASS": name.lower(), "HDU_NAME": name})
    for hdu in hdus[4:]:
        if hdu.header["EXTNAME"] in ("GH_CUTS", "AL_CUTS"):
            continue
        kind = hdu.header["HDUCLAS4"].lower()
        # As there: strips the letters of the last part, and not that part.
        stripped = kind.strip("_" + kind.split("_")[-1])
        rows.append({**common, "HDU_TYPE": stripped, "HDU_CLASS": kind, "HDU_NAME": hdu.name})
    return rows


def _obs_row(header: fits.Header) -> dict[str, Any]:
    import astropy.units as u

    values = {key: 90 - float(header["ALT_PNT"]) if key == "ZEN_PNT" else header[key] for key in _CARDS}
    return {key: value * u.Unit(_UNITS[key]) if key in _UNITS else value for key, value in values.items()}


def _write(
    path: Path, rows: list[dict[str, Any]], kind: dict[str, str], events: fits.Header, cards: dict[str, Any]
) -> None:
    from astropy.table import QTable
    from astropy.time import Time

    header = fits.Header(LSTCHAIN_HEADER)
    header["CREATED"] = Time.now().utc.iso
    header["HDUCLAS1"] = "INDEX"
    for key, value in {**kind, "INSTRUME": events["INSTRUME"], **cards}.items():
        header[key] = value
    table = fits.BinTableHDU(QTable(rows), header=header, name=f"{kind['HDUCLAS2']} INDEX")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
