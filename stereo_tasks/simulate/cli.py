"""The command line of the simulator: nights, Monte Carlo, or everything from a file."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from stereo_tasks.simulate.demo import demo_monte_carlo, demo_spec
from stereo_tasks.simulate.spec import Campaign, Fault, FaultKind, MonteCarloSpec, NightSpec, RunSpec, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REAL_RATES_HZ = {"magic_rate_hz": 300.0, "lst_rate_hz": 5300.0}

_FAULT_FIELDS = ("kind", "run", "subrun", "telescope", "begin_s", "duration_s")

app = typer.Typer(no_args_is_help=True, help="Synthetic nights in the real file formats, with their truth.")

Out = Annotated[Path, typer.Option("--out", "-o", help="Data folder.")]
SpecFile = Annotated[Path | None, typer.Option("--spec", help="YAML file with nights and monte_carlo; see `template`.")]
Seed = Annotated[int | None, typer.Option(help="Seed number; the same seed and options give identical events.")]


@app.command("night")
def simulate(
    out: Out,
    spec: SpecFile = None,
    night: Annotated[list[str] | None, typer.Option(help="Evening date; may be given several times.")] = None,
    seed: Seed = None,
    source: Annotated[list[str] | None, typer.Option(help="NAME:RA_DEG:DEC_DEG; the first has the signal.")] = None,
    amplitude: Annotated[float | None, typer.Option(help="Flux at 0.5 TeV of the first source, 1/(TeV cm2 s).")] = None,
    index: Annotated[float | None, typer.Option(help="Spectral index of the first source, such as 2.5.")] = None,
    zenith: Annotated[list[float] | None, typer.Option(help="One run of the first source at each zenith, deg.")] = None,
    subruns: Annotated[int | None, typer.Option(help="Subruns a run.")] = None,
    subrun_seconds: Annotated[float | None, typer.Option(help="Length of a subrun in s.")] = None,
    wobble_offset: Annotated[float | None, typer.Option(help="Distance of the pointing from the source, deg.")] = None,
    magic_rate: Annotated[float | None, typer.Option(help="Background rate of MAGIC in Hz.")] = None,
    lst_rate: Annotated[float | None, typer.Option(help="Background rate of LST-1 in Hz.")] = None,
    real_rates: Annotated[bool, typer.Option(help="MAGIC 300 Hz, LST-1 5.3 kHz.")] = False,
    library: Annotated[int | None, typer.Option(help="Hadrons kept at each place of the library.")] = None,
    time_offset: Annotated[float | None, typer.Option(help="MAGIC time minus LST-1 time in us.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="KIND[:RUN[:SUBRUN[:TELESCOPE[:BEGIN_S[:DURATION_S]]]]], such as magic_missing:0:1:M2, or "
            "lst_stall:0:1::2:3 for a readout that stalls 2 s into the subrun for 3 s. Kinds: " + ", ".join(FaultKind)
        ),
    ] = None,
) -> None:
    """Simulate nights: the demo night, changed by the options, or the nights of a spec file."""
    from stereo_tasks.simulate.night import simulate_night

    with _clear_errors():
        if spec is not None:
            nights = load_campaign(spec).nights
        else:
            rates: dict[str, Any] = dict(REAL_RATES_HZ) if real_rates else {}
            rates |= _given(magic_rate_hz=magic_rate, lst_rate_hz=lst_rate, time_offset_us=time_offset)
            rates |= _given(proton_library=library, seed=seed)
            runs = _given(subruns=subruns, subrun_seconds=subrun_seconds, wobble_offset_deg=wobble_offset)
            spectrum = _given(amplitude_per_tev_cm2_s=amplitude, index=index)
            faults = tuple(_fault(text) for text in fault or ())
            nights = tuple(
                _changed(demo_spec(date), rates, runs, spectrum, source or [], zenith or [], faults)
                for date in night or ["2024-01-10"]
            )
        for night_spec in nights:
            with _progress() as report:
                typer.echo(str(simulate_night(night_spec, out, progress=report)))


@app.command("mc")
def simulate_mc(
    out: Out,
    spec: SpecFile = None,
    seed: Seed = None,
    gamma_train: Annotated[int | None, typer.Option(help="Thrown training gammas a node.")] = None,
    gamma_test: Annotated[int | None, typer.Option(help="Thrown test gammas a node.")] = None,
    proton_train: Annotated[int | None, typer.Option(help="Thrown training protons a node.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="So many files at once, 0.8 GB each; by default one a processor.")
    ] = None,
) -> None:
    """Simulate Monte Carlo DL1 at some zenith nodes: the demo's, or those of a spec file."""
    from stereo_tasks.simulate.monte_carlo import simulate_monte_carlo

    with _clear_errors():
        wanted = load_campaign(spec).monte_carlo if spec is not None else demo_monte_carlo()
        if wanted is None:
            raise ValueError(f"{spec} has no monte_carlo section")
        changes = _given(
            seed=seed,
            gamma_train_showers=gamma_train,
            gamma_test_showers=gamma_test,
            proton_train_showers=proton_train,
        )
        wanted = MonteCarloSpec.model_validate(wanted.model_dump() | changes)
        with _progress() as report:
            paths = simulate_monte_carlo(
                wanted, out, processes=processes or len(os.sched_getaffinity(0)), progress=report
            )
        typer.echo(f"{len(paths)} files in {paths[0].parents[1]}")


