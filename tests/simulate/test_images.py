"""Image parameters of the simulator, against ctapipe's own functions."""

import numpy as np
import pytest
from ctapipe.image import (
    concentration_parameters,
    hillas_parameters,
    leakage_parameters,
    number_of_islands,
    timing_parameters,
)

from stereo_tasks.simulate.cameras import LST, M1, TEL_IDS, camera
from stereo_tasks.simulate.images import clean_lst, parametrise, with_noise
from stereo_tasks.simulate.primaries import Pointing, Primaries, draw_cores
from stereo_tasks.simulate.showers import Images, ShowerModel, simulate


@pytest.fixture(scope="module")
def showers():
    n, rng = 60, np.random.default_rng(11)
    primaries = Primaries(np.geomspace(0.1, 10, n), np.full(n, 0.007), np.zeros(n), *draw_cores(n, 250, rng))
    return simulate(ShowerModel(), "gamma", primaries, Pointing(np.deg2rad(70.0), 1.0), rng)


def test_lst_parameters_are_those_of_ctapipe(showers):
    images = showers.images[0].take(np.flatnonzero(showers.triggered[:, 0]))
    table = parametrise(images, LST, np.random.default_rng(3))
    charge, time = (values.astype(np.float32) for values in with_noise(images, LST, np.random.default_rng(3)))
    geometry = camera(LST).geometry
    survived = np.flatnonzero(np.isfinite(table["width"]))
    assert len(survived) > 30
    for event in survived:
        (mask,) = clean_lst(camera(LST), charge[[event]], time[[event]])
        hillas = hillas_parameters(geometry[mask], charge[event][mask])
        timing = timing_parameters(geometry[mask], charge[event][mask], time[event][mask], hillas)
        leakage = leakage_parameters(geometry, charge[event], mask)
        concentration = concentration_parameters(geometry, charge[event], hillas)
        assert table["n_pixels"][event] == mask.sum()
        assert table["n_islands"][event] == number_of_islands(geometry, mask)[0]
        wanted = {**hillas, **timing, **leakage, **{f"concentration_{k}": v for k, v in concentration.items()}}
        for name, value in wanted.items():
            assert table[name][event] == pytest.approx(_plain(value), rel=1e-5, abs=1e-5), name


def _plain(value):
    """The number in m, deg, or 1/m."""
    unit = getattr(value, "unit", None)
    return value if unit is None else value.to_value("deg" if unit.is_equivalent("deg") else unit)


@pytest.mark.parametrize("tel_id", TEL_IDS)
def test_rows_of_pixels_do_not_stand_in_the_way_of_showers(tel_id, showers):
    """Some rows have no ellipse in floating point: an image without parameters is lost alone."""
    events = np.flatnonzero(showers.triggered.all(axis=1))[:5]
    images = showers.images[TEL_IDS.index(tel_id)].take(events)
    rows = [row for start in range(0, 1000, 50) if len(row := _row(camera(tel_id), start)) == 5]
    assert len(rows) > 10
    ends = images.start[-1] + 5 * np.arange(1, len(rows) + 1)
    mixed = Images(
        np.concatenate([images.start, ends]),
        np.concatenate([images.pixel, *rows]),
        np.concatenate([images.charge_pe, np.full(5 * len(rows), 300.0)]),
        np.concatenate([images.time_ns, np.zeros(5 * len(rows))]),
    )
    table = parametrise(mixed, tel_id, np.random.default_rng(5))
    assert np.isfinite(table["width"][:5]).all()
    assert (np.nanmedian(table["width"][5:]) < 0.5 * table["width"][:5]).all()


def _row(cam, start):
    """Up to five pixels one behind the other."""
    x, y = cam.geometry.pix_x.value, cam.geometry.pix_y.value
    row = [start, cam.neighbours[start][0]]
    while len(row) < 5:
        near = cam.neighbours[row[-1]]
        near = near[near < cam.n_pixels]
        bend = np.hypot(x[near] - 2 * x[row[-1]] + x[row[-2]], y[near] - 2 * y[row[-1]] + y[row[-2]])
        if bend.min() > 0.005:
            break
        row.append(near[bend.argmin()])
    return np.unique(row)


def test_noise_alone_leaves_nothing():
    dark = Images(np.zeros(21, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    assert np.isnan(parametrise(dark, M1, np.random.default_rng(1))["width"]).all()
