"""The whole chain through Airflow, with every fault that can be simulated. The tests build on each other."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import yaml

from stereo_tasks.gadf.check import check_folder
from stereo_tasks.nights import Night
from stereo_tasks.processing.publishing import published_folder
from stereo_tasks.stages import State, chains_of, night_stages
from stereo_tasks.stages.night import CALIBRATE, COINCIDE, MERGE_STEREO, QA, STEREO

sys.path.insert(0, str(Path(__file__).parents[1] / "gadf"))  # for readers

from readers import GAMMAPY, assert_alike, check_with_ctao, read_with_gammapy

# The first test waits for the simulation, the Monte Carlo and the night, which its fixtures make.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def stamps(site):
    """Time stamps of everything below the output tree but plans, logs and decisions."""
    return {
        path: path.stat().st_mtime_ns
        for path in site.settings.site.paths.output.rglob("*")
        if path.is_file() and not {"plans", "logs", "mc", "decisions"} & set(path.parts)
    }


def content(site, product):
    """Checksum of a table's rows: HDF5 files of equal content differ in their time stamps."""
    code = (
        "import sys, pandas as pd; table = pd.read_hdf(sys.argv[1], key='events/parameters')\n"
        "print(len(table), pd.util.hash_pandas_object(table).sum())"
    )
    done = site.science("-c", code, str(product))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_forests_and_irfs_are_in_the_tree_that_users_know_and_are_found_again(prepared):
    paths = prepared.settings.site.paths
    assert len(list((paths.models / "ST0320A/NSB1.5/v01/dec_2276").glob("*.joblib"))) == 12
    folder = paths.irfs / "ST0320A/NSB1.5/GammaTest/v01/g_dyn_0.9_th_glo_0.2/dec_2276"
    assert len(list(folder.glob("irf_*.fits.gz"))) == 3
    before = {path: path.stat().st_mtime_ns for root in (paths.models, paths.irfs) for path in root.rglob("*.*")}
    state, _ = prepared.run("prepare_mc", limit_s=120)
    assert state == "success"
    assert before == {
        path: path.stat().st_mtime_ns for root in (paths.models, paths.irfs) for path in root.rglob("*.*")
    }


def test_the_good_runs_reach_dl3(processed, truth):
    records = processed.records()
    reached = {
        name for name, record in records["CrabNebula"].items() if name.startswith("dl3/") and record.state == "done"
    }
    assert len(reached) == 4, processed.why("process_night", processed.run_id)
    assert not [r for n, r in records["1A0535+262"].items() if n.startswith("dl3/") and r and r.state == "done"]


def test_a_night_that_lost_runs_is_no_success_and_says_so(processed):
    assert processed.state == "failed"
    why = processed.why("process_night", processed.run_id)
    assert "run lost" in why
    assert "1A0535+262" in why


@pytest.mark.parametrize(
    ("stage", "state", "reason", "count"),
    [
        (CALIBRATE, State.HELD, "quarantined", 1),
        (CALIBRATE, State.SKIPPED, "no event survives the image cleaning", 1),
        (COINCIDE, State.HELD, "quarantined", 1),
        (COINCIDE, State.SKIPPED, "no overlap in time", 2),
        (STEREO, State.SKIPPED, "point apart", 2),
        (MERGE_STEREO, State.HELD, "run lost", 2),
    ],
)
def test_each_fault_is_a_state_with_a_reason_in_the_record_and_on_the_page(processed, stage, state, reason, count):
    found = [
        (source, name, record)
        for source, records in processed.records().items()
        for name, record in records.items()
        if record and record.stage == stage.name and record.state == state and reason in record.reason
    ]
    assert len(found) >= count
    plans = processed.plans()
    for source, name, record in found:
        page = Path(next(element for element in plans[source].elements if element.stage == QA).outputs[0])
        text = page.read_text()
        assert name in text
        assert record.reason[:40] in text or reason in text


def test_missing_and_duplicated_files_are_noticed_in_the_plan(processed):
    reasons = [f"{notice.subject} {notice.reason}" for plan in processed.plans().values() for notice in plan.notices]
    assert any("duplicate" in reason for reason in reasons)
    assert any("MAGIC M1" in reason and "missing" in reason for reason in reasons)
    assert any("LST-1" in reason and "missing" in reason for reason in reasons)


