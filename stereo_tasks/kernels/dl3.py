"""DL2 -> DL3 with point-like IRFs, as ``lst1_magic_dl2_to_dl3`` of magic-cta-pipe 0.6.2.

Coordinates, times and FITS are astropy's; what magic-cta-pipe does with pandas, image by image, is done with arrays.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from stereo_tasks.kernels import irfs as irf
from stereo_tasks.kernels.dl3_events import mean_events, select
from stereo_tasks.kernels.dl3_hdus import Choices, event_hdus
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.images import Floats, Images

log = logging.getLogger(__name__)

LST_DEAD_TIME_S = 7.599999999999999e-06  # 7.6 us, as astropy converts it
MAGIC_DEAD_TIME_S = 26e-6
GAP_S = 1.0
"""Larger differences of times do not count as ON time, nor for the dead time."""

NO_EVENT = 6
"""magic-cta-pipe's exit code if no event survives the gammaness cut."""


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
    images = select(Path(input_file_dl2), irfs.header)
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
    hdus = fits.HDUList([fits.PrimaryHDU(), *event_hdus(events, on_time, deadc, choices)])
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
