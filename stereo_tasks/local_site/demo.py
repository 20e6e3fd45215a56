"""The demo: a simulated night goes through the whole site, from raw files to a spectrum that can be checked."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from stereo_tasks.airflow_api.client import AirflowApi, site_api
from stereo_tasks.local_site import control
from stereo_tasks.local_site.errors import SiteError
from stereo_tasks.local_site.files import free_port, port_is_free
from stereo_tasks.local_site.phases import Phases
from stereo_tasks.local_site.processes import MARKER, end_strays
from stereo_tasks.local_site.progress import failures, watch
from stereo_tasks.local_site.results import PlanShelf, published, qa_pages, stage_times
from stereo_tasks.nights import Night

if TYPE_CHECKING:
    from stereo_tasks.planning.plan import Plan
    from stereo_tasks.settings import Settings

DEMO_NIGHT = Night("2024-01-10")
_RUN_LIMIT_S = 3600.0
_COMMAND_MARKER = "STEREO_SITE_COMMAND"


def prepare_demo_config(site: Path) -> list[Path]:
    """Copy the demo's configuration into a site, and return the new files; existing ones are left as they are."""
    new = []
    for source in sorted((Path(__file__).parents[2] / "config" / "demo").glob("*.yaml")):
        target = site / "config" / source.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            new.append(target)
    return new


def run_demo(settings: Settings, *, keep: bool = False, console: Console | None = None) -> int:
    """Simulate the demo night, process it in Airflow, compare the result with the truth, and stop everything.

    Parameters
    ----------
    settings : Settings
        Configuration of the site, with the demo's files in place (see `prepare_demo_config`).
    keep : bool
        Leave the site running at the end.
    console : rich.console.Console, optional
        Where progress goes; a live table if it is a terminal, plain lines else.

    Returns
    -------
    int
        Exit code: 0 if the night got to DL3 and the injected spectrum came back.
    """
    console = console or Console(soft_wrap=True)
    phases = Phases(console)
    begin = dt.datetime.now(dt.UTC)
    try:
        with control.signals_interrupt():
            problems = _process(settings, phases, keep=keep)
            code = _report(settings, phases, problems, begin)
    except SiteError as error:
        console.print(f"The demo failed: {error}", style="red", highlight=False, markup=False)
        code = 1
    except KeyboardInterrupt:
        console.print("[bold]Interrupted; everything was stopped.[/]")
        code = 130
    _print_phases(phases)
    return code


def _process(settings: Settings, phases: Phases, *, keep: bool) -> list[str]:
    """Run all phases until the night has ended, and return what went wrong with it.

    The site starts while the simulation runs: it mostly waits.
    """
    with (
        _simulating(settings) as simulated,
        _running_site(settings, phases, keep=keep),
        site_api(settings) as api,
    ):
        with phases.phase("Simulate"):
            simulated()
        with phases.phase("Monte Carlo: forests and IRFs"):
            problems = _run(api, "prepare_mc", None, PlanShelf.of_monte_carlo(settings), phases)
        if not problems:
            with phases.phase(f"The night of {DEMO_NIGHT}"):
                problems = _run(api, "process_night", DEMO_NIGHT, PlanShelf.of_night(settings, DEMO_NIGHT), phases)
    return problems


@contextmanager
def _simulating(settings: Settings) -> Iterator[Callable[[], None]]:
    """Simulate the night and the Monte Carlo during a block; what it yields waits for both."""
    out = str(settings.site.paths.data)
    commands = [("stereo_tasks.simulate", what, "--out", out) for what in ("night", "mc")]
    with _science(settings, *commands) as processes:

        def wait() -> None:
            for command, process in zip(commands, processes, strict=True):
                if code := process.wait():
                    raise SiteError(f"`{' '.join(command)}` failed with exit code {code}; see above")

        yield wait


