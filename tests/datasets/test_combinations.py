"""Combinations come from the telescopes, whatever a number says."""

import numpy as np
import pandas as pd
import pytest

from stereo_tasks.datasets.combinations import EVENT, NAMES, fractions, of_combination, stereo_images
from stereo_tasks.datasets.errors import DatasetError

OLD_NUMBERS = {3: 0, 0: 1, 2: 2, 1: 3}  # of magic-cta-pipe in 2022: M1 + M2, LST-1 + M1, LST-1 + M2, all three


def telescopes(images):
    return images.groupby(EVENT)["tel_id"].agg(tuple)


def test_three_telescopes_are_three_whatever_the_number_says(dl2):
    old = dl2.assign(combo_type=dl2["combo_type"].map(OLD_NUMBERS))
    # Files of today, read with the number of 2022, are events without LST-1.
    assert set(telescopes(dl2[dl2["combo_type"] == 3])) == {(2, 3)}
    for table in (dl2, old, dl2.drop(columns="combo_type")):
        rows = stereo_images(table)
        for name, members in NAMES.items():
            assert set(telescopes(rows[of_combination(name)(rows)])) == {members}


def test_the_fractions_of_the_combinations_sum_to_one(dl2):
    found = fractions(stereo_images(dl2).drop_duplicates(EVENT)["combo_type"].to_numpy())
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)
    assert found["3tel"] == pytest.approx(0.5, abs=0.05)


def test_an_event_that_lost_a_telescope_is_of_another_combination(dl2):
    three = dl2[dl2["combo_type"] == 1]
    without_m2 = stereo_images(three[three["tel_id"] != 3])
    assert of_combination("LST1_MI")(without_m2).all()
    assert (without_m2["multiplicity"] == 2).all()
    assert (three["combo_type"] == 1).all()  # the seed's way: the number of the file stays
    assert stereo_images(three[three["tel_id"] == 1]).empty


def test_rows_are_sorted_and_images_that_are_there_twice_are_left_out(dl2):
    twice = pd.concat([dl2, dl2[(dl2["tel_id"] == 3)].head(4)]).sample(frac=1, random_state=1)
    rows = stereo_images(twice)
    assert rows[[*EVENT, "tel_id"]].apply(tuple, axis=1).is_monotonic_increasing
    assert not rows.duplicated([*EVENT, "tel_id"]).any()
    lost = set(dl2[dl2["tel_id"] == 3].head(4)[EVENT].apply(tuple, axis=1))
    assert not lost & set(rows[rows["tel_id"] == 3][EVENT].apply(tuple, axis=1))


def test_an_unknown_telescope_is_an_error(dl2):
    with pytest.raises(DatasetError, match=r"\[4\]"):
        stereo_images(dl2.assign(tel_id=np.where(dl2["tel_id"] == 3, 4, dl2["tel_id"])))
