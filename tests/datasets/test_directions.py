"""Directions, zenith distances and squared distances of a source whose place is known."""

import numpy as np
import pytest
from dl2_tables import DEC_DEG, PSF_DEG, RA_DEG, make_dl2

from stereo_tasks.datasets.directions import (
    SourceRegions,
    with_icrs,
    with_theta2,
    with_true_theta2,
    with_zenith_distances,
)
from stereo_tasks.datasets.errors import DatasetError


def events(**options):
    """One row an event, with ICRS directions."""
    dl2 = make_dl2(**options)
    return with_icrs(dl2.drop_duplicates(["obs_id", "event_id"]).reset_index(drop=True))


def off_columns(rows):
    return [name for name in rows if name.startswith("theta2_off")]


def test_zenith_distances_lie_between_zenith_and_horizon(dl2):
    rows = with_zenith_distances(dl2)
    for name in ("pointing_zd", "reco_zd"):
        assert ((rows[name] >= 0) & (rows[name] <= 90)).all()
    assert rows["pointing_zd"].mean() == pytest.approx(rows["reco_zd"].mean(), abs=0.5)
    assert ((dl2["pointing_alt"] - 90) < 0).all()  # the seed's way: alt - 90, of rad


def test_an_altitude_in_the_wrong_unit_is_an_error(dl2):
    with pytest.raises(DatasetError, match="rad"):
        with_zenith_distances(dl2.assign(pointing_alt=np.degrees(dl2["pointing_alt"])))


def test_icrs_directions_are_those_of_magic_cta_pipe(dl2):
    from astropy import units as u
    from astropy.time import Time
    from magicctapipe.utils import transform_altaz_to_radec

    few = dl2.head(200).reset_index(drop=True)
    rows = with_icrs(few)
    time = Time(few["timestamp"].to_numpy(), format="unix")
    ra, dec = transform_altaz_to_radec(
        alt=few["reco_alt"].to_numpy() * u.deg, az=few["reco_az"].to_numpy() * u.deg, obs_time=time
    )
    np.testing.assert_allclose(rows["reco_ra"], ra.deg, rtol=0, atol=1e-10)
    np.testing.assert_allclose(rows["reco_dec"], dec.deg, rtol=0, atol=1e-10)


@pytest.mark.parametrize("wished", [1, 2, 3, 4, 5])
def test_the_source_is_at_zero_and_the_off_regions_are_flat(wished):
    rows = with_theta2(events(events=8000, seed=wished, wobble_deg=0.39), SourceRegions(RA_DEG, DEC_DEG, 0.2, wished))
    number = int(rows["off_regions"].iloc[0])
    assert number == min(wished, 4)  # 0.39 deg sin(36 deg) = 0.23 deg; for five, sin(30 deg): 0.195 deg
    on, edges = np.histogram(rows["theta2_on"], np.arange(0, 0.0401, 0.01))
    off = np.array([np.histogram(rows[name], edges)[0] for name in off_columns(rows)[:number]])
    assert on[0] > 10 * off[:, 0].mean()
    assert (on[:-1] > on[1:]).all()
    expected = off.sum() / off.size
    # Every bin of every region, and every region: as background alone fluctuates.
    assert (np.abs(off - expected) < 4.5 * np.sqrt(expected)).all()
    assert (np.abs(off.sum(axis=1) - 4 * expected) < 4 * np.sqrt(4 * expected)).all()
    assert np.median(rows["theta2_on"][rows["theta2_on"] < 0.1]) < 4 * PSF_DEG**2


def test_as_many_off_regions_as_have_room():
    # The seed's way: five regions at 0.4 deg, shown up to 0.3 deg2. Two of them see the source.
    rows = events(events=8000)
    regions = SourceRegions(RA_DEG, DEC_DEG, 0.29, 5)
    ours = with_theta2(rows, regions)
    assert set(ours["off_regions"]) == {2}  # 0.4 deg sin(45 deg) = 0.283 deg is not enough for three
    assert ours[off_columns(ours)[2:]].isna().all().all()
    fixed = with_theta2(rows, SourceRegions(RA_DEG, DEC_DEG, 0.1, 5))
    bump = {name: np.count_nonzero(np.abs(fixed[name] - 0.16) < 0.05) for name in off_columns(fixed)}
    assert min(bump["theta2_off1"], bump["theta2_off5"]) > 3 * bump["theta2_off3"]
    within = [np.count_nonzero(ours[name] < 0.3) for name in off_columns(ours)[:2]]
    assert abs(within[0] - within[1]) < 4 * np.sqrt(sum(within))


def test_a_wobble_within_a_run_does_no_harm():
    rows = events(events=4000, angles_deg=(35.0, 215.0))
    regions = SourceRegions(RA_DEG, DEC_DEG, 0.2, 3)
    found = with_theta2(rows, regions)
    off = np.concatenate([found[name] for name in off_columns(found)])
    assert np.count_nonzero(found["theta2_on"] < 0.01) > 5 * np.count_nonzero(off < 0.01)
    # The seed's way: the mean pointing of the run is the source itself, and every OFF position is on it.
    mean = rows.assign(pointing_ra=rows["pointing_ra"].mean(), pointing_dec=rows["pointing_dec"].mean())
    assert set(with_theta2(mean, regions)["off_regions"]) == {0}
    assert set(found["off_regions"]) == {3}


def test_a_pointing_at_the_source_has_no_off_region():
    rows = with_theta2(events(events=50, wobble_deg=0.0), SourceRegions(RA_DEG, DEC_DEG, 0.2, 3))
    assert set(rows["off_regions"]) == {0}
    assert rows[off_columns(rows)].isna().all().all()
    assert rows["theta2_on"].notna().all()


def test_simulated_directions_are_compared_with_the_true_ones(dl2):
    rows = dl2.assign(true_alt=dl2["reco_alt"] + 0.1, true_az=dl2["reco_az"])
    np.testing.assert_allclose(with_true_theta2(rows)["theta2_on"], 0.01, rtol=1e-6)