def test_no_half_written_file_is_left(processed):
    assert not list(processed.settings.site.paths.output.rglob(".tmp-*"))


def test_gammapy_reads_one_observation_a_run_and_the_injected_spectrum_comes_back(processed, truth):
    folder = published_folder(processed.plans()["CrabNebula"])
    code = (
        "import sys; from gammapy.data import DataStore\n"
        "store = DataStore.from_dir(sys.argv[1])\n"
        "observations = store.get_observations(required_irf='point-like')\n"
        "print(sorted(int(one.obs_id) for one in observations))\n"
        "print([float(one.observation_time_duration.to_value('s')) for one in observations])"
    )
    done = processed.science("-c", code, str(folder))
    assert done.returncode == 0, done.stderr
    ids, durations = done.stdout.strip().splitlines()[-2:]
    runs = [run.lst_run for run in processed.plans()["CrabNebula"].runs]
    assert ids == str(sorted(runs))
    # Three runs lost one subrun of 10 s of three: what is lost is no live time.
    whole, *damaged = sorted(json.loads(durations), reverse=True)
    assert 28 < whole < 31
    assert all(15 < one < 21.5 for one in damaged)
    closure = processed.science(
        "-m", "stereo_tasks.qa.closure", str(processed.root / "data/truth/20240110.json"), str(folder)
    )
    assert closure.returncode == 0, closure.stdout + closure.stderr


def test_what_is_published_is_read_by_others_alike(processed, truth):
    folder, source = published_folder(processed.plans()["CrabNebula"]), truth["sources"][0]
    assert check_folder(folder) == []
    assert_alike(*(read_with_gammapy(version, folder, source["ra_deg"], source["dec_deg"]) for version in GAMMAPY))
    assert check_with_ctao(folder)["problems"] == []


def test_requested_again_nothing_is_made_anew(processed):
    before = stamps(processed)
    state, run = processed.run("process_night", "20240110", {"sources": ["CrabNebula"]}, limit_s=180)
    assert state == "success", processed.why("process_night", run)
    assert stamps(processed) == before


def test_kernels_made_the_night_and_what_magic_cta_pipe_made_again_is_equal(processed):
    records = [record for record in processed.records()["CrabNebula"].values() if record]
    by_tool = [(record.element, record.engine_reason) for record in records if record.engine == "mcp"]
    assert by_tool == []
    compared = [record for record in records if record.stage == "compare"]
    assert {record.element.split("/")[1] for record in compared} == {
        "calibrate", "merge", "coincide", "stereo", "merge_stereo", "dl2", "dl3", "index",
    }  # fmt: skip
    assert {record.state for record in compared} <= {State.DONE, State.SKIPPED}
    assert sum(record.state == State.DONE for record in compared) >= 6
    (page,) = (element.outputs[0] for _, element in processed.plans()["CrabNebula"].of_stage(QA))
    assert "elements made twice: equal" in Path(page).read_text()


def test_on_this_machine_and_with_the_tools_nothing_but_the_page_is_made_anew(processed):
    before = stamps(processed)
    done = processed.stereo("run", "2024-01-10", "--source", "CrabNebula", "--engine", "mcp")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CrabNebula calibrate" in done.stdout
    after = stamps(processed)
    assert {path.parts[-3] for path in after if after[path] != before.get(path)} == {"QA"}


def test_another_value_for_dl3_concerns_dl3_index_and_page_only(processed):
    before = {name: record.ended_utc for name, record in processed.records()["CrabNebula"].items() if record}
    published = published_folder(processed.plans()["CrabNebula"]).resolve()
    overlay = processed.root / "config" / "mcp.yaml"
    content = yaml.safe_load(overlay.read_text()) or {}
    overlay.write_text(yaml.safe_dump({**content, "dl2_to_dl3": {"interpolation_method": "nearest"}}))
    state, run = processed.run("process_night", "20240110", {"sources": ["CrabNebula"]})
    assert state == "success", processed.why("process_night", run)
    after = {name: record.ended_utc for name, record in processed.records()["CrabNebula"].items() if record}
    changed = {name.split("/")[0] for name in after if after[name] != before[name]}
    assert changed == {"dl3", "index", "compare", "qa"}
    assert published_folder(processed.plans()["CrabNebula"]).resolve() != published