@contextmanager
def _science(settings: Settings, *commands: tuple[str, ...]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run modules in the science environment side by side, with their output on this terminal, during a block."""
    python = settings.site.science_python
    if not python.exists():
        raise SiteError(f"no science environment at {python}: run `make setup`")
    # Their own mark, and not the site's: cut short, all that they have started ends, and nothing else of the site; and
    # the site, which starts beside them, does not end them as left by an earlier one.
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    environment = {**os.environ, "STEREO_SITE": str(settings.site.root), _COMMAND_MARKER: mark}
    environment.pop(MARKER, None)
    try:
        yield [subprocess.Popen([str(python), "-m", *command], env=environment) for command in commands]
    finally:
        with control.uninterrupted():
            end_strays(mark, variable=_COMMAND_MARKER)


@contextmanager
def _running_site(settings: Settings, phases: Phases, *, keep: bool) -> Iterator[None]:
    """Keep the site running during a block. A site that ran before is used, and left running."""
    ran_before = control.status(settings).running
    host = settings.site.airflow.host
    port = settings.site.airflow.port
    if not ran_before and not port_is_free(port, host):
        port = free_port(host)
        phases.say(f"port {settings.site.airflow.port} is taken, using {port}")
    with phases.phase("Start the site"):
        # Paused: else the demo night would be found and processed by the half-hourly detection, too.
        address = control.up(settings, port=port, paused=True, echo=lambda line: phases.say(line))
        phases.say(f"Airflow: {address}  (users and passwords: {control.login_path(settings)})")
    try:
        yield
    except KeyboardInterrupt:
        keep = False
        raise
    finally:
        if not (ran_before or keep):
            with phases.phase("Stop the site"):
                phases.say(f"{control.down(settings)} processes stopped")


def _run(api: AirflowApi, dag: str, night: Night | None, shelf: PlanShelf, phases: Phases) -> list[str]:
    """Run a DAG, show its progress, and return why it failed; empty if it did not."""
    api.wait_for_dag(dag)
    api.unpause(dag)
    key = night.partition_key if night else None
    # An earlier demo may have been interrupted: its run goes on where it was, and a second one would meet its lock.
    interrupted = api.runs(dag, partition_key=key, unfinished=True)
    run = interrupted[0] if interrupted else api.trigger(dag, partition_key=key)
    phases.say(f"{dag}: {'going on with' if interrupted else 'started'} run {run}")
    state = watch(api, dag, run, console=phases.console, say=phases.say, counts=shelf.counts, limit_s=_RUN_LIMIT_S)
    if state == "success":
        # A run that found nothing to do ends well, too: of a night nobody observed, say. The demo's night has work.
        idle = [task for task in api.task_states(dag, run) if task.task == "plan" and task.state == "skipped"]
        return [f"{dag} planned nothing. Its log:\n{api.log(dag, run, task)}" for task in idle]
    return [f"the run of {dag} ended as {state}", *failures(api, dag, run)]


def _report(settings: Settings, phases: Phases, problems: list[str], begin: dt.datetime) -> int:
    console = phases.console
    plans = list(PlanShelf.of_night(settings, DEMO_NIGHT).newest().values())
    _print_times(console, [*PlanShelf.of_monte_carlo(settings).newest().values(), *plans], begin)
    for problem in problems:
        console.print(problem, style="red", highlight=False, markup=False)
    pages = qa_pages(plans)
    for page in pages:
        console.print(f"QA page         {page}", highlight=False)
    folders = published(plans)
    for folder in folders:
        console.print(f"DL3 with index  {folder}", highlight=False)
    if not folders:
        console.print("[bold red]The night did not get to DL3.[/]")
        return 1
    with phases.phase("Injected against measured"):
        truth = settings.site.paths.data / "truth" / f"{DEMO_NIGHT.lst_date}.json"
        with _science(settings, ("stereo_tasks.qa.closure", str(truth), *map(str, folders))) as (closure,):
            code = closure.wait()
    return 1 if problems or code else 0


def _print_times(console: Console, plans: list[Plan], begin: dt.datetime) -> None:
    times = stage_times(plans, begin)
    if not times:
        console.print("No product was made now: what is there was valid already.")
        return
    table = Table(title="Where the time went (all elements of a stage together)", title_justify="left", box=None)
    for column in ("stage", "elements", "elapsed s", "CPU s", "peak memory MB"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, cost in times.items():
        row = (f"{cost.elements}", f"{cost.elapsed_s:.1f}", f"{cost.cpu_s:.1f}", f"{cost.peak_memory_mb:.0f}")
        table.add_row(stage, *row)
    total = (sum(cost.elements for cost in times.values()), sum(cost.elapsed_s for cost in times.values()))
    table.add_row("together", f"{total[0]}", f"{total[1]:.1f}", f"{sum(cost.cpu_s for cost in times.values()):.1f}", "")
    console.print(table)


def _print_phases(phases: Phases) -> None:
    table = Table(title="Wall time by phase", title_justify="left", box=None, show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for name, seconds in phases.seconds.items():
        table.add_row(name, f"{seconds:.1f} s")
    table.add_row("together", f"{sum(phases.seconds.values()):.1f} s")
    phases.console.print(table)
