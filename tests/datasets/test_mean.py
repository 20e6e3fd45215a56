"""Means: magic-cta-pipe's own, with the cuts and the combinations that remain."""

import numpy as np
import pandas as pd
import pytest
from dl2_tables import write_table

from stereo_tasks.datasets.combinations import EVENT, INDEX, TELESCOPES
from stereo_tasks.datasets.mean import complemented, mean_events, selected_images

CUTS = "disp_diff_mean < 0.22"
WEIGHTS = ("simple", "intensity", "variance")


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("cuts", [None, CUTS, "intensity > 80"])
def test_means_are_those_that_dl3_is_made_of(dl2, images, tmp_path, weight, cuts):
    from magicctapipe.io import load_dl2_data_file

    write_table(tmp_path / "dl2.h5", dl2)
    theirs, _, _ = load_dl2_data_file(str(tmp_path / "dl2.h5"), cuts, "hardware", weight)
    ours = mean_events(selected_images(images, cuts), weight)
    assert len(ours) == len(theirs) > 500
    for name in theirs.colnames:
        tolerance = 1e-10 if name.endswith(("_ra", "_dec")) else 0  # of deg; all else is the same to the last bit
        np.testing.assert_allclose(ours[name], theirs[name].value, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("name", ["LST", "MAGIC"])
def test_means_of_one_array_are_those_of_its_images(images, weight, name):
    from magicctapipe.io import get_dl2_mean

    selected = selected_images(images, CUTS)
    ours = mean_events(selected, weight, TELESCOPES[name])
    own = selected[selected["tel_id"].isin(TELESCOPES[name])]
    theirs = get_dl2_mean(own.set_index(INDEX), weight).reset_index()
    for column in ("obs_id", "event_id", "reco_energy", "gammaness", "reco_alt", "reco_az", "timestamp"):
        np.testing.assert_array_equal(ours[column], theirs[column])
    if name == "LST":
        lst = own.set_index(EVENT)
        np.testing.assert_allclose(ours.set_index(EVENT)["reco_energy"], lst["reco_energy"], rtol=1e-12)
        assert set(ours["combo_type"]) == {0, 1, 2}


def test_the_combination_of_a_mean_is_that_of_the_images_that_were_averaged(images):
    cuts = "intensity > 80"
    ours = mean_events(selected_images(images, cuts), "intensity").set_index(EVENT)
    telescopes = images.query(cuts).groupby(EVENT)["tel_id"].agg(tuple)
    assert (ours["multiplicity"] == telescopes.loc[ours.index].map(len)).all()
    # The seed's way: the combination of the file stays, and events of one image with it.
    seeds = images.query(cuts).groupby(EVENT)["combo_type"].first().loc[ours.index]
    assert (ours["combo_type"] != seeds).sum() > 50


def test_quality_cuts_are_those_of_the_irfs(images):
    kept = selected_images(images, CUTS)
    assert (kept["disp_diff_mean"] < 0.22).all()
    assert len(mean_events(kept, "simple")) < 0.9 * images[EVENT].drop_duplicates().shape[0]


def test_trees_that_all_agree_give_no_mean_that_is_no_number(images):
    first = images[EVENT].drop_duplicates().iloc[0]
    agreed = images.assign(reco_energy_var=np.where((images[EVENT] == first).all(axis=1), 0, images["reco_energy_var"]))
    means = mean_events(selected_images(agreed, None), "variance")
    assert np.isfinite(means.select_dtypes("number")).all().all()
    assert len(means) == images[EVENT].drop_duplicates().shape[0] - 1


def test_ids_of_both_arrays_are_integers_also_without_lst(images, regions):
    means = complemented(mean_events(selected_images(images, None), "intensity"), regions)
    for name in ("obs_id", "event_id", "obs_id_magic", "event_id_magic", "obs_id_lst", "event_id_lst"):
        assert means[name].dtype == np.int64
    without = means["combo_type"] == 3
    assert (means["obs_id_lst"][without] == -1).all()
    assert (means["obs_id_lst"][~without] == means["obs_id"][~without]).all()
    pd.testing.assert_series_equal(means["event_id_magic"][without], means["event_id"][without], check_names=False)


def test_an_unknown_weight_is_an_error(images):
    with pytest.raises(ValueError, match="Unknown weight"):
        mean_events(images, "brightness")
