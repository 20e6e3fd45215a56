"""``stereo diff``: what differs between two productions of a night, and what it does to the events."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.provenance.conftest import LST, PREPARED

KINDS = ("settings", "versions", "choices", "inputs", "models", "runs")


@pytest.fixture(scope="session")
def dl3(prepared_site, tmp_path_factory):
    """DL3 that gammapy can read: with all events, and with some of them."""
    folder = tmp_path_factory.mktemp("dl3")
    python = prepared_site.settings.site.science_python
    subprocess.run([python, "-m", "tests.provenance.make_dl3", folder], check=True, cwd=Path(__file__).parents[2])
    return folder


@pytest.fixture
def night(site, dl3, monkeypatch):
    """The site, of which the default production has DL3 that can be read."""
    monkeypatch.setitem(PREPARED, 0.9, dl3 / "all")
    monkeypatch.setitem(PREPARED, 0.8, dl3 / "some")
    plan = site.plan()
    for name in ("dl3/01622", "dl3/01623", "index"):
        next(element for element in plan.elements if element.id == name).record_path.unlink()
    site.publish(site.run(plan))
    return site


def difference(stereo, before, after):
    code, text = stereo("diff", before, after, "--night", "2024-01-10", "--json")
    assert code == 0, text
    (one,) = json.loads(text)
    return one


def events(folder, run):
    from astropy.table import Table

    table = Table.read(folder / f"dl3_MAGIC_LST-1.Run{run:05d}.fits.gz", hdu="EVENTS")
    return set(table["EVENT_ID"].tolist())


def test_a_production_does_not_differ_from_itself(night, stereo):
    assert not any(difference(stereo, "mcp062", "mcp062")[kind] for kind in KINDS)
    code, text = stereo("diff", "mcp062", "mcp062", "--night", "2024-01-10")
    assert (code, text.strip().splitlines()[-1]) == (0, "no difference")


def test_a_production_of_another_name_with_the_same_settings_does_not_differ(night, stereo):
    assert stereo("production", "create", "twin", "--from", "mcp062")[0] == 0
    night.publish(night.run(night.plan("twin")))
    found = difference(stereo, "mcp062", "twin")
    assert not any(found[kind] for kind in KINDS), found
    assert found["before"]["significance"] == found["after"]["significance"] > 5


def test_another_cut_is_named_alone_with_its_consequences_in_numbers(night, stereo, dl3):
    stereo("production", "create", "hard", "--from", "mcp062", "mcp.create_irf.gammaness.efficiency=0.8")
    night.prepare("hard")
    night.publish(night.run(night.plan("hard")))
    found = difference(stereo, "mcp062", "hard")
    assert found["settings"] == [{"name": "mcp.create_irf.gammaness.efficiency", "before": "0.9", "after": "0.8"}]
    assert not found["versions"]
    assert not found["inputs"]
    names = {choice["name"] for choice in found["choices"]}
    assert {"cuts", "IRFs"} <= names <= {"cuts", "IRFs", "gammaness cut"}, "what follows from it"
    for run, number in zip(found["runs"], LST, strict=True):
        every, some = events(dl3 / "all", number), events(dl3 / "some", number)
        assert (run["obs_id"], run["lost"], run["gained"], run["changed"]) == (number, len(every - some), 0, 0)
        assert run["lost"] > 100
    before, after = found["before"], found["after"]
    assert before["live_time_s"] == after["live_time_s"]
    # A fifth of all events goes, of the source and of the background: significance falls with the root of the rest.
    assert after["rate_hz"] / before["rate_hz"] == pytest.approx(0.8, abs=0.03)
    assert after["significance"] / before["significance"] == pytest.approx(0.8**0.5, abs=0.04)
    assert after["flux"] / before["flux"] == pytest.approx(0.8, abs=0.1)
    text = stereo("diff", "mcp062", "hard", "--night", "2024-01-10", "--source", "CrabNebula")[1]
    assert "setting mcp.create_irf.gammaness.efficiency: 0.9 -> 0.8" in text


def test_two_versions_of_one_production_are_compared_and_unknown_ones_are_told(night, stereo):
    first = difference(stereo, "mcp062", "mcp062")["before"]["version"]
    night.configure("mcp.yaml", {"dl2_to_dl3": {"max_distance": "30 deg"}})
    night.publish(night.run(night.plan()))
    found = difference(stereo, f"mcp062@{first}", "mcp062")
    assert [change["name"] for change in found["settings"]] == ["mcp.dl2_to_dl3.max_distance"]
    assert not found["runs"]
    code, text = stereo("diff", "mcp062@nothing", "mcp062", "--night", "2024-01-10")
    assert code == 1
    assert first in text


def test_a_raw_file_that_came_later_and_one_that_changed_are_named(night, stereo):
    first = difference(stereo, "mcp062", "mcp062")["before"]["version"]
    changed = next(path for path in night.raw() if path.name.endswith("Run01622.0000.h5"))
    changed.write_text("now it holds more")
    new = Path(str(night.raw()[-1]).replace(".003_", ".004_"))
    new.write_text("a subrun")
    night.publish(night.run(night.plan()))
    found = difference(stereo, f"mcp062@{first}", "mcp062")
    assert {change["name"] for change in found["inputs"]} == {changed.name, new.name}
    assert next(change for change in found["inputs"] if change["name"] == new.name)["before"] is None


def test_a_night_that_is_not_published_says_what_to_do(site, stereo):
    code, text = stereo("diff", "mcp062", "mcp062", "--night", "2024-01-11")
    assert code == 1
    assert "process it first" in text
