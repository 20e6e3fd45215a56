"""The season of a source: made with each night, rolled back and withdrawn from with them, by what people decided."""

import json
import time

import pytest
from astropy.io import fits
from published_site import CUTS, SOURCE

from stereo_tasks.catalog import decisions, withdrawals
from stereo_tasks.catalog.publications import published as published_rows
from stereo_tasks.catalog.taking_over import take_over
from stereo_tasks.gadf.check import HDU_INDEX, OBS_INDEX, check_folder
from stereo_tasks.nights import Night
from stereo_tasks.processing.publishing import publish, summary
from stereo_tasks.processing.rolling_back import rollback
from stereo_tasks.processing.withdrawing import withdraw
from stereo_tasks.products import versions
from stereo_tasks.products.published_nights import published_nights
from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.products.season_publication import forget_all, publish_season, season_link
from stereo_tasks.products.versions import Retention
from stereo_tasks.provenance.published import NotPublishedError

FIRST, SECOND = "2024-01-10", "2024-01-11"


def observations(folder):
    """Return quality by observation, as the index says it."""
    with fits.open(folder / OBS_INDEX) as hdus:
        return {int(row["OBS_ID"]): int(row["QUALITY"]) for row in hdus[1].data}


def test_it_lists_all_nights_with_their_quality_and_keeps_the_format(nights):
    nights.publish(FIRST, [1, 2])
    nights.publish(SECOND, [11], level="bad")
    season = season_link(nights.root, CUTS)
    assert season == nights.published / "season"
    assert observations(season) == {1: 0, 2: 0, 11: 2}
    assert check_folder(season) == []
    assert [str(one.night) for one in published_nights(nights.root, CUTS)] == [FIRST, SECOND]


def test_a_version_never_changes_and_events_are_those_of_the_index_that_was_opened(nights):
    old = nights.publish(FIRST, [1, 2], events=20)
    season = (nights.published / "season").resolve()
    before = {path: path.read_bytes() for folder in (old, season) for path in folder.iterdir() if path.is_file()}
    nights.publish(FIRST, [1, 2], events=30)
    assert {path: path.read_bytes() for path in before} == before
    with fits.open(season / HDU_INDEX) as hdus:
        opened = nights.published / "season" / hdus[1].data["FILE_DIR"][0] / hdus[1].data["FILE_NAME"][0]
    assert len(fits.getdata(opened, "EVENTS")) == 20  # though the link was turned meanwhile


