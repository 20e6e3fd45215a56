"""The common sample has the same events in all tables."""

import numpy as np
import pytest

from stereo_tasks.datasets.common import check_equal, common_events, event_list, is_among
from stereo_tasks.datasets.errors import DatasetError


def test_the_common_events_are_in_all_tables(images):
    others = [images.sample(frac=0.8, random_state=seed) for seed in (1, 2)]
    lists = {name: event_list(rows) for name, rows in zip("abc", [images, *others], strict=True)}
    events = common_events(lists)
    assert 0 < len(events) < len(lists["a"])
    kept = [rows[is_among(rows.to_records(index=False), events)] for rows in (images, *others)]
    check_equal({str(i): event_list(rows) for i, rows in enumerate(kept)})
    for rows in (images, *others):
        assert set(events) <= set(event_list(rows))


def test_a_table_that_lacks_an_event_is_found(images):
    events = event_list(images)
    with pytest.raises(DatasetError, match="1 events are in only one of merged and mean"):
        check_equal({"merged": events, "mean": events[1:]})


def test_ids_are_pairs_of_integers_not_text(images):
    # As text, or as a number with a point, 1622.10 and 1622.1 are one event.
    two = images.head(2).assign(obs_id=1622, event_id=np.array([1, 10]))
    assert len(event_list(two)) == 2
    assert len({float(f"{row.obs_id}.{row.event_id}") for row in two.itertuples()}) == 1
