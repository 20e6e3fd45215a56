"""DL3 and index files against those of magic-cta-pipe's own tools: every card and column, but for dates of writing."""

import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.utils import data, iers
from dl3_files import NODES, ZENITH_DEG, config, write_dl2, write_irfs
from fits_equality import differences
from hypothesis import given, settings
from hypothesis import strategies as st
from magicctapipe.scripts.lst1_magic.create_dl3_index_files import create_dl3_index_files as mcp_index
from magicctapipe.scripts.lst1_magic.lst1_magic_dl2_to_dl3 import dl2_to_dl3 as mcp_dl2_to_dl3
from scipy.interpolate import griddata

from stereo_tasks.kernels import dl3, dl3_events, dl3_hdus, index, irf_cuts, irfs, means
from stereo_tasks.kernels.errors import NotCovered

iers.conf.auto_download = False
data.conf.allow_internet = False

NAME = "dl2_MAGIC_LST-1.Run01622.h5"


def made_by_both(tmp_path, source, folder, **changes):
    mcp_dl2_to_dl3(str(source), str(folder), str(tmp_path / "mcp"), config(**changes))
    dl3.dl2_to_dl3(str(source), str(folder), str(tmp_path / "kernel"), config(**changes))
    (expected,), (made,) = (list((tmp_path / name).iterdir()) for name in ("mcp", "kernel"))
    assert expected.name == made.name
    return expected, made


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_dl2(tmp_path_factory.mktemp("dl2") / NAME)


@pytest.mark.parametrize(
    ("weight", "event_type", "cuts"),
    [
        ("simple", "software", "disp_diff_mean < 0.22"),
        ("intensity", "software", "disp_diff_mean < 0.22"),
        ("variance", "hardware", "(disp_diff_mean < 0.2) & (intensity > 100) | 0.1 < width <= 0.3 & tel_id == 1"),
        ("intensity", "software_only_3tel", None),
        ("variance", "magic_only", "n_pixels >= 8 and disp_diff_mean != 0"),
    ],
)
def test_types_of_events_weights_and_cuts(tmp_path, source, weight, event_type, cuts):
    folder = write_irfs(tmp_path / "irf", EVT_TYPE=event_type, DL2_WEIG=weight, QUAL_CUT=cuts)
    expected, made = made_by_both(tmp_path, source, folder)
    assert not differences(expected, made)
    assert len(fits.getdata(made, "EVENTS")) > 5


@pytest.mark.parametrize(
    ("nodes", "cuts", "changes"),
    [
        (NODES[:3], {"gammaness": "global"}, {"interpolation_method": "nearest"}),
        (NODES[:3], {"theta": "dynamic"}, {"max_distance": "9 deg"}),
        (NODES, {"theta": "dynamic"}, {"interpolation_method": "cubic", "max_distance": None}),
        (NODES, {"theta": "dynamic", "gammaness": "global"}, {"interpolation_scheme": "cosZdAz"}),
        (NODES[1:2], {}, {"interpolation_method": "nearest"}),
        (NODES[:2], {}, {"interpolation_method": "nearest"}),
        ((NODES[0], (21.7, 90.0), (5.0, 90.0)), {}, {}),  # a little outside
    ],
)
def test_nodes_and_interpolations(tmp_path, source, nodes, cuts, changes):
    folder = write_irfs(tmp_path / "irf", nodes, **cuts)
    expected, made = made_by_both(tmp_path, source, folder, **changes)
    assert not differences(expected, made)


def test_azimuths_around_north_and_pauses(tmp_path):
    rng = np.random.default_rng(4)
    source = write_dl2(tmp_path / NAME, seed=4)
    n = len(pd.read_hdf(source, key="events/parameters"))
    around = rng.normal(0, 0.01, n) % (2 * np.pi)
    pauses = 1.7e9 + np.sort(rng.choice([0.0, 3.0, 7.5], n)) + np.linspace(0, 0.5, n)
    write_dl2(
        source,
        seed=4,
        pointing_az=around,
        reco_az=np.degrees(around),
        timestamp=pauses,
        time_diff=rng.uniform(-1, 2, n),
    )
    folder = write_irfs(tmp_path / "irf", tuple((zenith, 0.5) for zenith, _ in NODES[:3]))
    expected, made = made_by_both(tmp_path, source, folder)
    assert not differences(expected, made)


