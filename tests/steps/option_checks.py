"""What DL2, IRFs and DL3 show of the options they were made with, worked out from the tables themselves."""

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from scipy.interpolate import CubicSpline

REFERENCE_UNIX_S = 1538352000.0
"""2018-10-01T00:00:00 UTC, from which times of DL3 count."""
COMBINATIONS = {"software": {0, 1, 2}, "software_only_3tel": {1}, "magic_only": {3}, "hardware": {0, 1, 2, 3}}


def check(dl3, dl2, irfs, mcp):
    """Check a DL3 file against the DL2 and the IRFs that it was made of, and the configuration that was asked for."""
    irf, nodes = mcp["create_irf"], [_node(path) for path in irfs]
    for node in nodes:
        _check_header(node["header"], irf)
    with fits.open(dl3) as hdus:
        header, events = hdus["EFFECTIVE AREA"].header, hdus["EVENTS"].data
        _check_header(header, irf)
        assert header["IRF_INTP"] == mcp["dl2_to_dl3"]["interpolation_method"]
        area = np.asarray(hdus["EFFECTIVE AREA"].data["EFFAREA"][0, 0])
        _check_area(area, nodes, hdus["EVENTS"].header, mcp["dl2_to_dl3"])
        filled = "before the interpolation" in "".join(header.get("HISTORY", ""))
        assert filled == (mcp["dl2_to_dl3"]["interpolation_method"] == "cubic")
        _check_dispersion(hdus["ENERGY DISPERSION"].data[0])
        _check_cut_tables(hdus, nodes, irf)
        expected = _expected_events(dl2, irf)
        alive = [((hdus["GTI"].data["START"] <= t) & (t <= hdus["GTI"].data["STOP"])).any() for t in expected["time_s"]]
        expected = expected[alive]
        expected = expected[_gamma_like(expected, hdus, header)]
        assert len(expected) > 0
        assert events["EVENT_ID"].tolist() == expected.index.get_level_values("event_id").tolist()
        np.testing.assert_allclose(events["GAMMANESS"], expected["gammaness"], rtol=1e-10)
        np.testing.assert_allclose(events["ENERGY"], 10 ** expected["log_energy"], rtol=1e-10)
        assert set(events["MULTIP"]) == set(expected["multiplicity"])
        return {"events": len(events), "area": area, "gammaness": np.asarray(events["GAMMANESS"], float)}


def _node(path):
    with fits.open(path) as hdus:
        header = hdus["EFFECTIVE AREA"].header
        tables = {name: np.asarray(hdus[name].data[name][0, 0]) for name in ("GH_CUTS", "RAD_MAX") if name in hdus}
        return {
            "path": Path(path), "header": header, "area": np.asarray(hdus["EFFECTIVE AREA"].data["EFFAREA"][0, 0]),
            "zenith_deg": header["PNT_ZD"], "azimuth_deg": header["PNT_AZ"], **tables,
        }  # fmt: skip


def _check_header(header, irf):
    assert header["EVT_TYPE"] == irf["event_type"]
    assert header["DL2_WEIG"] == irf["weight_type_dl2"]
    assert header.get("QUAL_CUT") == irf["quality_cuts"]
    gammaness, theta = irf["gammaness"], irf["theta"]
    assert header.get("GH_CUT") == (gammaness["global_cut_value"] if gammaness["cut_type"] == "global" else None)
    assert header.get("GH_EFF") == (gammaness["efficiency"] if gammaness["cut_type"] == "dynamic" else None)
    assert header.get("GH_MAX") == (gammaness["max_cut"] if gammaness["cut_type"] == "dynamic" else None)
    degrees = float(str(theta["global_cut_value"]).split()[0])
    assert header.get("RAD_MAX") == (degrees if theta["cut_type"] == "global" else None)
    assert header.get("TH_EFF") == (theta["efficiency"] if theta["cut_type"] == "dynamic" else None)


def _check_cut_tables(hdus, nodes, irf):
    """Check the cuts by energy: they are there where they are asked for, within their limits or as in their table."""
    energy = np.asarray(hdus["EFFECTIVE AREA"].data["ENERG_LO"][0])
    centre = (energy + np.asarray(hdus["EFFECTIVE AREA"].data["ENERG_HI"][0])) / 2
    for name, section in (("GH_CUTS", irf["gammaness"]), ("RAD_MAX", irf["theta"])):
        assert (name in hdus) == (section["cut_type"] != "global")
        for node in nodes if name in hdus else ():
            cuts = node[name]
            if section["cut_type"] == "dynamic":
                low, high = (float(str(section[key]).split()[0]) for key in ("min_cut", "max_cut"))
                assert low <= cuts.min() <= cuts.max() <= high
            else:
                np.testing.assert_allclose(cuts, _custom(section, centre))
                np.testing.assert_allclose(hdus[name].data[name][0, 0], cuts)