def test_the_same_content_leaves_the_season_as_it_is(nights):
    nights.publish(FIRST, [1])
    before = (nights.published / "season").lstat()
    plan = nights.make(SECOND, [11])
    publish(plan, nights.settings)
    season = nights.published / "season"
    after = season.lstat()
    assert before != after
    publish(plan, nights.settings)
    assert (season.lstat().st_ino, season.lstat().st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_night_without_the_columns_of_today_is_left_out_and_named(nights):
    nights.publish(FIRST, [1])
    folder = nights.publish(SECOND, [11])
    with fits.open(folder / OBS_INDEX, mode="update") as hdus:
        hdus[1].columns.del_col("QUALITY")
    (nights.published / "season").unlink()
    for path in (nights.published / ".seasons").iterdir():
        path.rename(path.with_name(f"old-{path.name}"))
    publish_season(nights.published)
    assert observations(nights.published / "season") == {1: 0}
    (text,) = json.loads((nights.published / "season" / "published.json").read_text())["left_out"].values()
    assert "no QUALITY" in text


def test_forty_nights_take_less_than_a_few_seconds_of_cpu(nights):
    night = nights.publish(FIRST, [1, 2, 3])
    for number in range(40):
        copied = nights.published / ".versions" / f"{20250000 + number}.0"
        copied.mkdir()
        (copied / "published.json").write_text("{}")
        for name in (HDU_INDEX, OBS_INDEX):
            with fits.open(night / name) as hdus:
                hdus[1].data["OBS_ID"] += 10 * (number + 1)
                hdus.writeto(copied / name)
        (nights.published / copied.name[:8]).symlink_to(f".versions/{copied.name}")
    start_s = time.process_time()
    publish_season(nights.published)
    assert time.process_time() - start_s < 3  # 0.4 s on a quiet machine
    assert len(observations(nights.published / "season")) == 123


def test_old_versions_go_but_for_those_that_a_season_lists(nights):
    folders = [nights.publish(FIRST, [1], events) for events in (20, 21, 22, 23)]
    assert all(folder.exists() for folder in folders)  # younger than the policy says
    forget_all(nights.published, Retention(number=2, days=0))
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    assert len(list((nights.published / ".seasons").iterdir())) == 2
    assert check_folder(nights.published / "season") == []


def test_a_rolled_back_night_stays_so_until_it_has_another_content(nights, catalog):
    old = nights.publish(FIRST, [1], events=20)
    new = nights.make(FIRST, [1], events=30)
    publish(new, nights.settings)
    with pytest.raises(NotPublishedError, match="others than the current one are: " + versions.version_name(old)):
        rollback(catalog, nights.settings, SOURCE, Night(FIRST), "odd", by="me", to="no such version")
    with pytest.raises(ValueError, match="reason"):
        rollback(catalog, nights.settings, SOURCE, Night(FIRST), " ", by="me")
    done = rollback(catalog, nights.settings, SOURCE, Night(FIRST), "a peak at 1 TeV", by="me")
    assert nights.link(FIRST).resolve() == old
    assert (done.link, done.after) == (nights.link(FIRST), versions.version_name(old))
    (row,) = published_rows(catalog, nights.settings.production().name)
    assert row.path == str(old)
    publish(new, nights.settings)  # the same again
    assert nights.link(FIRST).resolve() == old
    assert old.name in (nights.published / "season" / "published.json").read_text()
    newer = nights.publish(FIRST, [1], events=40)
    assert nights.link(FIRST).resolve() == newer
    rollback(catalog, nights.settings, SOURCE, Night(FIRST), "it was right", by="me", to=done.before)
    publish(new, nights.settings)
    assert versions.version_name(nights.link(FIRST).resolve()) == done.before


def test_a_season_is_rolled_back_until_a_night_changes_and_never_to_what_was_withdrawn(nights, catalog):
    nights.publish(FIRST, [1])
    nights.publish(SECOND, [11])
    rollback(catalog, nights.settings, SOURCE, None, "clouds", by="me")
    assert observations(nights.published / "season") == {1: 0}
    publish_season(nights.published)
    assert observations(nights.published / "season") == {1: 0}
    nights.publish(SECOND, [11, 12])
    assert observations(nights.published / "season") == {1: 0, 11: 0, 12: 0}
    done = rollback(catalog, nights.settings, SOURCE, Night(SECOND), "clouds", by="me")
    assert observations(nights.published / "season") == {1: 0, 11: 0}  # what was rolled back before a night changed
    rollback(catalog, nights.settings, SOURCE, Night(SECOND), "no clouds", by="me", to=done.before)
    withdraw(catalog, nights.settings, 12, "no stars", by="me")
    assert observations(nights.published / "season") == {1: 0, 11: 0}
    with pytest.raises(NotPublishedError, match="no stars"):
        rollback(catalog, nights.settings, SOURCE, None, "all is well", by="me")


def test_a_withdrawn_run_leaves_night_season_and_data_sets_until_it_is_lifted(nights, catalog):
    full = nights.publish(FIRST, [1, 2])
    nights.publish(SECOND, [11])
    with pytest.raises(NotPublishedError, match="run 3 is not published"):
        withdraw(catalog, nights.settings, 3, "a cloud", by="me")
    with pytest.raises(ValueError, match="reason"):
        withdraw(catalog, nights.settings, 2, "", by="me")
    (one,) = withdraw(catalog, nights.settings, 2, "a cloud", by="me")
    assert (str(one.night), one.source, one.new, one.links) == (FIRST, SOURCE, True, (nights.link(FIRST),))
    folder = nights.link(FIRST).resolve()
    assert observations(folder) == {1: 0}
    assert observations(nights.published / "season") == {1: 0, 11: 0}
    assert check_folder(folder) == check_folder(nights.published / "season") == []
    assert not (folder / "dl3_MAGIC_LST-1.Run00002.fits.gz").exists()
    assert "run 2: a cloud (me, " in (folder / "WITHDRAWN.txt").read_text()
    described = (folder / "ro-crate-metadata.json").read_text()
    assert "Run00001" in described
    assert "Run00002" not in described
    assert list(published_nights(nights.root, CUTS)[0].dl2) == []  # no DL2 here, and none is missed of run 2
    assert len(published_nights(nights.root, CUTS)[0].missing) == 1
    # Neither the same content nor a new one brings it back.
    nights.publish(FIRST, [1, 2, 4], events=30)
    assert observations(nights.link(FIRST)) == {1: 0, 4: 0}
    assert not withdraw(catalog, nights.settings, 2, "again", by="you")[0].new
    (one,) = withdraw(catalog, nights.settings, 2, "it was the moon", by="you", lifts=True)
    assert one.new
    assert observations(nights.published / "season") == {1: 0, 2: 0, 4: 0, 11: 0}
    assert (full / "dl3_MAGIC_LST-1.Run00002.fits.gz").exists()


def test_a_withdrawn_night_is_a_note_and_what_was_made_of_it_is_named(nights, catalog):
    nights.publish(FIRST, [1, 2])
    made = nights.root / "datasets" / "nights" / "20240110" / "merged.h5"
    grown = nights.root / "datasets" / "all" / "merged" / "dl2_merged.h5"
    other = nights.root / "datasets" / "nights" / "20240111" / "merged.h5"
    dl2 = nights.root / "DL2" / "20240110" / "dl2_MAGIC_LST-1.Run00001.h5"
    for output, read in ((made, dl2), (grown, made), (other, dl2.parent.parent / "20240111" / dl2.name)):
        Record(
            element=output.name, stage="dataset_merged", state="done", reason="", fingerprint="", plan="",
            inputs=(FileMark(str(read), 1, 1),), outputs=(FileMark(str(output), 1, 1),),
        ).save(output.with_name(f"{output.name}.record.json"))  # fmt: skip
    (one,) = withdraw(catalog, nights.settings, Night(FIRST), "dust", by="me", source=SOURCE)
    assert one.derived == (str(made), str(grown))
    assert withdraw(catalog, nights.settings, 2, "dust", by="me")[0].derived == ()
    assert sorted(path.name for path in nights.link(FIRST).iterdir() if "index" in path.name) == []
    assert "Nothing of this night is left" in (nights.link(FIRST) / "WITHDRAWN.txt").read_text()
    assert "withdrawn" in (nights.published / "season" / "EMPTY.txt").read_text()
    withdraw(catalog, nights.settings, Night(FIRST), "no dust", by="me", lifts=True)
    assert observations(nights.published / "season") == {1: 0}  # run 2 was withdrawn by itself, too


def test_withdrawals_survive_a_lost_catalog_and_a_lost_file(nights, catalog):
    nights.publish(FIRST, [1, 2])
    withdraw(catalog, nights.settings, 1, "clouds", by="me")
    withdraw(catalog, nights.settings, 2, "clouds", by="me")
    withdraw(catalog, nights.settings, 2, "stars", by="you", lifts=True)
    production = nights.settings.production().name
    before = [(row.run, row.withdrawn_utc) for row in withdrawals.open_withdrawals(catalog, production)]
    with catalog.transaction() as session:
        session.execute(withdrawals.WithdrawalRow.__table__.delete())
    assert take_over(catalog) == 2  # the second with its end
    assert [(row.run, row.withdrawn_utc) for row in withdrawals.open_withdrawals(catalog, production)] == before
    (file,) = catalog.decisions.iterdir()
    file.unlink()
    assert take_over(catalog) == 0
    assert [one["kind"] for one in decisions.read(catalog.decisions)] == ["withdrawal", "withdrawal", "lift withdrawal"]
    (runs,) = withdrawals.withdrawn_runs(catalog.decisions, production, SOURCE).values()
    assert list(runs) == [1]


def test_what_followers_are_told_of_a_publication(nights, catalog):
    plan = nights.make(FIRST, [1, 2], events=20)
    publish(plan, nights.settings)
    told = summary(plan)
    assert (told["runs"], told["events"], told["qa"], told["significance_sigma"]) == (2, 40, "good", 12.5)
    assert told["cpu_h"] == pytest.approx(4 * 0.5)
    assert told["folder"] == str(nights.link(FIRST).resolve())
    assert told["folder"].endswith(told["version"])
    json.dumps(told)
