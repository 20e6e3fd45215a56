"""The parts of the coincidence and stereo kernels, each against the function that it stands for."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("magicctapipe", reason="the kernels are compared with magic-cta-pipe")

import pandas as pd
import tables
from toy_showers import CONFIG, subarray

from stereo_tasks.kernels import quantities, telescopes
from stereo_tasks.kernels.camera_radius import camera_radius_m
from stereo_tasks.kernels.coincide import _first_of_equal
from stereo_tasks.kernels.directions import mean_direction, separation, wrapped
from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.instrument import (
    CTAPIPE_VERSION,
    REFERENCE_ITRS_M,
    Instrument,
    Node,
    create_file,
    joint_instrument,
    prepared,
    read_instrument,
)
from stereo_tasks.kernels.quality_cuts import selected
from stereo_tasks.kernels.shower_geometry import _intersection
from stereo_tasks.kernels.time_offsets import brightest, pairs, probable_offset_us, scan
from stereo_tasks.kernels.time_stamps import nanoseconds
from stereo_tasks.kernels.vectors import height_m

FEW = settings(max_examples=25, deadline=None)


def same(ours, theirs):
    """Whether two arrays have the same bytes."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


@given(arrays.arrays(float, 50, elements=st.floats(2.0**30, 2.0**31, exclude_max=True)))
@FEW
def test_times_are_those_of_their_shortest_text(time_s):
    expected = [int(Decimal(str(time)) * 10**9) for time in time_s.tolist()]
    assert nanoseconds(time_s).tolist() == expected


@given(st.lists(st.integers(0, 2**22 - 1), min_size=1, max_size=30))
@FEW
def test_times_with_few_decimals(fractions):
    time_s = 1_704_920_400 + np.round(np.array(fractions) / 2**22, 3) + np.arange(len(fractions)) * 0.5
    assert nanoseconds(time_s).tolist() == [int(Decimal(str(time)) * 10**9) for time in time_s.tolist()]


@pytest.mark.parametrize("time_s", [np.nan, np.inf, 0.0, 2.0**31])
def test_refuses_other_times(time_s):
    with pytest.raises(NotCovered):
        nanoseconds(np.array([1.7e9, time_s]))


@given(arrays.arrays(float, (6, 3), elements=st.floats(-20, 20) | st.sampled_from([0.0, -0.0, np.nan, np.pi, -1e-17])))
@FEW
def test_wrapped_angles(angle):
    import astropy.units as u
    from astropy.coordinates import Angle

    for limit in (360, 180):
        limit_rad = limit * quantities.DEG_TO_RAD
        ours = wrapped(angle, limit_rad, 2 * np.pi)
        for row, one in zip(angle, ours, strict=True):
            theirs = Angle(row.copy(), u.rad).wrap_at(limit * u.deg).to_value(u.rad)
            assert same(one[~np.isnan(row)], theirs[~np.isnan(row)])
            assert np.isnan(one[np.isnan(row)]).all()


@given(
    arrays.arrays(float, (24, 2), elements=st.floats(-1e-3, 1e-3)), st.floats(0, 6.28), st.floats(-1.5, 1.57), st.data()
)
@FEW
def test_mean_directions(offsets, lon, lat, data):
    from magicctapipe.utils import calculate_mean_direction

    event = np.sort(data.draw(arrays.arrays(int, 24, elements=st.integers(0, 11))))
    lon_rad, lat_rad = lon + offsets[:, 0], np.clip(lat + offsets[:, 1], -np.pi / 2, np.pi / 2)
    lat_rad[data.draw(st.integers(0, 23))] = np.nan
    index = pd.MultiIndex.from_arrays([np.ones(24, dtype=int), event], names=["obs_id", "event_id"])
    theirs = calculate_mean_direction(pd.Series(lon_rad, index), pd.Series(lat_rad, index), "rad")
    starts = np.flatnonzero(np.append(True, event[1:] != event[:-1]))
    ours = mean_direction(lon_rad, lat_rad, starts, np.diff(np.append(starts, 24)))
    for one, other in zip(ours, theirs, strict=True):
        known = ~np.isnan(one)
        assert same(one[known], other.to_numpy()[known])
        assert np.isnan(other.to_numpy()[~known]).all()


def test_separations():
    import astropy.units as u
    from astropy.coordinates import angular_separation

    angles = np.random.default_rng(1).uniform(-1.5, 1.5, (4, 500))
    assert same(separation(*angles), angular_separation(*(angles * u.rad)).to_value("rad"))


times = st.lists(st.integers(0, 4_000), min_size=1, max_size=30).map(np.array)


@given(times, times, st.integers(-500, 500), st.integers(1, 200))
@FEW
def test_pairs_within_a_window(magic_ns, lst_ns, offset, width):
    low, high = lst_ns[:, np.newaxis] + offset - width, lst_ns[:, np.newaxis] + offset + width
    lst, magic = np.where((magic_ns >= low) & (magic_ns <= high))
    ours = pairs(magic_ns, lst_ns, offset - width, offset + width)
    assert ours[0].tolist() == magic.tolist()
    assert ours[1].tolist() == lst.tolist()


