"""One synthetic night: files of all three telescopes, the log's rows and the truth."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stereo_tasks.nights import Night
from stereo_tasks.simulate.atomic import write_text
from stereo_tasks.simulate.faults import NOISE_PE, RunFaults, RunFiles, apply
from stereo_tasks.simulate.library import background, cache_folder
from stereo_tasks.simulate.log_row import LogRow, update_log
from stereo_tasks.simulate.lst_files import LstSubrun, lst_folder, lst_path, write_lst
from stereo_tasks.simulate.magic_files import MagicSubrun, magic_path, write_magic
from stereo_tasks.simulate.pointing import Track, start_time, track
from stereo_tasks.simulate.primaries import Pointing
from stereo_tasks.simulate.showers import Images, ShowerModel
from stereo_tasks.simulate.spec import NightSpec, RunSpec, SourceSpec, first_runs, spec_hash
from stereo_tasks.simulate.standalone_run import StandaloneRun
from stereo_tasks.simulate.streams import stream
from stereo_tasks.simulate.subruns import EDGE_NS, Decks, SubrunEvents, assemble, throw_gammas
from stereo_tasks.simulate.truth import finished, truth_path, write_truth

Progress = Callable[[str, int, int], None]
"""Called with a text, the number of finished steps and the number of all steps."""


@dataclass(frozen=True)
class PlannedRun:
    """A run with its time and numbers.

    Parameters
    ----------
    index : int
        Position in the spec, counted over all sources.
    source, run : SourceSpec, RunSpec
        What to observe.
    start : datetime.datetime
        Start in UTC.
    lst_run, magic_run : int
        Run numbers, rising with time.
    """

    index: int
    source: SourceSpec
    run: RunSpec
    start: dt.datetime
    lst_run: int
    magic_run: int

    @property
    def stop(self) -> dt.datetime:
        """Return the end in UTC."""
        return self.start + dt.timedelta(seconds=self.run.seconds)


def plan_runs(spec: NightSpec) -> list[PlannedRun]:
    """Return the runs of a night in the order of time.

    Raises
    ------
    ValueError
        If a run is impossible (see `start_time`) or two runs overlap.
    """
    night = Night(spec.night)
    asked = [(source, run) for source in spec.sources for run in source.runs]
    starts = [start_time(source, run, night) for source, run in asked]
    order = sorted(range(len(asked)), key=lambda i: starts[i])
    lst, magic = first_runs(spec)
    planned = [PlannedRun(i, *asked[i], starts[i], lst + k, magic + k) for k, i in enumerate(order)]
    for first, second in itertools.pairwise(planned):
        if second.start < first.stop:
            raise ValueError(
                f"the runs of {first.source.name} ({first.start:%H:%M:%S} to {first.stop:%H:%M:%S}) and "
                f"{second.source.name} (from {second.start:%H:%M:%S}) overlap; give them other times or zenith angles"
            )
    return planned


def simulate_night(spec: NightSpec, out: Path, *, progress: Progress | None = None) -> Path:
    """Write a night's MAGIC and LST-1 files, its rows in the stereo log and its truth.

    Parameters
    ----------
    spec : NightSpec
        What to simulate.
    out : pathlib.Path
        Data folder.
    progress : callable, optional
        Told about every finished subrun.

    Returns
    -------
    pathlib.Path
        The truth file. If the night has been simulated from the same spec before, nothing is done.

    Raises
    ------
    ValueError
        If the spec asks for something impossible.
    """
    night = Night(spec.night)
    digest = spec_hash(spec)
    truth = truth_path(out, night)
    planned = plan_runs(spec)
    if finished(truth, out, digest):
        return truth
    done, total = 0, sum(p.run.subruns for p in planned)
    records, files, faults = [], [], []
    for plan in planned:

        def report(text: str, steps: int, before: int = done) -> None:
            if progress is not None:
                progress(text, before + steps, total)

        record, run_files = _simulate_run(spec, plan, out, report)
        done += plan.run.subruns
        for fault in (f for f in spec.faults if f.run == plan.index):
            affected = apply(fault, run_files)
            faults.append({**fault.model_dump(mode="json"), "paths": [_relative(p, out) for p in affected]})
            files += [p for p in affected if p not in run_files.all()]
        files += run_files.all()
        records.append(record)
    update_log(out / "stereo_log.csv", _log_rows(night, planned, records))
    write_text(out / "LST" / "DL1" / night.lst_date / "NightFinished.txt", "closed\n")
    names = sorted(_relative(p, out) for p in files if p.is_file())
    write_truth(truth, spec, digest, records, names, faults)
    if progress is not None:
        progress(str(night), total, total)
    return truth


def _simulate_run(
    spec: NightSpec, plan: PlannedRun, out: Path, report: Callable[[str, int], None]
) -> tuple[dict[str, Any], RunFiles]:
    night = Night(spec.night)
    where = track(plan.source, plan.run, plan.start)
    start = plan.start.timestamp()
    middle = start + plan.run.seconds / 2
    zenith, azimuth = 90 - float(where.at("alt_deg", middle)), float(where.at("az_deg", middle)) % 360
    report(f"{plan.source.name}: background at {zenith:.0f} deg", 0)
    library = background(ShowerModel(), zenith, azimuth, spec.proton_library, spec.scatter_radius_m, cache_folder(out))
    decks = Decks.of(library, stream(spec.seed, "deal", spec.night, plan.index))
    faults = RunFaults(tuple(f for f in spec.faults if f.run == plan.index))
    files = RunFiles({}, {})
    counts: dict[str, int] = {}
    lst_events, magic_events = 1, 1
    folder = lst_folder(out, night, spec.lstchain_version, spec.tailcut)
    alone = StandaloneRun(spec, plan.run, plan.index, plan.source.name) if spec.standalone else None
    for k in range(plan.run.subruns):
        begin = start + k * plan.run.subrun_seconds
        events = _subrun(spec, plan, where, faults, decks, k, begin)
        files.lst[k] = lst_path(folder, plan.lst_run, k)
        lst = _lst_subrun(plan, where, faults, events, k, begin, lst_events)
        write_lst(files.lst[k], lst)
        magic = [_magic_subrun(plan, where, faults, events, telescope, k, begin, magic_events) for telescope in (1, 2)]
        for telescope in (1, 2):
            path = magic_path(
                out,
                night,
                telescope,
                plan.magic_run,
                k + 1,
                plan.source.name,
                (plan.run.wobble_offset_deg, plan.run.wobble_angle_deg),
            )
            files.magic[telescope, k] = path
            rng = stream(spec.seed, "noise", spec.night, plan.index, k, telescope)
            write_magic(path, magic[telescope - 1], rng)
        if alone:
            alone.add(lst, (magic[0], magic[1]), events.magic_truth, magic_events)
        lst_events += len(events.lst_ns)
        magic_events += events.magic_ns.shape[1]
        counts = {name: counts.get(name, 0) + n for name, n in events.counts.items()}
        report(f"{plan.source.name}: run {plan.lst_run}", k + 1)
    record = _record(spec, plan, where, zenith, azimuth, counts)
    if alone:
        files.standalone, record["standalone"] = alone.write(out)
    return record, files


def _subrun(
    spec: NightSpec, plan: PlannedRun, where: Track, faults: RunFaults, decks: Decks, k: int, begin: float
) -> SubrunEvents:
    rng = stream(spec.seed, "events", spec.night, plan.index, k)
    spectrum = plan.source.spectrum
    if (kept := faults.rate_factor()) != 1:
        spec = spec.model_copy(
            update={"magic_rate_hz": kept * spec.magic_rate_hz, "lst_rate_hz": kept * spec.lst_rate_hz}
        )
        amplitude = {"amplitude_per_tev_cm2_s": kept * spectrum.amplitude_per_tev_cm2_s} if spectrum else {}
        spectrum = spectrum.model_copy(update=amplitude) if spectrum else None
    seconds = plan.run.subrun_seconds
    # The field turns in the camera by less than 0.01 deg at the source within a subrun, except close to the zenith.
    middle = begin + seconds / 2
    pointing = Pointing(*(float(np.deg2rad(where.at(name, middle))) for name in ("alt_deg", "az_deg")))
    lat, lon = (float(np.deg2rad(where.at(name, middle))) for name in ("source_lat_deg", "source_lon_deg"))
    offset = lat + float(np.deg2rad(faults.source_shift_deg())), lon
    gammas = throw_gammas(spectrum, seconds, spec.scatter_radius_m, offset, pointing, rng)
    return assemble(spec, gammas, decks, begin, seconds, rng)


def _lst_subrun(
    plan: PlannedRun, where: Track, faults: RunFaults, events: SubrunEvents, k: int, begin: float, first: int
) -> LstSubrun:
    recorded = faults.recorded("LST", k, begin, events.lst_ns)
    seconds = events.lst_ns[recorded].astype(np.float64) * 1e-9
    parameters = {name: values[recorded] for name, values in events.lst_parameters.items()}
    parameters["intensity"] = faults.light_factor() * parameters["intensity"]
    return LstSubrun(
        run=plan.lst_run,
        subrun=k,
        first_event=first,
        time_ns=events.lst_ns[recorded],
        event_type=events.lst_type[recorded],
        parameters=parameters,
        alt_deg=where.at("alt_deg", seconds) + faults.pointing_apart_deg(),
        az_deg=where.at("az_deg", seconds),
    )


def _magic_subrun(
    plan: PlannedRun,
    where: Track,
    faults: RunFaults,
    events: SubrunEvents,
    telescope: int,
    k: int,
    begin: float,
    first: int,
) -> MagicSubrun:
    shift = faults.magic_shift_s()
    images, noise = events.images[telescope - 1], faults.noise_pe(telescope)
    if (light := faults.light_factor()) != 1:
        images = replace(images, charge_pe=light * images.charge_pe)
    if faults.noise(telescope, k):
        images, noise = _dark(images), NOISE_PE
    name: Literal["M1", "M2"] = "M1" if telescope == 1 else "M2"
    time_ns, pedestal_ns = events.magic_ns[telescope - 1], events.pedestal_ns
    rows = np.flatnonzero(faults.recorded(name, k, begin, time_ns))
    recorded_ns = pedestal_ns[faults.recorded(name, k, begin, pedestal_ns)]
    # The reader needs a pedestal event in every file: the first comes at the start, before any stall.
    pedestal_ns = recorded_ns if len(recorded_ns) else np.array([round(begin * 1e9) + EDGE_NS // 2], dtype=np.int64)
    return MagicSubrun(
        telescope=telescope,
        run=plan.magic_run,
        subrun=k + 1,
        source=plan.source.name,
        ra_deg=plan.source.ra_deg,
        dec_deg=plan.source.dec_deg,
        start_s=begin + shift,
        stop_s=begin + plan.run.subrun_seconds + shift,
        time_ns=faults.magic_clock_ns(plan.start.timestamp(), time_ns[rows] + int(shift * 1e9), k),
        event_id=first + rows,
        images=images.take(rows),
        pedestal_ns=faults.magic_clock_ns(plan.start.timestamp(), pedestal_ns + int(shift * 1e9), k),
        track=replace(where, unix_s=where.unix_s + shift),
        noise_pe=noise,
    )


def _dark(images: Images) -> Images:
    nothing = np.zeros(0)
    return Images(np.zeros_like(images.start), np.zeros(0, dtype=np.int64), nothing, nothing)


def _record(
    spec: NightSpec, plan: PlannedRun, where: Track, zenith: float, azimuth: float, counts: dict[str, int]
) -> dict[str, Any]:
    unix = np.array([plan.start.timestamp(), plan.stop.timestamp()])
    zeniths = 90 - where.at("alt_deg", unix)
    return {
        "source": plan.source.name,
        "lst_run": plan.lst_run,
        "magic_run": plan.magic_run,
        "start": plan.start.isoformat(),
        "stop": plan.stop.isoformat(),
        "subruns": plan.run.subruns,
        "zenith_deg": zenith,
        "azimuth_deg": azimuth,
        "zenith_range_deg": [float(zeniths.min()), float(zeniths.max())],
        "pointing_ra_deg": where.ra_deg,
        "pointing_dec_deg": where.dec_deg,
        "wobble_offset_deg": plan.run.wobble_offset_deg,
        "wobble_angle_deg": plan.run.wobble_angle_deg,
        "time_offset_us": spec.time_offset_us,
        "counts": counts,
    }


def _log_rows(night: Night, planned: list[PlannedRun], records: list[dict[str, Any]]) -> list[LogRow]:
    rows = []
    for name in dict.fromkeys(plan.source.name for plan in planned):
        own = [(p, r) for p, r in zip(planned, records, strict=True) if p.source.name == name]
        zeniths = [z for _, r in own for z in r["zenith_range_deg"]]
        rows.append(
            LogRow(
                night=night,
                source=name,
                zenith_deg=(min(zeniths), max(zeniths)),
                lst_runs=tuple(p.lst_run for p, _ in own),
                magic_runs=(own[0][0].magic_run, own[-1][0].magic_run),
                minutes=sum(p.run.seconds for p, _ in own) / 60,
            )
        )
    return rows


def _relative(path: Path, out: Path) -> str:
    return path.relative_to(out).as_posix()