def test_an_element_killed_in_mid_write_is_repaired_with_equal_content(processed):
    plan = processed.plans()["CrabNebula"]
    element = next(one for one in plan.elements if one.stage == STEREO)
    product = Path(element.outputs[0])
    undisturbed = content(processed, product)
    # With its own tool: the kernel is done before one could look.
    (processed.root / "config" / "productions.yaml").write_text("productions: {mcp062: {engine: {stereo: mcp}}}\n")
    mark = processed.records()["CrabNebula"][element.id].fingerprint
    product.unlink()
    processed.api.unpause("process_night")
    run = processed.api.trigger("process_night", partition_key="20240110", conf={"sources": ["CrabNebula"]})
    deadline = time.monotonic() + 120
    killed = False
    while not killed and time.monotonic() < deadline:
        for folder in product.parent.glob(f".tmp-{product.name}-*"):
            os.kill(int(folder.name.rsplit("-", 2)[1]), signal.SIGKILL)
            killed = True
        time.sleep(0.05)
    assert killed
    assert processed.wait("process_night", run) == "success", processed.why("process_night", run)
    record = processed.records()["CrabNebula"][element.id]
    assert record.state == State.DONE
    assert record.fingerprint == mark
    assert content(processed, product) == undisturbed
    assert record.engine == "mcp"
    assert not list(product.parent.glob(".tmp-*"))
    (processed.root / "config" / "productions.yaml").unlink()


def test_a_night_without_observations_ends_as_such(processed):
    state, run = processed.run("process_night", "20240115", limit_s=120)
    assert state == "success"
    states = {one.task: one.state for one in processed.api.task_states("process_night", run)}
    assert states["plan"] == "skipped"


def test_detection_hands_on_the_night_once_when_a_file_of_it_came_anew(processed):
    state, run = processed.run("detect_nights", limit_s=120)
    assert state == "success", processed.why("detect_nights", run)
    assert {task.state for task in processed.api.task_states("detect_nights", run)} == {"skipped"}  # all is planned
    plan = processed.plans()["CrabNebula"]
    Path(plan.of_stage(COINCIDE)[0][1].inputs[0].path).touch()
    known = set(processed.api.runs("process_night"))
    state, run = processed.run("detect_nights", limit_s=120)
    assert state == "success", processed.why("detect_nights", run)
    found = processed.wait_for_run("process_night", known)
    assert found in processed.api.runs("process_night", partition_key="20240110")
    processed.wait("process_night", found)
    known = set(processed.api.runs("process_night"))
    processed.run("detect_nights", limit_s=120)
    time.sleep(5)
    assert set(processed.api.runs("process_night")) == known


def test_what_is_asked_for_while_a_run_is_at_work_is_done_by_a_run_that_follows(processed):
    def states(run):
        return {task.task: task.state for task in processed.api.task_states("process_night", run)}

    def trigger():
        return processed.api.trigger("process_night", partition_key="20240110", conf={"sources": ["CrabNebula"]})

    processed.api.unpause("process_night")
    known = set(processed.api.runs("process_night"))
    first = trigger()
    deadline = time.monotonic() + 120
    while states(first).get("plan") != "success":
        assert time.monotonic() < deadline, states(first)
        time.sleep(0.5)
    second = trigger()  # what comes before the plan is planned with it
    for run in (first, second):
        assert processed.wait("process_night", run, 300) == "success", processed.why("process_night", run)
    assert (states(first)["lock"], states(second)["lock"]) == ("success", "skipped")
    follower = processed.wait_for_run("process_night", known | {first, second})
    assert processed.wait("process_night", follower, 300) == "success", processed.why("process_night", follower)
    assert follower in processed.api.runs("process_night", partition_key="20240110")


def test_a_held_source_is_left_out_until_it_is_released(processed):
    held = processed.stereo("hold", "2024-01-10", "--source", "1A0535+262", "--reason", "flat-field under suspicion")
    assert held.returncode == 0, held.stderr
    state, run = processed.run("process_night", "20240110", limit_s=180)
    assert state == "success", processed.why("process_night", run)  # only the other source has lost runs
    assert "flat-field under suspicion" in processed.stereo("status", "2024-01-10").stdout
    assert processed.stereo("release", "2024-01-10", "--source", "1A0535+262").returncode == 0
    assert "flat-field under suspicion" not in processed.stereo("status", "2024-01-10").stdout


