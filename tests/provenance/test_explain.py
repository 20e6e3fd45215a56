"""``stereo explain``: how a product came to be, whether it is stale and why, whether a byte has changed."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from stereo_tasks.stages.monte_carlo import MC_IRF
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, DL3


def output(plan, name):
    return Path(next(element for element in plan.elements if element.id == name).outputs[0])


def told(stereo, path, *options):
    code, text = stereo("explain", path, "--json", *options)
    return code, json.loads(text)


def flip(path):
    """Change one byte, and leave size and times as they are."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_dl3_names_every_raw_file_of_its_run_with_its_checksum(site, stereo):
    code, story = told(stereo, output(site.plan(), "dl3/01622"))
    assert code == 0
    assert story["stale"] is False
    # MAGIC's second run was taken during another run of LST-1. The live time is of all subruns of the run.
    own = [path for path in site.raw() if "05093712" not in path.name and "Run01623" not in path.name]
    assert len(own) == 6 + 2
    known = {mark["path"]: mark["sha256"] for mark in story["raw"]}
    assert known == {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in own + site.monte_carlo()}


def test_it_names_choices_versions_engines_jobs_and_cpu(site, stereo):
    _, story = told(stereo, output(site.plan(), "dl3/01622"))
    night, monte_carlo = story["plans"]
    assert (night["name"], monte_carlo["name"]) == ("20240110/CrabNebula", "mc/ST0320A/NSB1.5/v01/dec_2276")
    reasons = {choice["name"]: choice["reason"] for choice in night["choices"]}
    assert "nearest to the source" in reasons["declination line"]
    assert story["versions"]["magic-cta-pipe"] == ["0.6.2"]
    stages = {record["stage"] for record in story["records"]}
    assert {"mc_stereo", "mc_forests", "mc_dl2", "mc_irf", "calibrate", "merge", "coincide", "dl2", "dl3"} <= stages
    assert all(record["job"] and record["host"] and record["cpu_s"] >= 0 for record in story["records"])


def test_for_a_person_it_prints_lines_that_sha256sum_can_check(site, stereo):
    raw = site.raw()[0]
    code, text = stereo("explain", output(site.plan(), "dl3/01622"))
    assert code == 0
    assert f"{hashlib.sha256(raw.read_bytes()).hexdigest()}  {raw}" in text.splitlines()
    assert "not stale" in text


@pytest.mark.parametrize(
    "name",
    ["calibrate/M1/05093711.001", "coincide/01622.0000", "dl2/01622", "index", "qa"],
)
def test_every_product_has_its_story(site, stereo, name):
    code, story = told(stereo, output(site.plan(), name))
    assert (code, story["element"], story["checked"][0]["content"]) == (0, name, "same")


def test_the_page_the_observation_index_and_the_monte_carlo_have_theirs(site, stereo):
    plan = site.plan()
    for name, place in (("index", 1), ("qa", 1)):
        path = next(element for element in plan.elements if element.id == name).outputs[place]
        assert told(stereo, path)[1]["element"] == name
    irf = next(Path(site.root, "mc").rglob("irf_zd_24*.gz"))
    forest = next(Path(site.root, "mc").rglob("disp_regressors_M1_M2.joblib"))
    for path, stage, raw in ((irf, MC_IRF.name, "GammaTest"), (forest, "mc_forests", "GammaTrain")):
        code, story = told(stereo, path)
        assert (code, story["records"][-1]["stage"], story["stale"]) == (0, stage, False)
        assert any(raw in mark["path"] for mark in story["raw"])


def test_of_a_raw_file_it_says_that_no_element_made_it(site, stereo):
    code, text = stereo("explain", site.raw()[0])
    assert code == 1
    assert "no record tells of" in text


def test_one_flipped_byte_of_the_product_is_noticed(site, stereo):
    path = output(site.plan(), "dl3/01622")
    flip(path)
    code, story = told(stereo, path)
    assert (code, story["checked"]) == (1, [{"path": str(path), "content": "changed"}])
    assert story["stale"] is False, "by size and time alone it is as it was"


@pytest.mark.parametrize("which", ["raw", "monte_carlo", "intermediate"])
def test_one_flipped_byte_behind_a_product_is_noticed_when_all_is_read_again(site, stereo, which):
    plan = site.plan()
    changed = {
        "raw": site.raw()[0],
        "monte_carlo": site.monte_carlo()[0],
        "intermediate": output(plan, "coincide/01622.0001"),
    }[which]
    flip(changed)
    assert told(stereo, output(plan, "dl3/01622"))[0] == 0
    code, story = told(stereo, output(plan, "dl3/01622"), "--verify")
    assert code == 1
    assert [one["path"] for one in story["checked"] if one["content"] != "same"] == [str(changed)]


