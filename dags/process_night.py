"""One run a night: from the raw files of MAGIC and LST-1 to published DL3."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, Param, PartitionedAssetTimetable, chain, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from stereo_arrays import chain_task

from stereo_tasks.stages import chains_of, night_stages

RAW_NIGHT = Asset("raw_night")
STEREO_DL3 = Asset("stereo_dl3")

DOC = """
### One night, from raw files to published DL3

One run is one night, named by the date of its **evening**. For each source of the night there is a column of stages
(`calibrate` to `index`), each chain of them an array of jobs, then the QA page and the publication. At last a few
products are made again by magic-cta-pipe and compared, and the QA page says how. The sources do not wait for each
other: if one fails, the others are published all the same.

- **green**: all that was possible is published. The log of `completion` says what, and what was lost on the way.
- **red**: look at the log of `completion` (or of `lock`, if that is red); it names what failed and why. Failed elements
  are tried again when the night is requested again; what is valid is not computed twice.
- **skipped**: nothing was observed jointly in that night.

A night is processed once at a time: a second run of the same night is **skipped** in `lock`, which says who is at
work. What it was asked for is done by one more run, as soon as that one has ended.

Started by `detect_nights` (a night became ready), by `request_nights` (somebody asked for it), or by hand with
the parameter `night`.
"""


def _request(context) -> dict:
    """Say which night is to be processed, and how: by the run itself, or by the events that caused it."""
    from stereo_tasks.dispatch.partitions import combined, read_key
    from stereo_tasks.settings import load_settings

    params = context["params"]
    key = context.get("partition_key") or params["night"]
    if not key:
        raise AirflowFailException("which night? Give the run a partition key such as 20240110, or the parameter night")
    night, named = read_key(key)
    choice = {name: params[name] for name in ("production", "sources", "force", "from_stage")}
    events = [event for found in (context.get("triggering_asset_events") or {}).values() for event in found]
    # One run may answer several requests.
    if extras := [event.extra for event in sorted(events, key=lambda event: event.timestamp) if event.extra]:
        choice = combined(extras)
    choice["production"] = load_settings().production(choice["production"] or named).name
    return {**choice, "night": night}


def _owner(context) -> str:
    return f"{context['dag'].dag_id}/{context['run_id']}"


def _is_dead(owner, ti) -> bool:
    """Tell whether the run that holds a lock is over; of other owners nothing is known."""
    dag_id, _, run_id = owner.partition("/")
    return dag_id == "process_night" and ti.get_dagrun_state(dag_id, run_id) in ("success", "failed")


def _failed_tasks(context) -> list[str]:
    ti = context["ti"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
    return sorted(name for name, state in states.items() if state == "failed" and name != ti.task_id)


with DAG(
    "process_night",
    description="One night: raw files to published DL3",
    doc_md=DOC,
    schedule=PartitionedAssetTimetable(assets=RAW_NIGHT),
    start_date=dt.datetime(2018, 10, 10, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=4,
    params={
        "night": Param(None, type=["null", "string"], description="Date of the evening, for runs started by hand"),
        "production": Param(None, type=["null", "string"], description="Name of the production; empty: the default"),
        "sources": Param([], type="array", items={"type": "string"}, description="Only these; empty: all"),
        "force": Param(False, type="boolean", description="Compute again what is valid, too"),
        "from_stage": Param("", enum=["", *(stage.name for stage in night_stages())], description="Again from here on"),
    },
    default_args={"retries": 1, "retry_delay": dt.timedelta(seconds=30)},
    tags=["stereo"],
) as dag:

    @task
    def lock(**context) -> None:
        """Keep other runs away from this night."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.catalog.locks import NightLockedError
        from stereo_tasks.dispatch.taking import begin

        request, ti = _request(context), context["ti"]
        run = request["night"], request["production"], context["run_id"]
        try:
            begin(Catalog.of_site(), *run, request, owner=_owner(context), is_dead=lambda owner: _is_dead(owner, ti))
        except NightLockedError as error:
            raise AirflowSkipException(f"{error}; a run that follows does what this one was asked for") from None

    @task
    def plan(**context) -> list[dict]:
        """Write the plans of the night, one a source."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.dispatch.taking import plan_and_take

        request, ti = _request(context), context["ti"]
        night, production = request["night"], request["production"]
        found, choice = plan_and_take(Catalog.of_site(), night, production, context["run_id"], request)
        for text in found.not_taken:
            print("not taken:", text)
        ti.xcom_push("problems", list(found.problems))
        if not found.plans and not found.problems:
            reason = f"no observations in the stereo log for the night of {night}"
            if found.not_taken:
                reason += f" that can be used; {len(found.not_taken)} are not taken, see the log of plan"
            ti.xcom_push("nothing", reason)
            raise AirflowSkipException(reason)
        return [{"plan": str(plan.path), "name": plan.source, "force": choice["force"]} for plan in found.plans]

    @task_group
    def source(plan, name, force) -> None:
        """All stages of one source. To compare takes as long as magic-cta-pipe does: DL3 does not wait for it."""
        arguments = {"plan": plan, "name": name, "force": force}
        arrays = {stages.name: stages for stages in chains_of(night_stages())}
        compare = arrays.pop("compare")
        made = [chain_task(stages, **arguments) for stages in arrays.values()]
        compared = chain_task(compare, **arguments), chain_task(arrays["qa"], "qa_with_comparison", **arguments)
        chain(*made, publish(plan=plan, name=name), *compared)

    @task(outlets=[STEREO_DL3], map_index_template="{{ task.op_kwargs['name'] }}")
    def publish(plan, name, *, outlet_events, **context) -> str:
        """Put DL3 and its index where everybody sees them."""
        from stereo_tasks.processing.publishing import publish, summary

        request = _request(context)
        path = publish(plan)
        if path is None:
            raise AirflowSkipException(f"there is no DL3 of {name} to publish")
        outlet_events[STEREO_DL3].add_partitions(request["night"].partition_key)
        about = {"source": name, "production": request["production"], "path": str(path)}
        outlet_events[STEREO_DL3].extra = {**about, **summary(plan)}
        return str(path)

    @task
    def completion(**context) -> None:
        """Decide whether the night is a success: only this task decides the state of the run."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.catalog.processing_runs import DONE, FAILED, NOTHING, end_run
        from stereo_tasks.catalog.records import ingest
        from stereo_tasks.catalog.sign_offs import sign_offs
        from stereo_tasks.catalog.suspensions import suspend
        from stereo_tasks.planning.plan import Plan
        from stereo_tasks.processing.completion import completion as completion_of

        ti, request, catalog = context["ti"], _request(context), Catalog.of_site()
        run = request["night"], request["production"], context["run_id"]
        if reason := ti.xcom_pull(task_ids="plan", key="nothing"):
            end_run(catalog, *run, NOTHING, [reason])
            raise AirflowSkipException(reason)
        lines = [f"failed, the task {name}: see its log" for name in _failed_tasks(context)]
        plans = ti.xcom_pull(task_ids="plan")
        if plans is None:
            end_run(catalog, *run, FAILED, [*lines, "the night was not planned: see the log of the task plan"])
            raise AirflowFailException("the night was not planned: see the log of plan")
        for item in plans:
            ingest(catalog, item["plan"])
            if differing := suspend(catalog, Plan.load(item["plan"])):
                print(f"the kernels of {', '.join(differing)} are out of use: see the comparisons of {item['name']}")
        result = completion_of([item["plan"] for item in plans])
        success = result.done and bool(plans) and not lines
        problems = ti.xcom_pull(task_ids="plan", key="problems") or []
        lines = [*(f"unreadable row of the stereo log: {problem}" for problem in problems), *lines, *result.lines]
        signed = sign_offs(catalog, request["production"], request["night"], request["night"]).values()
        lines += [f"signed off: {one}" for one in signed if not one.holds]
        print("\n".join(lines))
        end_run(catalog, *run, DONE if success else FAILED, lines)
        if not success:
            raise AirflowFailException("the night is not complete: see above")

    @task(retries=3)
    def release(**context) -> None:
        """Let other runs work on this night."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.catalog.locks import release_night

        request = _request(context)
        release_night(Catalog.of_site(), request["night"], request["production"], _owner(context))

    @task(outlets=[RAW_NIGHT])
    def hand_on(*, outlet_events, **context) -> None:
        """Hand on what other runs of this night were asked for while this one was at work."""
        from stereo_tasks.catalog.database import Catalog
        from stereo_tasks.dispatch.partitions import partition_key
        from stereo_tasks.dispatch.taking import left_behind_choice

        request = _request(context)
        night, production = request["night"], request["production"]
        choice = left_behind_choice(Catalog.of_site(), night, production)
        if choice is None:
            raise AirflowSkipException("no other run was asked for this night meanwhile")
        if context["ti"].xcom_pull(task_ids="plan") is None:
            # The next run would most likely end like this one, and so on without a pause.
            raise AirflowSkipException("this run planned nothing: detect_nights hands on what others were asked for")
        outlet_events[RAW_NIGHT].add_partitions(partition_key(night, production))
        outlet_events[RAW_NIGHT].extra = choice
        print("handed on:", choice)

    locked = lock()
    plans = plan()
    # Setup and teardowns: the lock is taken again when a task of the run is cleared. And when somebody ends the run by
    # hand, Airflow skips all other tasks, and would call the run a success if nobody said otherwise.
    locked >> plans
    done = completion().as_teardown(setups=locked, on_failure_fail_dagrun=True)
    released = release().as_teardown(setups=locked)
    source.expand_kwargs(plans) >> done >> released >> hand_on().as_teardown(setups=locked)