@app.command("template")
def template() -> None:
    """Print a spec file with all settings of the demo, to be changed and given to --spec."""
    import yaml

    campaign = Campaign(nights=(demo_spec(),), monte_carlo=demo_monte_carlo())
    typer.echo(yaml.safe_dump(campaign.model_dump(mode="json"), sort_keys=False))


def load_campaign(path: Path) -> Campaign:
    """Return the campaign of a YAML file.

    Raises
    ------
    ValueError
        If the file cannot be read or asks for something impossible.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error
    return Campaign.model_validate(content)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _changed(
    base: NightSpec,
    night: dict[str, Any],
    run: dict[str, Any],
    spectrum: dict[str, Any],
    sources: list[str],
    zeniths: list[float],
    faults: tuple[Fault, ...],
) -> NightSpec:
    """Return a night spec with the options of the command line; validated again, since copies are not."""
    chosen = list(base.sources)
    if sources:
        chosen = [_source(text, base.sources[min(i, 1)]) for i, text in enumerate(sources)]
    first = chosen[0].model_dump()
    if first["spectrum"] is not None:
        first["spectrum"] |= spectrum
    if zeniths:
        first["runs"] = [RunSpec(zenith_deg=zenith).model_dump() for zenith in zeniths]
    content = base.model_dump() | night | {"sources": [first, *(s.model_dump() for s in chosen[1:])], "faults": faults}
    for source in content["sources"]:
        source["runs"] = [base_run | run for base_run in source["runs"]]
    return NightSpec.model_validate(content)


def _source(text: str, like: SourceSpec) -> SourceSpec:
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"{text!r} is no source; write NAME:RA_DEG:DEC_DEG, such as CrabNebula:83.633:22.014")
    name, ra, dec = parts
    return SourceSpec.model_validate(like.model_dump() | {"name": name, "ra_deg": ra, "dec_deg": dec})


def _fault(text: str) -> Fault:
    parts = text.split(":")
    if parts[0] not in set(FaultKind) or len(parts) > len(_FAULT_FIELDS):
        fields, kinds = ":".join(_FAULT_FIELDS).upper(), ", ".join(FaultKind)
        raise ValueError(f"{text!r} is no fault; write {fields}, as much as is needed, with a kind of: {kinds}")
    return Fault.model_validate({field: part for field, part in zip(_FAULT_FIELDS, parts, strict=False) if part})


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn a bad spec into one message and exit code 2, without a traceback."""
    try:
        yield
    except ValidationError as error:
        for problem in error.errors():
            place = ".".join(map(str, problem["loc"]))
            typer.echo(f"{place}: {problem['msg']}" if place else problem["msg"], err=True)
        raise typer.Exit(2) from None
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("simulate", total=None)

        def report(text: str, done: int, total: int) -> None:
            bar.update(task, description=text, completed=done, total=total)

        yield report
