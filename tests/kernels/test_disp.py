"""Directions against magic-cta-pipe's own function, where angles wrap and numbers are rounded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from magicctapipe.scripts.lst1_magic.lst1_magic_dl1_stereo_to_dl2 import TEL_COMBINATIONS, reconstruct_arrival_direction
from stereo_files import draw, subarray

from stereo_tasks.kernels import disp, dl2
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.images import stereo_events

COLUMNS = ["reco_alt", "reco_az", "disp_diff_sum", "disp_diff_mean"]
FOCAL_M = {tel_id: tel.optics.effective_focal_length.to_value("m") for tel_id, tel in subarray().tel.items()}


def same(frame):
    """Whether both give the same bytes; `frame` is sorted and of stereo events only."""
    images = stereo_events(frame.to_records(index=False))
    frame = frame.set_index(["obs_id", "event_id", "tel_id"]).assign(combo_type=images["combo_type"])
    expected = reconstruct_arrival_direction(frame, subarray().tel)
    images.put("reco_disp", np.arange(len(images)), frame["reco_disp"].to_numpy())
    dl2._add_directions(images, FOCAL_M)
    return all(images[name].tobytes() == expected[name].to_numpy().tobytes() for name in COLUMNS)


AZIMUTHS = [0.0, -0.0, 1e-17, -1e-17, -1e-3, 2 * np.pi, np.nextafter(2 * np.pi, 0), 6.3, np.pi, -7.0, 1.8]
ALTITUDES = [np.pi / 2, np.nextafter(np.pi / 2, 0), 1.5707, 1.2, 0.3, 0.0, -0.1]
OFFSETS_M = [0.0, -0.0, 1e-18, -1e-18, 0.3, -0.9, 5.0]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_events=st.integers(1, 12),
    az=st.one_of(st.sampled_from(AZIMUTHS), st.floats(-10, 10)),
    alt=st.one_of(st.sampled_from(ALTITUDES), st.floats(-1.57, 1.57)),
    x=st.one_of(st.none(), st.sampled_from(OFFSETS_M)),
    y=st.one_of(st.none(), st.sampled_from(OFFSETS_M)),
    psi=st.one_of(st.none(), st.sampled_from([0.0, 90.0, -90.0, 180.0, 1e-14])),
    disp=st.sampled_from([None, 0.0, 1e-12, 30.0, np.nan]),
)
@example(1, 12, 0.0, np.pi / 2, 0.0, 0.0, 0.0, 0.0)
@example(2, 12, -1e-17, 1.2, 0.0, -1e-18, 90.0, 0.0)
def test_difficult_places(seed, n_events, az, alt, x, y, psi, disp):
    frame = draw(seed, n_events).assign(pointing_az=az, pointing_alt=alt)
    rng = np.random.default_rng(seed)
    frame["reco_disp"] = rng.uniform(0.1, 1.5, len(frame))
    for name, value in (("x", x), ("y", y), ("psi", psi), ("reco_disp", disp)):
        if value is not None:
            frame[name] = np.where(rng.random(len(frame)) < 0.6, value, frame[name])
    assert same(frame)


def test_many_events():
    frame = draw(1, 20_000)
    frame["reco_disp"] = np.random.default_rng(1).uniform(0, 1.5, len(frame))
    assert same(frame)


def test_images_far_outside_of_the_camera_are_left_to_magic_cta_pipe():
    far = np.array([50.0])
    with pytest.raises(NotCovered, match="far outside"):
        disp.candidates(far, far, far, far, far * 0, far, np.array([28.0]))


def test_combinations_are_those_of_the_tool():
    frame = pd.concat([draw(1, 1, (tuple(telescopes),)) for telescopes in TEL_COMBINATIONS.values()])
    frame["obs_id"] = np.repeat(np.arange(4), [2, 3, 2, 2])
    assert stereo_events(frame.to_records(index=False))["combo_type"].tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3]