@pytest.mark.parametrize(
    ("file", "content", "name", "values", "stages"),
    [
        (
            "mcp.yaml", {"stereo_reco": {"theta_uplim": "5 arcmin"}}, "mcp.stereo_reco.theta_uplim",
            ("6 arcmin", "5 arcmin"), {"stereo", "mc_stereo"},
        ),
        (
            "mcp.yaml", {"dl2_to_dl3": {"interpolation_method": "nearest"}}, "mcp.dl2_to_dl3.interpolation_method",
            ("linear", "nearest"), {"dl3"},
        ),
        ("policy.yaml", {"completeness_min": 0.5}, "completeness_min", ("0.8", "0.5"), {"merge", "merge_stereo"}),
    ],
)  # fmt: skip
def test_after_a_change_of_the_configuration_it_names_the_key_and_no_other(
    site, stereo, file, content, name, values, stages
):
    path = output(site.plan(), "dl3/01622")
    site.configure(file, content)
    code, story = told(stereo, path)
    assert (code, story["stale"]) == (1, True)
    assert [(one["kind"], one["name"], one["before"], one["after"]) for one in story["stale_reasons"]] == [
        ("setting", name, *values)
    ]
    named = {element.partition("/")[0] for one in story["stale_reasons"] for element in one["elements"]}
    assert named == stages
    assert name in stereo("explain", path)[1]


def test_other_cuts_make_another_product_and_the_old_one_says_so(site, stereo):
    path = output(site.plan(), "dl3/01622")
    site.configure("mcp.yaml", {"create_irf": {"gammaness": {"efficiency": 0.8}}})
    _, story = told(stereo, path)
    settings = [one["name"] for one in story["stale_reasons"] if one["kind"] == "setting"]
    assert set(settings) == {"mcp.create_irf.gammaness.efficiency"}


def test_other_versions_changed_raw_files_and_products_made_again_are_named(site, stereo, monkeypatch):
    plan = site.plan()
    path = output(plan, "dl3/01622")
    raw = Path(next(element for _, element in plan.of_stage(COINCIDE)).inputs[0].path)
    os.utime(raw, (1, 1))
    _, story = told(stereo, path)
    assert {(one["kind"], one["name"]) for one in story["stale_reasons"]} == {("input", raw.name)}
    os.utime(raw, ns=(0, plan.of_stage(COINCIDE)[0][1].inputs[0].modified_ns))
    assert told(stereo, path)[1]["stale"] is False

    calibrated = output(plan, plan.of_stage(CALIBRATE)[0][1].id)
    calibrated.unlink()
    _, story = told(stereo, path)
    assert {(one["kind"], one["name"]) for one in story["stale_reasons"]} == {("product", calibrated.name)}
    site.run(plan)

    newer = {"magic-cta-pipe": "0.6.2", "ctapipe": "0.26.0", "gammapy": "1.3"}
    monkeypatch.setattr("stereo_tasks.processing.night_plans.science_versions", lambda _: newer)
    _, story = told(stereo, path)
    assert {(one["kind"], one["name"], one["after"]) for one in story["stale_reasons"]} == {
        ("version", "ctapipe", "0.26.0")
    }


def test_a_published_file_tells_of_its_publication_and_of_what_came_after(site, stereo):
    plan = site.plan()
    folder = Path(plan.root) / "DL3/g_dyn_0.9_th_glo_0.2/published/20240110"
    published = folder / output(plan, "dl3/01622").name
    code, story = told(stereo, published)
    assert (code, story["publication"]["current"], story["publication"]["qa"]) == (0, True, "good")
    assert told(stereo, folder)[1]["element"] == "index"

    old = folder.resolve()
    site.configure("mcp.yaml", {"dl2_to_dl3": {"interpolation_method": "nearest"}})
    site.publish(site.run(site.plan()))
    _, story = told(stereo, old / published.name)
    assert not story["publication"]["current"]
    assert story["stale"] is True
    assert "mcp.dl2_to_dl3.interpolation_method" in [one["name"] for one in story["stale_reasons"]]
    assert story["publication"]["made_again_since"] == ["dl3/01622"]
    assert story["checked"][0]["content"] == "same", "the file itself is what was published"
    flip(old / published.name)
    assert told(stereo, old / published.name)[1]["checked"][0]["content"] == "changed"


def test_without_its_row_in_the_log_it_cannot_be_judged_and_says_so(site, stereo):
    log = Path(site.settings.site.paths.stereo_log)
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2]))
    code, story = told(stereo, output_of(site))
    assert (code, story["stale"]) == (0, None)
    assert "would not be planned now" in story["stale_unknown"][0]


def output_of(site):
    return next(Path(site.root, "products").rglob(f"{DL3.name}_*Run01622.fits.gz"))


def test_the_story_as_w3c_prov_is_read_back_as_it_was_written(site, stereo):
    from prov.model import ProvActivity, ProvDocument, ProvEntity

    code, text = stereo("explain", output_of(site), "--prov")
    assert code == 0
    document = ProvDocument.deserialize(content=text)
    assert ProvDocument.deserialize(content=document.serialize()) == document
    labels = {str(entity.label) for entity in document.get_records(ProvEntity)}
    assert {path.name for path in site.monte_carlo()} <= labels
    assert output_of(site).name in labels
    _, story = told(stereo, output_of(site))
    assert len(list(document.get_records(ProvActivity))) == len(story["records"])