def test_a_backfill_makes_a_run_only_where_something_was_observed_and_passes_its_parameters_on(processed):
    known = set(processed.api.runs("process_night"))
    before = processed.records()
    asked = processed.stereo("backfill", "2024-01-09", "2024-01-11", "--source", "1A0535+262", "--force")
    assert asked.returncode == 0, asked.stderr
    run = processed.wait_for_run("process_night", known)
    assert processed.wait("process_night", run) == "failed"  # its runs point apart or do not overlap
    assert run in processed.api.runs("process_night", partition_key="20240110")
    after = processed.records()
    made = {name for name, record in after["1A0535+262"].items() if record and record.stage == CALIBRATE.name}
    assert made
    assert all(after["1A0535+262"][name].ended_utc > before["1A0535+262"][name].ended_utc for name in made)
    assert all(after["CrabNebula"][name] == before["CrabNebula"][name] for name in after["CrabNebula"])
    show = processed.stereo("backfill", "--show", "--json")
    assert show.returncode == 0, show.stderr
    deadline = time.monotonic() + 120
    while len(asks := {row.night.isoformat(): row.outcome for row in processed.asks()}) < 3:
        assert time.monotonic() < deadline, asks
        time.sleep(1)
    assert asks == {"2024-01-09": "nothing", "2024-01-10": "requested", "2024-01-11": "nothing"}


def test_every_job_of_the_night_is_in_the_catalog(processed):
    from stereo_tasks.catalog.jobs import jobs_of

    jobs = jobs_of(processed.catalog(), Night("2024-01-10"), processed.settings.production().name)
    assert {job.stage for job in jobs} == {chain.name for chain in chains_of(night_stages())}
    assert all(job.job_id and job.state for job in jobs)


def test_the_data_sets_of_the_source_are_made_of_what_was_published(processed):
    known = set(processed.api.runs("build_datasets"))
    state, run = processed.run("build_datasets", conf={"source": "CrabNebula"})
    assert state == "success", processed.why("build_datasets", run)
    assert run not in known
    folder = processed.settings.site.paths.output / "mcp062" / "CrabNebula" / "datasets" / "all"
    code = (
        "import json, sys, pandas as pd\n"
        "events = pd.read_hdf(sys.argv[1], 'events/parameters').query('gammaness > 0.5')\n"
        "names = ['theta2_on', 'theta2_off1', 'theta2_off2', 'theta2_off3']\n"
        "print(json.dumps([int((events[name] < 0.04).sum()) for name in names]))"
    )
    done = processed.science("-c", code, str(folder / "mean" / "dl2_mean_CrabNebula_total.3tel.h5"))
    assert done.returncode == 0, done.stderr
    on, *off = json.loads(done.stdout)
    assert on > 5 * max(off)
    assert len(list((folder / "mc").glob("dl2_MC_mean_CrabNebula.ST0320A_NSB1.5_v01_dec_2276_zd_*.h5"))) == 3
    listed = processed.stereo("dataset", "list", "CrabNebula", "--json")
    assert {file["state"] for file in json.loads(listed.stdout)} == {"done"}


def test_the_source_is_analysed_over_its_published_nights(processed):
    state, run = processed.run("analyse_seasons", conf={"source": "CrabNebula"})
    assert state == "success", processed.why("analyse_seasons", run)
    folder = processed.settings.site.paths.output / "mcp062" / "CrabNebula" / "Season" / "all"
    results = yaml.safe_load((folder / "results.yaml").read_text())
    runs = [run.lst_run for run in processed.plans()["CrabNebula"].runs]
    assert sorted([*results["observations"], *results["left_out"]]) == sorted(runs)
    assert results["nights"] == ["2024-01-10"]
    assert results["significance_sigma"] > 10
    assert "data:image/png;base64," in (folder / "season.html").read_text()
    # Nothing new was published: nothing is made.
    state, run = processed.run("analyse_seasons", conf={"source": "CrabNebula"}, limit_s=120)
    assert state == "success", processed.why("analyse_seasons", run)
    states = {one.task: one.state for one in processed.api.task_states("analyse_seasons", run)}
    assert states["completion"] == "skipped"