def test_one_event_after_the_cuts(tmp_path):
    source = write_dl2(tmp_path / NAME, n_events=4, gammaness=0.99, disp_diff_mean=0.1)
    expected, made = made_by_both(
        tmp_path, source, write_irfs(tmp_path / "irf", gammaness="global", EVT_TYPE="hardware")
    )
    assert not differences(expected, made)


@pytest.mark.parametrize(
    ("nodes", "cut", "code"), [(((60.0, 90.0), (50.0, 90.0), (45.0, 90.0)), 0.5, 5), (NODES[:3], 1.0, 6)]
)
def test_ends_as_there(tmp_path, source, nodes, cut, code):
    folder = write_irfs(tmp_path / "irf", nodes, gammaness="global", GH_CUT=cut)
    for tool in (mcp_dl2_to_dl3, dl3.dl2_to_dl3):
        with pytest.raises(SystemExit) as end:
            tool(str(source), str(folder), str(tmp_path / "out"), config())
        assert end.value.code == code
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("cards", "changes", "text"),
    [
        ({"QUAL_CUT": "intensity * 2 > 100"}, {}, "more than comparisons"),
        ({"QUAL_CUT": "abs(slope) < 3"}, {}, "more than comparisons"),
        ({"QUAL_CUT": "unknown < 3"}, {}, "has no unknown as float64"),
        ({"EVT_TYPE": "other"}, {}, "events of type other"),
        ({"QUAL_CUT": "intensity < 0"}, {}, "no event has images of two telescopes"),
        ({}, {"source_ra": None}, "no source_ra in dl2_to_dl3: a name server"),
        ({}, {"interpolation_scheme": "other"}, "interpolation_scheme other"),
        ({}, {"other": 1}, "settings of dl2_to_dl3: other"),
        ({}, {"max_distance": "1 arcmin"}, "within max_distance"),
    ],
)
def test_what_is_left_to_magic_cta_pipe(tmp_path, source, cards, changes, text):
    folder = write_irfs(tmp_path / "irf", **cards)
    with pytest.raises(NotCovered, match=text):
        dl3.dl2_to_dl3(str(source), str(folder), str(tmp_path / "out"), config(**changes))
    assert not (tmp_path / "out").exists()


def test_irfs_that_differ_are_left_to_magic_cta_pipe(tmp_path, source):
    for second, text in (({"QUAL_CUT": "disp_diff_mean < 0.3"}, "QUAL_CUT"), ({"theta": "dynamic"}, "different kinds")):
        folder = write_irfs(tmp_path / "irf", NODES[:1])
        write_irfs(folder, NODES[1:2], **second)
        with pytest.raises(NotCovered, match=text):
            dl3.dl2_to_dl3(str(source), str(folder), str(tmp_path / "out"), config())
    with pytest.raises(NotCovered, match="no IRFs"):
        dl3.dl2_to_dl3(str(source), str(tmp_path), str(tmp_path / "out"), config())


def test_a_configuration_stays_as_it_was(tmp_path, source):
    given_config = config()
    dl3.dl2_to_dl3(str(source), str(write_irfs(tmp_path / "irf")), str(tmp_path / "out"), given_config)
    assert given_config == config()


def test_index_files(tmp_path):
    folder = tmp_path / "dl3"
    for run, cuts in ((1622, {}), (1623, {"theta": "dynamic"})):
        source = write_dl2(tmp_path / f"dl2_LST-1_MAGIC.Run0{run}.h5", seed=run, n_events=60, obs_id=run)
        dl3.dl2_to_dl3(str(source), str(write_irfs(tmp_path / f"irf{run}", **cuts)), str(folder), config())
    names = ("hdu-index.fits.gz", "obs-index.fits.gz")
    index.create_dl3_index_files(str(folder))
    for name in names:
        shutil.move(folder / name, tmp_path / name)
    mcp_index(str(folder))
    for name in names:
        assert not differences(folder / name, tmp_path / name)
    assert list(fits.getdata(folder / names[0])["HDU_TYPE"][3:5]) == ["aeff", "edisp"]


def test_index_files_without_dl3_or_with_a_damaged_one(tmp_path):
    for tool in (mcp_index, index.create_dl3_index_files):
        with pytest.raises(FileNotFoundError, match="Could not find any DL3 data files"):
            tool(str(tmp_path))
    (tmp_path / "dl3_LST-1_MAGIC.Run01622.fits.gz").write_bytes(b"damaged")
    with pytest.raises(NotCovered, match="is not whole"):
        index.create_dl3_index_files(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1.0, 1e15, 1e-300]), lost=st.sampled_from([0.0, 0.3, 1.0]))
