"""DL2 files and IRFs with drawn values, in the forms that magic-cta-pipe writes."""

import astropy.units as u
import numpy as np
import tables
from astropy.io import fits
from magicctapipe.io import create_gh_cuts_hdu
from pyirf.io import create_aeff2d_hdu, create_energy_dispersion_hdu, create_rad_max_hdu
from stereo_files import draw

ENERGY = np.geomspace(0.01, 1000, 11) * u.TeV
MIGRATION = np.geomspace(0.2, 5, 8)
OFFSET = [0.3, 0.5] * u.deg
NODES = ((12.0, 117.4), (20.0, 102.6), (30.0, 93.9), (24.0, 130.0), (41.0, 99.0))
ZENITH_DEG = 22.0


def write_dl2(path, seed=1, n_events=200, **columns):
    """Write a DL2 file of events around a zenith angle of 22 deg."""
    frame = draw(seed, n_events)
    rng = np.random.default_rng(seed + 1)
    n = len(frame)
    frame["combo_type"] = 0
    frame["pointing_alt"] = np.deg2rad(90 - ZENITH_DEG) + rng.normal(0, 1e-4, n)
    frame["pointing_az"] = 1.79 + rng.normal(0, 1e-4, n)
    frame["reco_energy"], frame["reco_energy_var"] = 10 ** rng.normal(-0.7, 0.5, n), rng.exponential(0.1, n)
    frame["reco_disp_var"], frame["gammaness_var"] = rng.exponential(0.1, n), rng.uniform(0.01, 0.25, n)
    frame["reco_alt"] = 90 - ZENITH_DEG + rng.normal(0, 0.5, n)
    frame["reco_az"] = 102.6 + rng.normal(0, 1, n)
    frame["disp_diff_mean"] = rng.exponential(0.1, len(frame))
    frame["gammaness"] = rng.random(n)
    for name, values in columns.items():
        frame[name] = values
    for name in ("reco_energy", "gammaness", "reco_az"):  # some of the three: they are averaged without
        frame.loc[rng.random(n) < 0.02, name] = np.nan
    with tables.open_file(str(path), "w") as file:
        file.create_table("/events", "parameters", obj=frame.to_records(index=False), createparents=True)
    return path


def write_irfs(folder, nodes=NODES[:3], *, theta="global", gammaness="dynamic", **cards):
    """Write point-like IRFs of some nodes."""
    folder.mkdir(exist_ok=True, parents=True)
    for zenith_deg, azimuth_deg in nodes:
        rng = np.random.default_rng(int(zenith_deg))
        header = {
            "TELESCOP": "CTA-N", "INSTRUME": "LST-1_MAGIC", "FOVALIGN": "RADEC",
            "PNT_ZD": (zenith_deg, "deg"), "PNT_AZ": (azimuth_deg, "deg"),
            "EVT_TYPE": "software", "DL2_WEIG": "intensity", "QUAL_CUT": "disp_diff_mean < 0.22",
        }  # fmt: skip
        header |= {"GH_CUT": 0.6} if gammaness == "global" else {"GH_EFF": 0.9, "GH_MIN": 0.05, "GH_MAX": 0.85}
        if theta == "global":
            header["RAD_MAX"] = (0.2, "deg")
        header = {key: value for key, value in (header | cards).items() if value is not None}
        shape = (len(ENERGY) - 1, 1)
        area = np.where(rng.random(shape) < 0.2, 0.0, 10 ** rng.uniform(-1, 5, shape))
        dispersion = rng.random((shape[0], len(MIGRATION) - 1, 1))
        dispersion[2] = 0
        hdus = fits.HDUList([fits.PrimaryHDU()])
        if gammaness == "dynamic":
            hdus.append(create_gh_cuts_hdu(rng.uniform(0.2, 0.8, shape), ENERGY, OFFSET, **header))
        hdus.append(create_aeff2d_hdu(area * u.m**2, ENERGY, OFFSET, extname="EFFECTIVE AREA", **header))
        hdus.append(
            create_energy_dispersion_hdu(dispersion, ENERGY, MIGRATION, OFFSET, extname="ENERGY DISPERSION", **header)
        )
        if theta == "dynamic":
            hdus.append(create_rad_max_hdu(rng.uniform(0.1, 0.3, shape) * u.deg, ENERGY, OFFSET, **header))
        hdus.writeto(folder / f"irf_zd_{zenith_deg}deg_az_{azimuth_deg}deg.fits.gz", overwrite=True)
    return folder


def config(**changes):
    """Return a configuration."""
    section = {
        "interpolation_method": "linear",
        "interpolation_scheme": "cosZd",
        "max_distance": "45 deg",
        "source_name": "CrabNebula",
        "source_ra": "83.633212 deg",
        "source_dec": "22.01446 deg",
    }
    return {"dl2_to_dl3": {key: value for key, value in (section | changes).items() if value is not None}}
