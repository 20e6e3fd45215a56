"""What a person can decide on the pages: for each, its form, and how it is done, by what the command line uses, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stereo_portal.forms import REASON, Field, Form
from stereo_portal.requesting import reprocess, reprocess_form

if TYPE_CHECKING:
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import Settings
    from stereo_tasks.status.runs import RunRow

WHOLE_NIGHT = {"": "the whole night"}


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be decided about, and who decides."""

    catalog: Catalog
    settings: Settings
    production: str
    night: Night
    by: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A kind of decision."""

    name: str
    """In its address."""
    link: str
    """What the link to its form says."""
    form: Callable[[Case], Form]
    do: Callable[[Case, Mapping[str, str]], Iterable[str]]
    """Does it with the values of the form; gives what was done, in words."""


def _hold_form(case: Case) -> Form:
    from stereo_tasks.catalog.holds import open_holds
    from stereo_tasks.catalog.observations import sources_of
    from stereo_tasks.dispatch.holding import described

    held = open_holds(case.catalog, case.production, night=case.night)
    sources = {source: source for source in sources_of(case.catalog, case.night)}
    return Form(
        f"Hold the night of {case.night}",
        (
            "It is not handed on or planned until somebody releases it, or until the end that you give.",
            "What is published stays. A run that is at work goes on: stop it in Airflow.",
            *(f"Held already: {row.source or 'the whole night'}, {described(row)}" for row in held),
        ),
        (
            Field("source", "what", WHOLE_NIGHT | sources),
            Field("until", "until (UTC)", example="2024-02-01"),
            REASON,
        ),
        "Hold",
    )


def _hold(case: Case, values: Mapping[str, str]) -> Iterable[str]:
    from stereo_tasks.dispatch import holding

    return holding.hold(
        case.catalog, case.night, case.production, values["reason"], by=case.by, source=values["source"],
        until=values["until"],
    )  # fmt: skip


def _release_form(case: Case) -> Form:
    from stereo_tasks.catalog.holds import open_holds
    from stereo_tasks.dispatch.holding import described

    title = f"Release the night of {case.night}"
    held = {row.source: row for row in open_holds(case.catalog, case.production, night=case.night)}
    if not held:
        return Form(title, ("Nobody holds it.",))
    options = {source: f"{source or 'the whole night'}, held {described(row)}" for source, row in held.items()}
    what = "detect_nights hands it on within half an hour if it is complete and not processed yet."
    return Form(title, (what,), (Field("source", "what", options), REASON), "Release")


def _release(case: Case, values: Mapping[str, str]) -> Iterable[str]:
    from stereo_tasks.dispatch import holding

    return holding.release(
        case.catalog, case.night, case.production, values["reason"], by=case.by, source=values["source"]
    )


def _runs(case: Case, *, overruled: bool) -> dict[str, str]:
    from stereo_tasks.status.runs import list_runs

    found = list_runs(case.catalog, case.production, first=case.night, last=case.night)
    return {run_name(run): _described(run) for run in found if (run.overruled is not None) == overruled}


def run_name(run: RunRow) -> str:
    """Return how a run is named in forms."""
    return f"{run.night}/{run.source}/{run.run}"


def _described(run: RunRow) -> str:
    return f"{run.source} {run.run}: {run.effective} {run.why}".rstrip()


def _overrule_form(case: Case) -> Form:
    from stereo_tasks.catalog.overrules import LEVELS

    title, runs = f"Overrule a verdict of the night of {case.night}", _runs(case, overruled=False)
    if not runs:
        return Form(title, ("QA has no verdict of this night that is not overruled.",))
    what = "Your level counts instead of that of QA until somebody lifts it; the published index follows at once."
    levels = {level: level for level in LEVELS}
    return Form(title, (what,), (Field("run", "run", runs), Field("level", "level", levels), REASON), "Overrule")


def _overrule(case: Case, values: Mapping[str, str]) -> Iterable[str]:
    from stereo_tasks.airflow_api.announcing import announce_followed
    from stereo_tasks.catalog.overrules import described
    from stereo_tasks.processing import overruling

    done = overruling.overrule(
        case.catalog, case.settings, case.production, values["run"], values["level"], values["reason"], by=case.by
    )
    yield f"{values['run']} is overruled, {described(done.overrule)}"
    yield from announce_followed(case.settings, done)


def _lift_overrule_form(case: Case) -> Form:
    title, runs = f"Lift an overrule of the night of {case.night}", _runs(case, overruled=True)
    if not runs:
        return Form(title, ("Nobody has overruled a verdict of this night.",))
    what = "What QA says counts again; the published index follows at once."
    return Form(title, (what,), (Field("run", "run", runs), REASON), "Lift the overrule")


def _lift_overrule(case: Case, values: Mapping[str, str]) -> Iterable[str]:
    from stereo_tasks.airflow_api.announcing import announce_followed
    from stereo_tasks.catalog.overrules import described
    from stereo_tasks.processing import overruling

    done = overruling.lift(case.catalog, case.settings, case.production, values["run"], values["reason"], by=case.by)
    yield f"{values['run']} is {done.run.level} again, as QA says; it was overruled {described(done.overrule)}"
    yield from announce_followed(case.settings, done)


def _sign_off_form(case: Case) -> Form:
    from stereo_tasks.status.runs import list_runs

    runs = list_runs(case.catalog, case.production, first=case.night, last=case.night)
    return Form(
        f"Sign the night of {case.night} off",
        (
            "You say that you have looked at it. That holds until a verdict or a publication of the night changes.",
            *map(_described, runs),
        ),
        (Field("reason", "remark"),),
        "Sign off",
    )


def _sign_off(case: Case, values: Mapping[str, str]) -> Iterable[str]:
    from stereo_tasks.catalog import sign_offs

    signed = sign_offs.sign_off(case.catalog, case.night, case.production, values["reason"], by=case.by)
    return (f"the night of {case.night} is signed off {signed}",)


def _lift_sign_off_form(case: Case) -> Form:
    from stereo_tasks.catalog.sign_offs import sign_offs

    title = f"Take the sign-off of the night of {case.night} back"
    signed = sign_offs(case.catalog, case.production, case.night, case.night).get(case.night)
    if signed is None:
        return Form(title, ("Nobody has signed it off.",))
    return Form(title, (f"It was signed off {signed}",), (REASON,), "Take it back")


def _lift_sign_off(case: Case, values: Mapping[str, str]) -> Iterable[str]:
    from stereo_tasks.catalog import sign_offs

    taken = sign_offs.lift(case.catalog, case.night, case.production, values["reason"], by=case.by)
    return (f"the night of {case.night} is not signed off any more; it was {taken}",)


def _withdraw_form(case: Case) -> Form:
    from stereo_tasks.catalog.publications import published
    from stereo_tasks.status.runs import list_runs

    title = f"Withdraw of the night of {case.night}"
    sources = {row.source for row in published(case.catalog, case.production, first=case.night, last=case.night)}
    options = {f"{source}/0": f"all of {source}" for source in sorted(sources)}
    for run in list_runs(case.catalog, case.production, first=case.night, last=case.night):
        if run.source in sources and run.published:
            options[f"{run.source}/{run.run}"] = _described(run)
    if not options:
        return Form(title, ("Nothing of it is published. To keep it from that, hold it.",))
    what = (
        "It is taken out of the published night and of the season, and does not come back when the night is processed "
        "again, until somebody lifts that.",
        "What was made of it is named, and stays as it is.",
    )
    return Form(title, what, (Field("what", "what", options), REASON), "Withdraw")


def _lift_withdrawal_form(case: Case) -> Form:
    from stereo_tasks.catalog.withdrawals import open_withdrawals

    title = f"Lift a withdrawal of the night of {case.night}"
    found = open_withdrawals(case.catalog, case.production, night=case.night)
    options = {
        f"{row.source}/{row.run}": f"{f'run {row.run}' if row.run else 'all'} of {row.source}, withdrawn by "
        f"{row.withdrawn_by}: {row.reason}"
        for row in found
    }
    if not options:
        return Form(title, ("Nothing of it is withdrawn.",))
    return Form(title, ("It is published again at once.",), (Field("what", "what", options), REASON), "Publish again")


def _withdrawing(*, lifts: bool) -> Callable[[Case, Mapping[str, str]], Iterable[str]]:
    def do(case: Case, values: Mapping[str, str]) -> Iterable[str]:
        from stereo_tasks.airflow_api.announcing import announce_published
        from stereo_tasks.processing.withdrawing import withdraw

        source, _, run = values["what"].rpartition("/")
        found = withdraw(
            case.catalog, case.settings, int(run) or case.night, values["reason"], by=case.by, source=source,
            production=case.production, lifts=lifts,
        )  # fmt: skip
        for one in found:
            yield one.said(lifts=lifts)
            if one.derived:
                yield f"made of it, {len(one.derived)} files, which stay as they are until they are made again"
            yield from announce_published(case.settings, one.night, one.source, case.production, one.links[-1])

    return do


DECISIONS = (
    Decision("hold", "Hold", _hold_form, _hold),
    Decision("release", "Release", _release_form, _release),
    Decision("reprocess", "Reprocess", reprocess_form, reprocess),
    Decision("overrule", "Overrule a verdict", _overrule_form, _overrule),
    Decision("lift-overrule", "Lift an overrule", _lift_overrule_form, _lift_overrule),
    Decision("sign-off", "Sign off", _sign_off_form, _sign_off),
    Decision("lift-sign-off", "Take the sign-off back", _lift_sign_off_form, _lift_sign_off),
    Decision("withdraw", "Withdraw", _withdraw_form, _withdrawing(lifts=False)),
    Decision("lift-withdrawal", "Lift a withdrawal", _lift_withdrawal_form, _withdrawing(lifts=True)),
)