def test_means_and_sums_are_those_of_pandas(seed, scale, lost):
    rng = np.random.default_rng(seed)
    event = np.sort(rng.integers(8, size=20))
    values = rng.normal(size=20) * scale ** rng.random(20)
    values[rng.random(20) < lost / 2] = np.inf
    values[rng.random(20) < lost] = np.nan
    first = np.append(True, np.diff(event) != 0)
    groups = pd.Series(values).groupby(event)
    assert means.sums(values, first)[0].tobytes() == groups.sum().to_numpy().tobytes()
    # The sign of "not a number" has no meaning.
    assert np.array_equal(means.means(values, first), groups.mean().to_numpy(), equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n_nodes=st.integers(2, 6), at_a_node=st.booleans(), lost=st.booleans())
def test_values_between_nodes_are_those_of_scipy(seed, n_nodes, at_a_node, lost):
    rng = np.random.default_rng(seed)
    points, values = rng.uniform(0.5, 1, n_nodes), rng.normal(size=(n_nodes, 4, 3, 1)).astype(">f8")
    if lost:
        values[rng.random(values.shape) < 0.2] = np.nan
    target = rng.choice(points, 1) if at_a_node else rng.uniform(points.min(), points.max(), 1)
    found = irfs._at(points, values, target, "linear")
    expected = griddata(points, values, target, method="linear")[0]
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(expected)) or lost


CUTS = st.recursive(
    st.builds(
        "{} {} {}".format, st.sampled_from("abc"), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        st.sampled_from(["0", "1", "0.5", "c"]),
    ),
    lambda inner: st.builds("({}) {} {}".format, inner, st.sampled_from(["&", "|", "and", "or"]), inner),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(cuts=CUTS, seed=st.integers(0, 100))
def test_cuts_let_pass_what_pandas_lets_pass(cuts, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.choice([0.0, 0.5, 1.0, np.nan], (30, 3)), columns=list("abc"))
    passed = irf_cuts.passed(irf_cuts.parse(cuts), frame.to_records(index=False))
    assert frame.index[passed].tolist() == frame.query(cuts).index.tolist()


@pytest.mark.parametrize(
    "cuts", ["", "a <", "a", "1 < 'b'", "a < True", "a in [1, 2]", "not a < 1", "a < -1", "f(a) < 1"]
)
def test_other_cuts_are_left_to_pandas(cuts):
    with pytest.raises(NotCovered):
        irf_cuts.parse(cuts)


def test_the_constants_are_those_of_the_tools():
    import astropy.units as u
    import magicctapipe
    from ctapipe_io_lst import REFERENCE_LOCATION
    from lstchain.high_level.hdu_table import DEFAULT_HEADER as LSTCHAIN_HEADER
    from magicctapipe.io import io
    from magicctapipe.utils import error_codes, functions
    from pyirf.io.gadf import DEFAULT_HEADER as PYIRF_HEADER

    assert f"magicctapipe v{magicctapipe.__version__}" == irfs.MAGIC_CTA_PIPE
    assert list(PYIRF_HEADER.items()) == list(irfs.PYIRF_HEADER)
    assert list(LSTCHAIN_HEADER.items()) == list(index.LSTCHAIN_HEADER)
    place = (REFERENCE_LOCATION.lon.to_value(u.deg), REFERENCE_LOCATION.lat.to_value(u.deg))
    height_m = round(REFERENCE_LOCATION.height.to_value(u.m), 2)
    assert [value for _, value, _ in dl3_hdus.REFERENCE_CARDS] == [*place, height_m]
    assert dl3_events.ORM_LON_DEG * u.deg == functions.LON_ORM
    assert dl3_events.ORM_LAT_DEG * u.deg == functions.LAT_ORM
    assert dl3_events.ORM_HEIGHT_M * u.m == functions.HEIGHT_ORM
    assert (io.DEAD_TIME_LST.to_value("s"), io.DEAD_TIME_MAGIC.to_value("s")) == (
        dl3.LST_DEAD_TIME_S,
        dl3.MAGIC_DEAD_TIME_S,
    )
    assert io.TIME_DIFF_UPLIM.to_value("s") == dl3.GAP_S
    assert (irfs.OUTSIDE, dl3.NO_EVENT) == (error_codes.OUTSIDE_INTERPOLATION_RANGE, error_codes.NO_DL2_GAMMANESS_CUT)
    assert ZENITH_DEG == 22