def _custom(section, energy_tev):
    table = section["custom_cuts"]
    edges = np.array(table["energy_bins"])
    centres, cuts = (edges[:-1] + edges[1:]) / 2, np.array(table["cut"])
    if section["interpolate_kind"] == "linear":
        return np.interp(energy_tev, centres, cuts)
    nearest = np.abs(energy_tev[:, np.newaxis] - centres).argmin(axis=1)
    return cuts[nearest]


def _check_area(area, nodes, events, dl3):
    """Check which nodes the effective area is interpolated between, and how."""
    alt, az = np.deg2rad(events["ALT_PNT"]), np.deg2rad(events["AZ_PNT"])
    zd, node_az = (np.deg2rad([node[key] for node in nodes]) for key in ("zenith_deg", "azimuth_deg"))
    cosine = np.sin(alt) * np.cos(zd) + np.cos(alt) * np.sin(zd) * np.cos(az - node_az)
    near = np.rad2deg(np.arccos(cosine)) < float(dl3["max_distance"].split()[0])
    nodes = [node for node, one in zip(nodes, near, strict=True) if one]
    coszd = np.cos(zd[near])
    areas = np.array([node["area"] for node in nodes])
    if len(nodes) == 1:
        np.testing.assert_allclose(area, areas[0])
        return
    logs = np.log(np.maximum(np.nan_to_num(areas), 1))
    method, two = dl3["interpolation_method"], dl3["interpolation_scheme"] == "cosZdAz"
    if method == "nearest":
        squared = (coszd - np.sin(alt)) ** 2 + two * (node_az[near] - az) ** 2
        expected = np.exp(logs[squared.argmin()])
    elif two:
        # Of Delaunay's triangles the one that the pointing lies in is the tool's; the area lies between those of nodes.
        assert (area <= np.exp(logs).max(axis=0) * 1.5).all()
        return
    else:
        order = np.argsort(coszd)
        if method == "linear":
            at = [np.interp(np.sin(alt), coszd[order], column) for column in logs[order].T]
        else:
            at = CubicSpline(coszd[order], logs[order])(np.sin(alt))
        expected = np.exp(at)
    expected[expected < 1.1] = 0
    # The tool interpolates to the mean pointing of all events, the header has that of most gamma-like ones.
    np.testing.assert_allclose(area, expected, rtol=1e-2)


def _check_dispersion(row):
    """Check that the migrations of each energy are probabilities: none is negative, and together they are 1."""
    assert (row["MATRIX"] >= 0).all()
    integral = (row["MATRIX"] * (row["MIGRA_HI"] - row["MIGRA_LO"])[:, np.newaxis]).sum(axis=1)
    assert np.isclose(integral[integral > 0], 1).all()
    assert (integral > 0).any()


def _expected_events(dl2, irf):
    """Average the images of each event by the weights that were asked for."""
    images = pd.read_hdf(dl2, key="events/parameters")
    if irf["quality_cuts"]:
        images = images.query(irf["quality_cuts"])
    images = images[images["combo_type"].isin(COMBINATIONS[irf["event_type"]])]
    weights = {
        "simple": (1.0, 1.0, 1.0),
        "intensity": (images["intensity"], images["intensity"], images["intensity"]),
        "variance": (1 / images["gammaness_var"], 1 / images["reco_energy_var"], 1 / images["reco_disp_var"]),
    }[irf["weight_type_dl2"]]
    by_event = ["obs_id", "event_id"]
    parts = images[by_event].assign(
        of_gammaness=weights[0], gammaness=images["gammaness"] * weights[0],
        of_energy=weights[1], log_energy=np.log10(images["reco_energy"]) * weights[1],
        of_direction=weights[2],
    )  # fmt: skip
    sums = parts.groupby(by_event).sum()
    events = pd.DataFrame(
        {
            "gammaness": sums["gammaness"] / sums["of_gammaness"],
            "log_energy": sums["log_energy"] / sums["of_energy"],
            "time_s": images.groupby(by_event)["timestamp"].mean() - REFERENCE_UNIX_S,
            "direction": sums["of_direction"] / sums["of_direction"],  # not a number where a forest's trees all agree
            "multiplicity": images.groupby(by_event)["multiplicity"].first(),
        }
    )
    return events.dropna().sort_index()


def _gamma_like(events, hdus, header):
    if "GH_CUT" in header:
        return events["gammaness"] > header["GH_CUT"]
    table = hdus["GH_CUTS"].data
    edges = np.append(table["ENERG_LO"][0], table["ENERG_HI"][0][-1])
    place = np.digitize(10 ** events["log_energy"], edges) - 1
    return events["gammaness"] >= np.asarray(table["GH_CUTS"][0, 0])[place]