@given(times, times, st.integers(-500, 500), st.integers(1, 200))
@FEW
def test_scan_of_offsets(magic_ns, lst_ns, offset, width):
    import astropy.units as u

    offsets = np.arange(offset, offset + 1500, 100)
    differences = magic_ns - lst_ns[:, np.newaxis]
    number = np.array([np.count_nonzero(np.abs(differences - one) <= width) for one in offsets])
    if not number.any():
        assert scan(magic_ns, lst_ns, offsets, width) is None
        return
    centre = (offsets * u.ns)[number == number.max()].mean()
    low, high = (np.round(centre + side * width * u.ns) for side in (-2, 2))
    near = (offsets * u.ns >= low) & (offsets * u.ns <= high)
    try:
        average = np.average((offsets * u.ns)[near], weights=number[near])
    except ZeroDivisionError:
        # The tool stops where several offsets are the best ones, and there is nothing in the middle of them.
        with pytest.raises(ZeroDivisionError):
            scan(magic_ns, lst_ns, offsets, width)
        return
    result = scan(magic_ns, lst_ns, offsets, width)
    assert result.coincidences.tolist() == number.tolist()
    assert result.average_ns == int(average.round().value)


@given(times, times, st.integers(1, 300))
@FEW
def test_probable_offset(magic_ns, lst_ns, width):
    import astropy.units as u

    grid = np.array(np.meshgrid(magic_ns, lst_ns)).reshape(2, -1)
    offsets = u.Quantity(grid[0] - grid[1], unit="ns", dtype=int)
    number = np.array([np.sum(np.abs(offsets - offset).value < width) for offset in offsets])
    theirs = offsets[number == number.max()].mean().to("us").round(1)
    assert same(np.float64(probable_offset_us(magic_ns, lst_ns, width)), np.float64(theirs.value))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(arrays.arrays(float, 40, elements=st.floats(0, 1e5) | st.just(np.nan)), st.integers(1, 50))
@FEW
def test_brightest_events(intensity, number):
    theirs = np.argsort(pd.Series(intensity))[::-1][:number]
    assert brightest(intensity, number).tolist() == theirs.tolist()


values = st.sampled_from([0.0, -0.0, 1.0, np.nan, 2.0])


@given(arrays.arrays(float, (20, 2), elements=values), arrays.arrays(int, 20, elements=st.integers(0, 1)))
@FEW
def test_rows_with_equal_values(numbers, whole):
    columns = {"tel_id": np.arange(20), "timestamp": numbers[:, 0], "x": numbers[:, 1], "n_pixels": whole}
    theirs = ~pd.DataFrame(columns).drop(columns="tel_id").duplicated()
    assert _first_of_equal(columns).tolist() == theirs.tolist()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), min_size=1, max_size=25))
@FEW
def test_stereo_images(rows):
    from magicctapipe.io import get_stereo_events

    rows = sorted(rows)
    columns = {
        "obs_id": np.ones(len(rows)),
        "event_id": np.array([row[0] / 2 for row in rows]),
        "tel_id": np.array([row[1] for row in rows]),
        "x": np.arange(len(rows)),
    }
    index = ["obs_id", "event_id", "tel_id"]
    try:
        theirs = get_stereo_events(pd.DataFrame(columns).set_index(index), CONFIG).reset_index()
    except (SystemExit, ZeroDivisionError, ValueError) as error:
        with pytest.raises(type(error)):
            telescopes.stereo_images(columns)
        return
    ours = telescopes.stereo_images(columns)
    assert list(ours) == list(theirs.columns)
    for name, one in ours.items():
        assert same(one, theirs[name].to_numpy())


@given(arrays.arrays(float, (5, 3, 2), elements=st.floats(-1, 1) | st.sampled_from([0.0, 1.0])))
@FEW
def test_lines_meet_where_ctapipe_says(axes):
    from ctapipe.reco.hillas_reconstructor import line_line_intersection_3d

    axes = np.concatenate([axes, np.zeros((5, 3, 1))], axis=-1)
    points = np.random.default_rng(1).normal(0, 100, (5, 3, 3))
    meeting, valid = _intersection(axes, points)
    for i in range(5):
        try:
            expected = line_line_intersection_3d(axes[i], points[i])
        except np.linalg.LinAlgError:
            assert not valid[i]
        else:
            assert valid[i]
            assert np.array_equal(meeting[i], expected, equal_nan=True)


