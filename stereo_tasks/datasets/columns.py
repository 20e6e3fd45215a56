"""What the columns of the data sets mean, and in which unit they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    unit: str
    """As astropy reads it; empty for pure numbers."""
    meaning: str


_IDS = {
    "obs_id": Column("", "run of LST-1; of MAGIC for events without LST-1"),
    "event_id": Column("", "event of LST-1; of MAGIC for events without LST-1"),
    "tel_id": Column("", "telescope: 1 LST-1, 2 MAGIC-I, 3 MAGIC-II"),
    "obs_id_magic": Column("", "run of MAGIC"),
    "event_id_magic": Column("", "stereo event of MAGIC"),
    "obs_id_lst": Column("", "run of LST-1; -1 for events without LST-1"),
    "event_id_lst": Column("", "event of LST-1; -1 for events without LST-1"),
    "combo_type": Column("", "telescopes of the event: 0 LST-1 + M1, 1 LST-1 + M1 + M2, 2 LST-1 + M2, 3 M1 + M2"),
    "multiplicity": Column("", "number of telescopes of the event"),
    "magic_stereo": Column("", "whether both MAGIC telescopes triggered"),
}
_IMAGE = {
    "intensity": Column("", "charge of the image in photoelectrons"),
    "x": Column("m", "centre of gravity in the camera"),
    "y": Column("m", "centre of gravity in the camera"),
    "r": Column("m", "distance of the centre of gravity from the camera's centre"),
    "phi": Column("deg", "polar angle of the centre of gravity"),
    "psi": Column("deg", "orientation of the image"),
    "length": Column("m", "standard deviation along the image"),
    "length_uncertainty": Column("m", "uncertainty of length"),
    "width": Column("m", "standard deviation across the image"),
    "width_uncertainty": Column("m", "uncertainty of width"),
    "skewness": Column("", "third moment along the image"),
    "kurtosis": Column("", "fourth moment along the image"),
    "slope": Column("ns / m", "time gradient along the image"),
    "intercept": Column("ns", "time at the centre of gravity"),
    "n_pixels": Column("", "number of pixels after cleaning"),
    "n_islands": Column("", "number of islands after cleaning"),
    "intensity_width_1": Column("", "fraction of the charge in the outermost ring of pixels"),
    "intensity_width_2": Column("", "fraction of the charge in the two outermost rings of pixels"),
    "pixels_width_1": Column("", "fraction of the pixels in the outermost ring"),
    "pixels_width_2": Column("", "fraction of the pixels in the two outermost rings"),
    "concentration_cog": Column("", "fraction of the charge at the centre of gravity"),
    "concentration_core": Column("", "fraction of the charge within the ellipse"),
    "concentration_pixel": Column("", "fraction of the charge in the brightest pixel"),
    "disp_diff_sum": Column("deg", "sum of the distances between the directions of the telescopes"),
    "disp_diff_mean": Column("deg", "mean distance between the directions of the telescopes"),
}
_SHOWER = {
    "timestamp": Column("s", "time since 1970 UTC"),
    "time_diff": Column("s", "time since the event before, of the same telescope"),
    "alt": Column("deg", "altitude by the axes of the images"),
    "alt_uncert": Column("deg", "uncertainty of alt"),
    "az": Column("deg", "azimuth by the axes of the images"),
    "az_uncert": Column("deg", "uncertainty of az"),
    "core_x": Column("m", "impact point on ground, to the North"),
    "core_y": Column("m", "impact point on ground, to the West"),
    "impact": Column("m", "distance of the shower axis from the telescope"),
    "h_max": Column("m", "height of the shower maximum above the telescopes"),
    "is_valid": Column("", "whether the axes of the images gave a direction"),
    "reco_energy": Column("TeV", "reconstructed energy"),
    "reco_energy_var": Column("", "variance of log10(energy / TeV) over the trees of the forest"),
    "reco_disp": Column("deg", "reconstructed distance of the direction from the centre of gravity"),
    "reco_disp_var": Column("deg2", "variance of reco_disp over the trees of the forest"),
    "gammaness": Column("", "0 for a hadron, 1 for a gamma ray"),
    "gammaness_var": Column("", "variance of gammaness"),
    "reco_alt": Column("deg", "reconstructed altitude"),
    "reco_az": Column("deg", "reconstructed azimuth"),
    "pointing_alt": Column("rad", "altitude of the pointing"),
    "pointing_az": Column("rad", "azimuth of the pointing"),
}
_COMPLEMENTARY = {
    "pointing_ra": Column("deg", "right ascension of the pointing, ICRS"),
    "pointing_dec": Column("deg", "declination of the pointing, ICRS"),
    "reco_ra": Column("deg", "reconstructed right ascension, ICRS"),
    "reco_dec": Column("deg", "reconstructed declination, ICRS"),
    "pointing_zd": Column("deg", "zenith distance of the pointing: 90 deg - altitude"),
    "reco_zd": Column("deg", "reconstructed zenith distance: 90 deg - altitude"),
    "theta2_on": Column("deg2", "squared distance of the reconstructed direction from the source"),
    "off_regions": Column("", "number of OFF regions that the wobble offset allows without overlap"),
}
_SIMULATED = {
    "true_energy": Column("TeV", "simulated energy"),
    "true_alt": Column("deg", "simulated altitude"),
    "true_az": Column("deg", "simulated azimuth"),
    "true_disp": Column("deg", "simulated distance of the direction from the centre of gravity"),
    "true_core_x": Column("m", "simulated impact point on ground, to the North"),
    "true_core_y": Column("m", "simulated impact point on ground, to the West"),
    "true_impact": Column("m", "simulated distance of the shower axis from the telescope"),
    "off_axis": Column("deg", "distance of the simulated direction from the pointing"),
    "tels_with_trigger": Column("", "telescopes that triggered, as magic-cta-pipe notes them"),
    "deviation": Column("", "root mean square of the time gradient's fit"),
    "psi_uncertainty": Column("deg", "uncertainty of psi"),
    "transverse_cog_uncertainty": Column("m", "uncertainty of the centre of gravity across the image"),
}
_COINCIDENCES = {
    "run": Column("", "run of LST-1"),
    "subrun": Column("", "subrun of LST-1"),
    "time_offset": Column("us", "offset of the time stamps, on a grid of 0.1 us"),
    "n_coincidence_tel12": Column("", "coincidences of LST-1 and MAGIC-I at this offset"),
    "n_coincidence_tel13": Column("", "coincidences of LST-1 and MAGIC-II at this offset"),
    "coincidence_id": Column("", "pair of telescopes: 12 LST-1 and MAGIC-I, 13 LST-1 and MAGIC-II"),
    "window_half_width": Column("ns", "half of the coincidence window"),
    "unix_time": Column("s", "mean time since 1970 UTC"),
    "pointing_alt_lst": Column("rad", "mean altitude of the pointing of LST-1"),
    "pointing_az_lst": Column("rad", "mean azimuth of the pointing of LST-1"),
    "pointing_alt_magic": Column("rad", "mean altitude of the pointing of MAGIC"),
    "pointing_az_magic": Column("rad", "mean azimuth of the pointing of MAGIC"),
    "average_offset": Column("us", "mean time offset, weighted with the coincidences"),
    "n_coincidence": Column("", "coincidences at the average offset"),
    "n_events_magic": Column("", "events of the MAGIC telescope in the time of the subrun"),
}
_STANDALONE = {
    "time_gradient": Column("ns / m", "time gradient along the image, in lstchain's words"),
    "delta_t": Column("s", "time since the trigger before; 0 for the first of an LST-1 file"),
    "reco_src_x": Column("m", "reconstructed direction in the camera"),
    "reco_src_y": Column("m", "reconstructed direction in the camera"),
    "reco_disp_norm": Column("m", "distance of the reconstructed direction from the centre of gravity"),
    "st_dirX": Column("deg", "reconstructed direction in the camera, along MARS's x"),
    "st_dirY": Column("deg", "reconstructed direction in the camera, along MARS's y"),
}
_STANDALONE |= {
    "log10_intensity_min": Column("", "lower edge of log10(charge of the image in photoelectrons)"),
    "log10_intensity_max": Column("", "upper edge of log10(charge of the image in photoelectrons)"),
    "n_showers": Column("", "showers among the triggers of LST-1"),
    "effective_time": Column("s", "time in which LST-1 could trigger: without stops and dead time"),
    "elapsed_time": Column("s", "time without stops of LST-1"),
}
_STANDALONE |= {
    f"{name}_{telescope}": Column(unit, f"{meaning} {telescope}")
    for telescope in ("M1", "M2")
    for name, unit, meaning in (
        ("intensity", "", "charge in photoelectrons of the image of"),
        ("psi", "deg", "orientation (MARS's Delta) of the image of"),
        ("src_pos_x", "m", "source along MARS's x in the camera of"),
        ("src_pos_y", "m", "source along MARS's y in the camera of"),
        ("imp_par", "m", "distance of the shower axis from"),
        ("imp_par_az", "deg", "azimuth of the impact point seen from"),
    )
}
COLUMNS: dict[str, Column] = _STANDALONE | _IDS | _IMAGE | _SHOWER | _COMPLEMENTARY | _SIMULATED | _COINCIDENCES
_OFF = re.compile(r"theta2_off(\d+)")


def described(names: Iterable[str]) -> dict[str, Column]:
    """Return what columns mean; of those that magic-cta-pipe has and we do not know, that we do not know them.

    Parameters
    ----------
    names : iterable of str
        Names of columns.
    """
    return {name: _described(name) for name in names}


def _described(name: str) -> Column:
    if match := _OFF.fullmatch(name):
        return Column("deg2", f"squared distance from OFF position {match[1]}; not a number where there is no room")
    return COLUMNS.get(name, Column("", "of magic-cta-pipe; see there"))
