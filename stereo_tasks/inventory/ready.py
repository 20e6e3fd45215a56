"""Are the files of an observation complete? What is there, what is missing, and since when, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stereo_tasks.inventory.belonging import own_magic_runs
from stereo_tasks.inventory.content import content_of
from stereo_tasks.inventory.files import LstSubrun, MagicSubrun, NightFiles, gaps
from stereo_tasks.nights import Night
from stereo_tasks.settings.policy import Policy
from stereo_tasks.stereo_log.observation import Observation

_NIGHT_END = dt.timedelta(hours=20)  # 08:00 UTC of the morning, when lstosa takes observations for over
_CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether an observation can be processed."""

    ready: bool
    partial: bool
    """Ready only because the night is so old that nothing more is expected."""
    blocked: tuple[str, ...]
    """What keeps it back and is no file of the night: a person's hold, forests, IRFs, tables of the configuration."""
    missing: tuple[str, ...]
    """What keeps it from being complete, with what blocks it."""
    remarks: tuple[str, ...]
    """What is not quite right, and does not keep it."""
    present: tuple[str, ...]
    """What is there."""
    usable: bool
    """Whether there is anything to process: some file of each of the three telescopes."""
    settled: bool
    """Whether no file of the observation changed lately."""
    since: dt.datetime | None
    """When a file of the observation came or changed last; None without files."""
    content: str
    """SHA-256 of the row of the log and of its files, see `content_of`."""

    @property
    def reason(self) -> str:
        """All of it in one line."""
        if self.ready and not self.partial:
            return "complete: " + ", ".join(self.present)
        return ("partial: " if self.ready else "waits: ") + "; ".join(self.missing)


def readiness(
    observation: Observation,
    files: NightFiles,
    policy: Policy,
    now: dt.datetime,
    *,
    others: Iterable[Observation] = (),
    blocked: Iterable[str] = (),
    held: Mapping[int, str] | None = None,
) -> Readiness:
    """Compare what the log says with what is there.

    An observation is ready when LST-1 closed the night (if the policy waits for it), when every LST-1 run and the first
    and last MAGIC run have enough subruns of each telescope, and when nothing changed for ``settle_s``. MAGIC run
    numbers between the first and last need not be data runs of the source; what is there for one telescope must be
    there for the other. When the night ended ``partial_night_age_h`` ago, whatever is there is enough, if it is there
    from all three telescopes. What is blocked waits however old it is.

    Parameters
    ----------
    observation : Observation
        Row of the stereo log.
    files : NightFiles
        Files of its night.
    policy : Policy
        The limits.
    now : datetime.datetime
        The time, with its zone.
    others : iterable of Observation
        Other rows of the night: MAGIC runs of theirs are not waited for.
    blocked : iterable of str
        What keeps the observation back besides its files, in words that say what to do.
    held : mapping of int to str, optional
        The same of single LST-1 runs, where others can go on.
    """
    blocked, others = tuple(blocked), tuple(others)
    missing = list(blocked)
    remarks = list(dict.fromkeys((held or {}).values()))
    if policy.wait_for_night_finished and not files.night_finished:
        missing.append("LST-1 has not closed the night (no NightFinished.txt)")
    magic_runs = own_magic_runs(observation, files, others)[0]
    for fatal, text in (*_lst(observation, files, policy), *_magic(magic_runs, files, policy)):
        (missing if fatal else remarks).append(text)

    lst = [file for run in _lst_files(observation, files).values() for file in run]
    magic = [file for run in _magic_files(magic_runs, files).values() for file in run]
    since = _since((*lst, *magic), now)
    settled, text = _settled(since, policy, now)
    if text:
        (remarks if settled else missing).append(text)

    usable = bool(lst) and {file.telescope for file in magic} == {1, 2}
    old = night_is_old(observation.night, policy, now)
    partial = bool(missing) and not blocked and usable and settled and old
    return Readiness(
        ready=not missing or partial,
        partial=partial,
        blocked=blocked,
        missing=tuple(missing),
        remarks=tuple(remarks),
        present=_present(observation, magic_runs, files),
        usable=usable,
        settled=settled,
        since=since,
        content=content_of(observation, files, others, held or ()),
    )


def night_over(night: Night, now: dt.datetime) -> bool:
    """Return whether the observations of a night have ended."""
    return now >= night.noon + _NIGHT_END


def night_is_old(night: Night, policy: Policy, now: dt.datetime) -> bool:
    """Return whether nothing more is expected of a night."""
    return now >= night.noon + _NIGHT_END + dt.timedelta(hours=policy.partial_night_age_h)


def _lst_files(observation: Observation, files: NightFiles) -> dict[int, tuple[LstSubrun, ...]]:
    return {run: files.lst[run] for run in observation.lst_runs if run in files.lst}