@pytest.mark.parametrize("cuts", ["intensity > 50", "(intensity > 50) & (width > 0)", "width <= 0.1 & width >= 0.05"])
def test_quality_cuts(cuts):
    rng = np.random.default_rng(3)
    columns = {"intensity": rng.uniform(0, 100, 200), "width": rng.choice([np.nan, 0.0, 0.05, 0.1, 0.2], 200)}
    if "& width" in cuts:
        # As in Python, & binds more strongly than a comparison: pandas and the kernel do not read this alike.
        with pytest.raises(NotCovered):
            selected(cuts, columns)
        return
    frame = pd.DataFrame(columns)
    assert selected(cuts, columns).tolist() == frame.index.isin(frame.query(cuts).index).tolist()


@pytest.fixture(scope="module")
def instruments(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instruments")
    for name in ("lst", "joint"):
        subarray(name).to_hdf(folder / f"{name}.h5")
    return folder


def read(path) -> Instrument:
    with tables.open_file(str(path)) as file:
        return read_instrument(file)


@pytest.mark.parametrize("name", ["lst", "joint"])
def test_instrument_is_written_as_ctapipe_does(instruments, tmp_path, name):
    from ctapipe.instrument import SubarrayDescription
    from same_files import differences

    path = instruments / f"{name}.h5"
    SubarrayDescription.from_hdf(path).to_hdf(tmp_path / "theirs.h5")
    create_file(tmp_path / "ours.h5", prepared(read(path))).close()
    assert differences(tmp_path / "theirs.h5", tmp_path / "ours.h5") == []


def test_instrument_of_the_coincidence(instruments):
    from magicctapipe.scripts.lst1_magic.lst1_magic_event_coincidence import telescope_positions

    joint = joint_instrument(read(instruments / "lst.h5"), read(instruments / "joint.h5"))
    positions = telescope_positions(CONFIG)
    for number, telescope in joint.telescopes.items():
        assert same(telescope.position_m, np.array([axis.to_value("m") for axis in positions[number]]))


def test_two_cameras_with_one_name(instruments, tmp_path):
    path = tmp_path / "joint.h5"
    path.write_bytes((instruments / "joint.h5").read_bytes())
    with tables.open_file(str(path), "a") as file:
        camera = "/configuration/instrument/telescope/camera"
        for kind in ("geometry", "readout"):
            file.copy_node(f"{camera}/{kind}_1", newname=f"{kind}_2")
        geometry = file.get_node(f"{camera}/geometry_2")
        geometry.modify_column(column=geometry.col("pix_x") * 1.01, colname="pix_x")
        layout = file.get_node("/configuration/instrument/subarray/layout")
        layout.modify_column(column=np.array([0, 1, 2]), colname="camera_index")
    with pytest.raises(NotCovered):
        prepared(read(path))


def test_camera_radii(instruments):
    for number, telescope in read(instruments / "joint.h5").telescopes.items():
        geometry = subarray("joint").tel[number].camera.geometry
        assert same(np.float64(camera_radius_m(telescope.geometry)), geometry.guess_radius().to_value("m"))


def test_a_camera_without_clear_neighbours():
    rows = np.zeros(30, dtype=[("pix_x", float), ("pix_y", float)])
    rows["pix_x"], rows["pix_y"] = np.divmod(np.arange(30) * 1.0, 6)
    rows["pix_x"] *= 1.4
    for kind in ("hexagon", "rectangle"):
        with pytest.raises(NotCovered):
            camera_radius_m(Node(rows, {"PIX_TYPE": kind}))


def test_constants():
    import astropy.units as u
    import ctapipe
    from ctapipe_io_magic.constants import REFERENCE_LOCATION
    from magicctapipe.io import telescope_combinations

    assert ctapipe.__version__ == CTAPIPE_VERSION
    assert tuple(getattr(REFERENCE_LOCATION.itrs, axis).to_value("m") for axis in "xyz") == REFERENCE_ITRS_M
    assert height_m(np.array(REFERENCE_ITRS_M)) == REFERENCE_LOCATION.geodetic.height.to_value("m")
    for name, unit, other in (("NS_TO_S", u.ns, u.s), ("NS_TO_US", u.ns, u.us), ("US_TO_NS", u.us, u.ns),
                              ("DEG_TO_RAD", u.deg, u.rad), ("RAD_TO_DEG", u.rad, u.deg),
                              ("ARCMIN_TO_DEG", u.arcmin, u.deg)):  # fmt: skip
        assert getattr(quantities, name) == (1 * unit).to_value(other)
    names, combinations = telescope_combinations(CONFIG)
    assert {number: name for name, number in telescopes.NAMES.items()} == names
    assert list(telescopes.COMBINATIONS) == [tuple(numbers) for numbers in combinations.values()]
    assert list(telescopes.COMBINATIONS.values()) == list(range(len(combinations)))


def test_kernels_import_little():
    code = (
        "import stereo_tasks.kernels.coincide, stereo_tasks.kernels.stereo, sys;"
        "print(sorted({'ctapipe', 'magicctapipe', 'lstchain', 'astropy', 'pandas', 'numba', 'scipy', 'matplotlib',"
        "'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
