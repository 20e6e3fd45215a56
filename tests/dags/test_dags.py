"""What the DAGs look like to Airflow."""

from __future__ import annotations

import itertools
import subprocess
import sys

TASKS = ("magic_dl1", "stereo_dl3", "qa", "publish", "compare", "qa_with_comparison")


def test_all_dags_can_be_read(dag_bag):
    assert dag_bag.import_errors == {}
    assert {"detect_nights", "request_nights", "process_night", "prepare_mc"} <= set(dag_bag.dags)
    for dag in dag_bag.dags.values():
        assert dag.doc_md
        assert dag.description
        assert not dag.catchup


def test_reading_the_dags_costs_little(dags_folder):
    code = (
        "import runpy, sys, time\n"
        "import airflow.sdk\n"
        "from airflow.sdk import DAG, Asset, BaseOperator, CronPartitionTimetable, Param, TriggerRule, task\n"
        f"sys.path.insert(0, {str(dags_folder)!r})\n"
        "for name in ('process_night', 'detect_nights', 'request_nights', 'prepare_mc', 'build_datasets', "
        "'analyse_seasons'):\n"
        "    start = time.process_time()\n"
        f"    runpy.run_path({str(dags_folder)!r} + f'/{{name}}.py')\n"
        "    print(time.process_time() - start)\n"
        "print(*(name for name in sys.modules if name.startswith('stereo_tasks.')))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    *seconds, modules = run.stdout.splitlines()
    assert len(seconds) == 6
    assert max(map(float, seconds)) < 1.0, seconds
    # The declarations of the stages, and nothing that they name.
    assert {name.split(".")[1] for name in modules.split()} == {"stages"}


def test_a_night_is_one_run_that_is_scheduled_by_the_asset(dag_bag):
    from airflow.sdk import PartitionedAssetTimetable

    dag = dag_bag.dags["process_night"]
    assert isinstance(dag.timetable, PartitionedAssetTimetable)
    assert dag.timetable.asset_condition.name == "raw_night"
    assert dag.max_active_runs == 4
    producers = (("detect_nights", "hand_on.emit"), ("request_nights", "request"), ("process_night", "hand_on"))
    for producer, task in producers:
        outlets = dag_bag.dags[producer].get_task(task).outlets
        assert [asset.name for asset in outlets] == ["raw_night"]
    assert [asset.name for asset in dag.get_task("source.publish").outlets] == ["stereo_dl3"]


def test_the_chains_of_a_source_follow_each_other(dag_bag):
    dag = dag_bag.dags["process_night"]
    chain = [f"source.{name}" for name in TASKS]
    for first, second in itertools.pairwise(chain):
        assert dag.get_task(second).upstream_task_ids - {"plan"} == {first}
    rules = {name.removeprefix("source."): dag.get_task(name).trigger_rule for name in chain}
    assert {rules.pop(name) for name in ("qa", "compare", "qa_with_comparison")} == {"all_done"}
    assert set(rules.values()) == {"all_success"}


def test_only_the_completion_decides_about_a_night(dag_bag):
    dag = dag_bag.dags["process_night"]
    completion, release = dag.get_task("completion"), dag.get_task("release")
    assert completion.upstream_task_ids == {"lock", "source.qa_with_comparison"}
    assert completion.downstream_task_ids == {"release"}
    assert release.downstream_task_ids == {"hand_on"}
    # Both run whatever happened after the lock was taken, and only the completion counts.
    assert dag.get_task("lock").is_setup
    assert (completion.is_teardown, completion.on_failure_fail_dagrun) == (True, True)
    for task in (release, dag.get_task("hand_on")):
        assert (task.is_teardown, task.on_failure_fail_dagrun) == (True, False)


def test_the_stages_of_the_monte_carlo_follow_each_other(dag_bag):
    dag = dag_bag.dags["prepare_mc"]
    stages = ["mc_stereo", "mc_forests", "mc_pack", "mc_irfs"]
    assert [task.task_id.removeprefix("models.") for task in dag.topological_sort()] == ["plan", *stages, "completion"]
    assert {stage: str(dag.get_task(f"models.{stage}").fail_on) for stage in stages} == {
        "mc_stereo": "all", "mc_forests": "any", "mc_pack": "all", "mc_irfs": "any",
    }  # fmt: skip


def test_what_nights_wait_for_is_made_once(dag_bag):
    ask = dag_bag.dags["detect_nights"].get_task("make_models")
    assert ask.upstream_task_ids == {"lacking"}
    asked = ask.partial_kwargs
    assert (asked["trigger_dag_id"], asked["skip_when_already_exists"]) == ("prepare_mc", True)
    prepare = dag_bag.dags["prepare_mc"]
    assert prepare.max_active_runs == 1
    assert prepare.params.get_param("only").schema["type"] == "array"


def test_requests_name_nights_by_their_evening(dag_bag):
    import pendulum
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag_bag.dags["request_nights"]))
    assert isinstance(dag, SerializedDAG)
    found = dag.iter_dagrun_infos_between(pendulum.datetime(2024, 1, 10), pendulum.datetime(2024, 1, 12))
    assert [one.partition_key for one in found] == ["20240110", "20240111", "20240112"]
    # Nobody asked: the scheduler asks for nothing.
    restriction = TimeRestriction(pendulum.datetime(2024, 1, 11), None, catchup=False)
    assert dag.timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction) is None
    assert dag.timetable.summary == "on request"


def test_the_form_of_a_request_has_a_field_for_the_night(dag_bag):
    schema = dag_bag.dags["request_nights"].params.get_param("night").schema
    assert (schema["format"], schema["type"]) == ("date", ["null", "string"])


def test_data_sets_are_made_once_a_day_of_what_was_published(dag_bag):
    from airflow.sdk import CronTriggerTimetable

    dag = dag_bag.dags["build_datasets"]
    assert isinstance(dag.timetable, CronTriggerTimetable)
    assert dag.max_active_runs == 1  # so a source is never worked on by two runs
    assert [asset.name for asset in dag.get_task("plan").inlets] == ["stereo_dl3"]
    assert set(dag.params) == {"source", "first", "last", "production"}
    chain = ["dataset_nights", "dataset_mc", "dataset_season", "dataset_summaries"]
    stages = [task.task_id.removeprefix("dataset.") for task in dag.topological_sort()]
    assert stages == ["plan", *chain, "completion"]
    assert dag.get_task("completion").trigger_rule == "all_done"


def test_sources_are_analysed_once_a_day_from_what_was_published(dag_bag):
    from airflow.sdk import CronTriggerTimetable

    dag = dag_bag.dags["analyse_seasons"]
    assert isinstance(dag.timetable, CronTriggerTimetable)
    assert dag.max_active_runs == 1
    assert [asset.name for asset in dag.get_task("plan").inlets] == ["stereo_dl3"]
    assert set(dag.params) == {"source", "first", "last", "production"}
    stages = [task.task_id for task in dag.topological_sort()]
    assert stages == ["plan", "season.season_analysis", "completion"]
    assert dag.get_task("completion").trigger_rule == "all_done"
