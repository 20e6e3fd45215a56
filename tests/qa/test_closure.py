"""Injected against measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stereo_tasks.qa.closure import Outcome, compare, holds, main, read_truth


def _truth(path: Path, *sources: dict) -> Path:
    path.write_text(json.dumps({"night": "2024-01-10", "sources": list(sources)}))
    return path


def _source(
    flux: float | None = 2.2e-10, index: float = 2.5, name: str = "CrabNebula", ra_deg: float = 83.6331
) -> dict:
    spectrum = {
        "model": "power_law", "amplitude": flux, "amplitude_unit": "TeV-1 cm-2 s-1", "reference_tev": 0.5,
        "index": index, "energy_min_tev": 0.0475, "energy_max_tev": 18.9,
    }  # fmt: skip
    return {"name": name, "ra_deg": ra_deg, "dec_deg": 22.0145, "spectrum": spectrum if flux else None, "runs": []}


def _compare(path: Path, folder: Path, qa_settings, *sources: dict):
    return compare(read_truth(_truth(path, *sources)), [folder], qa_settings)


def test_what_was_injected_closes(tmp_path, crab_dynamic, capsys):
    truth = _truth(tmp_path / "truth.json", _source())
    assert main([str(truth), str(crab_dynamic), "--json", str(tmp_path / "out.json")]) == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["holds"] is True
    (row,) = written["sources"]
    assert row["outcome"] == "closes"
    assert abs(row["flux_pull"]) < 3
    assert abs(row["index_pull"]) < 3
    assert row["significance"] == pytest.approx(row["expected_significance"], rel=0.15)
    assert "CrabNebula" in capsys.readouterr().out


@pytest.mark.parametrize(("wrong", "name"), [({"flux": 2.9e-10}, "flux"), ({"index": 2.1}, "index")])
def test_another_spectrum_does_not_close(tmp_path, crab_fixed, capsys, wrong, name):
    truth = _truth(tmp_path / "truth.json", _source(**wrong))
    assert main([str(truth), str(crab_fixed)]) == 1
    assert f"{name} off by" in capsys.readouterr().out.replace("\n", " ")


def test_a_strong_source_that_is_not_seen_does_not_close(tmp_path, make_night, qa_settings):
    folder = make_night(flux=1e-18, background_hz=3, seed=13)
    (row,) = _compare(tmp_path / "truth.json", folder, qa_settings, _source())
    assert row.expected_significance > 20
    assert row.outcome == Outcome.DOES_NOT
    assert "below 5 sigma" in row.note


def test_a_weak_source_is_only_reported_and_proves_nothing(tmp_path, make_night, qa_settings):
    folder = make_night(flux=2e-12, background_hz=3, seed=17)
    rows = _compare(tmp_path / "truth.json", folder, qa_settings, _source(2e-12))
    assert [row.outcome for row in rows] == [Outcome.WEAK]
    assert not holds(rows)


def test_a_source_without_dl3_and_one_with_another_name(tmp_path, crab_fixed, qa_settings):
    rows = _compare(
        tmp_path / "truth.json", crab_fixed, qa_settings, _source(name="Crab"), _source(name="Mrk421", ra_deg=166.1)
    )
    assert [row.outcome for row in rows] == [Outcome.CLOSES, Outcome.NOT_MEASURED]
    assert holds(rows)


def test_a_detection_of_nothing_does_not_close(tmp_path, crab_fixed, qa_settings):
    rows = _compare(tmp_path / "truth.json", crab_fixed, qa_settings, _source(None))
    assert rows[0].outcome == Outcome.DOES_NOT


def test_inputs_that_cannot_be_used(tmp_path, capsys):
    truth = _truth(tmp_path / "truth.json", _source())
    assert main([str(truth), str(tmp_path)]) == 2
    assert "make dl3 and index again" in capsys.readouterr().err
    (tmp_path / "other.json").write_text("{}")
    assert main([str(tmp_path / "other.json"), str(tmp_path)]) == 2
    assert "not the truth of a simulated night" in capsys.readouterr().err
