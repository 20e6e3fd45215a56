"""The shower model: spectra, directions, cores and images against what geometry asks for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stereo_tasks.simulate.atmosphere import height_m
from stereo_tasks.simulate.cameras import FOCAL_M, PIXELS, TEL_IDS, camera
from stereo_tasks.simulate.images import parametrise
from stereo_tasks.simulate.primaries import (
    Pointing,
    Primaries,
    axis_vectors,
    directions,
    draw_cone,
    draw_cores,
    draw_energies,
    draw_ring,
    ground_cores,
)
from stereo_tasks.simulate.showers import ShowerModel, simulate
from stereo_tasks.simulate.streams import stream

POINTING = Pointing(np.deg2rad(70), np.deg2rad(100))


def gammas(energy_tev, n, lat=0.0, lon=0.0, radius_m=100.0, seed=1):
    rng = np.random.default_rng(seed)
    offsets = np.full(n, lat), np.full(n, lon)
    primaries = Primaries(np.full(n, energy_tev), *offsets, *draw_cores(n, radius_m, rng))
    return simulate(ShowerModel(), "gamma", primaries, POINTING, rng), rng


@given(index=st.floats(-4, -1), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_energies_follow_the_power_law(index, seed):
    energy = draw_energies(20_000, 0.1, 20.0, index, np.random.default_rng(seed))
    assert energy.min() >= 0.1
    assert energy.max() <= 20.0
    # Maximum likelihood of a bounded power law is flat in the transform to a uniform variable.
    power = index + 1
    if abs(power) < 1e-9:
        uniform = np.log(energy / 0.1) / np.log(200)
    else:
        uniform = (energy**power - 0.1**power) / (20.0**power - 0.1**power)
    assert abs(uniform.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 20_000)


def test_ring_is_at_its_radius_and_cone_is_isotropic():
    rng = np.random.default_rng(2)
    lat, lon = draw_ring(1000, 0.4, rng)
    assert np.rad2deg(np.arccos(np.cos(lat) * np.cos(lon))) == pytest.approx(np.full(1000, 0.4))
    lat, lon = draw_cone(50_000, 3.0, rng)
    inner = np.arccos(np.cos(lat) * np.cos(lon)) < np.deg2rad(1.5)
    assert inner.mean() == pytest.approx(0.25, abs=0.01)


def test_core_is_as_far_from_the_axis_as_thrown():
    rng = np.random.default_rng(3)
    lat, lon = draw_cone(100, 3.0, rng)
    u, v = draw_cores(100, 350, rng)
    axis = axis_vectors(POINTING, lat, lon)
    core = ground_cores(axis, u, v)
    assert core[:, 2] == pytest.approx(np.zeros(100), abs=1e-9)
    along = (core * axis).sum(axis=1)
    distance = np.sqrt((core**2).sum(axis=1) - along**2)
    assert distance == pytest.approx(np.hypot(u, v))


def test_directions_agree_with_astropy():
    import astropy.units as u
    from astropy.coordinates import AltAz, SkyCoord

    rng = np.random.default_rng(4)
    lat, lon = draw_cone(20, 3.0, rng)
    pointing = SkyCoord(POINTING.az_rad * u.rad, POINTING.alt_rad * u.rad, frame=AltAz())
    sky = SkyCoord(lon * u.rad, lat * u.rad, frame=pointing.skyoffset_frame()).transform_to(AltAz())
    alt, az = directions(POINTING, lat, lon)
    assert alt == pytest.approx(sky.alt.rad)
    assert az == pytest.approx(sky.az.rad)


def test_pixel_table_finds_every_pixel_at_its_centre():
    for tel_id in TEL_IDS:
        cam = camera(tel_id)
        assert cam.n_pixels == PIXELS[tel_id]
        lat = cam.geometry.pix_x.to_value("m") / FOCAL_M[tel_id]
        lon = cam.geometry.pix_y.to_value("m") / FOCAL_M[tel_id]
        assert np.array_equal(cam.pixels(lat, lon), np.arange(cam.n_pixels))
        assert cam.pixels(np.array([0.5]), np.array([0.0]))[0] == cam.n_pixels


def test_height_falls_with_depth_and_maximum_sinks_with_energy():
    height = height_m(np.array([200.0, 300.0, 400.0, 5000.0]), np.ones(4))
    assert np.all(np.diff(height) < 0)
    assert height[-1] == 50.0


def test_light_grows_with_energy_and_points_to_the_source():
    weak, rng = gammas(0.3, 60)
    strong, _ = gammas(1.0, 60)
    assert len(strong) >= 55
    for t in range(3):
        low, high = (np.median(np.add.reduceat(s.images[t].charge_pe, s.images[t].start[:-1])) for s in (weak, strong))
        # light grows as E^1.05, and showers of more energy are deeper, so closer
        assert 2.5 < high / low < 6
    image = parametrise(strong.images[0], 1, rng)
    good = np.isfinite(image["width"])
    assert good.mean() > 0.95
    assert np.median((image["width"] / image["length"])[good]) < 0.6
    # The axis of the image passes through the source, here the camera's centre.
    miss = np.abs(image["x"] * np.sin(np.deg2rad(image["psi"])) - image["y"] * np.cos(np.deg2rad(image["psi"])))
    assert np.rad2deg(np.median(miss[good]) / FOCAL_M[1]) < 0.05


def test_protons_are_wider_than_gammas():
    rng = np.random.default_rng(6)
    width = {}
    for particle, energy in (("gamma", 0.5), ("proton", 1.5)):
        zeros = np.zeros(400)
        primaries = Primaries(np.full(400, energy), zeros, zeros, *draw_cores(400, 100, rng))
        showers = simulate(ShowerModel(), particle, primaries, POINTING, rng)
        images = showers.images[0].take(np.flatnonzero(showers.triggered[:, 0]))
        width[particle] = np.nanmedian(parametrise(images, 1, rng)["width"])
    assert width["proton"] > 1.15 * width["gamma"]


def test_untriggered_telescopes_have_no_image():
    showers, _ = gammas(0.1, 300, radius_m=350)
    for t in range(3):
        dark = ~showers.triggered[:, t]
        assert dark.any()
        assert np.all(np.diff(showers.images[t].start)[dark] == 0)


def test_nothing_thrown_gives_no_showers():
    showers, rng = gammas(1.0, 0)
    assert len(showers) == 0
    assert len(parametrise(showers.images[0], 1, rng)["width"]) == 0


def test_streams_differ_by_label_and_repeat():
    assert stream(1, "a").random() == stream(1, "a").random()
    assert len({stream(1, "a").random(), stream(1, "b").random(), stream(2, "a").random()}) == 3