def _magic_files(runs: Sequence[int], files: NightFiles) -> dict[tuple[int, int], tuple[MagicSubrun, ...]]:
    keys = [(telescope, run) for run in runs for telescope in (1, 2)]
    return {key: files.magic[key] for key in keys if key in files.magic}


def _lst(observation: Observation, files: NightFiles, policy: Policy) -> Iterator[tuple[bool, str]]:
    if files.lst_problem:
        yield True, f"LST-1 DL1: {files.lst_problem}"
        return
    if files.lst_others and not files.lst:
        yield True, f"no LST-1 DL1 of {files.lst_wanted}: the night has {', '.join(files.lst_others)}"
        return
    for run in observation.lst_runs:
        subruns, empty = files.lst.get(run, ()), _empty("LST-1", run, files)
        if not subruns:
            yield True, f"LST-1 run {run}: no file{_named('empty', empty)}"
        else:
            expected = max(subruns[-1].subrun, *empty, 0) + 1
            yield from _subruns(f"LST-1 run {run}", subruns, expected, empty, policy)


def _magic(runs: Sequence[int], files: NightFiles, policy: Policy) -> Iterator[tuple[bool, str]]:
    if not runs:
        yield True, "no MAGIC run: all of them are of other sources of the night"
    for run in runs:
        both = {telescope: files.magic.get((telescope, run), ()) for telescope in (1, 2)}
        empty = {telescope: _empty(f"M{telescope}", run, files) for telescope in (1, 2)}
        numbers = {t: {*(one.subrun for one in both[t]), *empty[t]} for t in (1, 2)}
        if not numbers[1] and not numbers[2]:
            needed = run in (runs[0], runs[-1])
            yield needed, f"MAGIC run {run}: no file" + ("" if needed else " (perhaps no data run)")
            continue
        # Both telescopes write the same number of subruns, give or take the last one.
        longest = max(numbers[1] | numbers[2])
        for telescope, subruns in both.items():
            name = f"MAGIC run {run} M{telescope}"
            if not subruns:
                yield True, f"{name}: no file{_named('empty', empty[telescope])}"
                continue
            own = max(numbers[telescope])
            yield from _subruns(name, subruns, own if longest - own <= 1 else longest, empty[telescope], policy)


def _empty(telescope: str, run: int, files: NightFiles) -> tuple[int, ...]:
    """Return the subruns of a run of which there are only files of zero size."""
    return tuple(sorted(one[2] for one in files.zero_size if one[:2] == (telescope, run)))


def _subruns(
    name: str,
    subruns: Sequence[LstSubrun] | Sequence[MagicSubrun],
    expected: int,
    empty: Sequence[int],
    policy: Policy,
) -> Iterator[tuple[bool, str]]:
    if len(subruns) == expected:
        return
    there = {one.subrun for one in subruns}
    empty = [number for number in empty if number not in there]
    lacking = [number for number in gaps(subruns) if number not in empty]
    text = f"{name}: {len(subruns)} of {expected} subruns{_named('without', lacking)}{_named('empty', empty)}"
    yield len(subruns) < policy.completeness_min * expected, text


def _named(word: str, numbers: Sequence[int]) -> str:
    """Name some numbers, and say how many more there are."""
    if not numbers:
        return ""
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f" ({word} {', '.join(str(one) for one in numbers[:10])}{more})"


def _since(files: Iterable[LstSubrun | MagicSubrun], now: dt.datetime) -> dt.datetime | None:
    """Return when the latest file came or changed.

    A copy that keeps old times is told by its arrival. An arrival in the future says nothing: the clocks of the file
    server and of this machine differ.
    """
    latest_ns = (now + _CLOCK_SKEW).timestamp() * 1e9
    times = [file.arrived_ns if file.arrived_ns <= latest_ns else file.modified_ns for file in files]
    return dt.datetime.fromtimestamp(max(times) / 1e9, tz=dt.UTC) if times else None


def _settled(since: dt.datetime | None, policy: Policy, now: dt.datetime) -> tuple[bool, str]:
    if since is None:
        return True, ""
    quiet = now - since
    if quiet < -_CLOCK_SKEW:  # would never settle
        return True, f"a file of {since:%Y-%m-%d %H:%M} UTC is newer than now: check the clocks"
    if quiet.total_seconds() >= policy.settle_s:
        return True, ""
    return False, f"files changed at {since:%Y-%m-%d %H:%M} UTC, less than {policy.settle_s:g} s ago"


def _present(observation: Observation, magic_runs: Sequence[int], files: NightFiles) -> tuple[str, ...]:
    lst, magic = _lst_files(observation, files), _magic_files(magic_runs, files)
    texts = [f"LST-1 {len(lst)} of {len(observation.lst_runs)} runs, {sum(map(len, lst.values()))} subruns"]
    for telescope in (1, 2):
        runs = [subruns for (number, _), subruns in magic.items() if number == telescope]
        texts.append(f"M{telescope} {len(runs)} runs, {sum(map(len, runs))} subruns")
    return tuple(texts)
