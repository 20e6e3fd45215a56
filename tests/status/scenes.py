"""Rows of the catalog as nights leave them, at chosen times."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.models import (
    Dispatch,
    ElementRecord,
    HoldRow,
    JobRow,
    LogVersion,
    NightLock,
    ObservationChange,
    ObservationRow,
    PlanRow,
    ProcessingRun,
    ProductionRow,
    Publication,
    QaRow,
    ReadinessRow,
    Request,
    RunVerdict,
)
from stereo_tasks.nights import Night

PRODUCTION = "mcp062"
STAGES = (("calibrate", 6), ("merge", 2), ("coincide", 4), ("dl2", 4), ("dl3", 4), ("index", 1), ("qa", 1))


@dataclass
class Scene:
    """A catalog to be filled; `ago` and `night` count back from `now`."""

    catalog: Catalog
    now: dt.datetime

    def ago(self, hours: float) -> dt.datetime:
        return self.now - dt.timedelta(hours=hours)

    def night(self, days: int) -> Night:
        return Night(self.now.date() - dt.timedelta(days=days))

    def add(self, *rows: Any) -> None:
        with Session(self.catalog.engine) as session, session.begin():
            for row in rows:
                session.add(row)

    def log(self, night: Night, source: str = "CrabNebula", reason: str = "", **more: Any) -> None:
        content = {"lst_runs": [1, 2, 3, 4], "observation_min": 80.0, "same_wobble_min": 75.0}
        values = {"accepted": not reason, "reason": reason, "in_log": True, "line": 9, "checksum": "c", **more}
        self.add(
            ObservationRow(
                night=night.evening,
                source=source,
                content=content,
                first_seen_utc=self.ago(99),
                changed_utc=self.ago(99),
                **values,
            )
        )

    def files(self, night: Night, source: str = "CrabNebula", *missing: str, **more: Any) -> None:
        waits = more.pop("waits_h", 5)
        values = {"ready": not missing, "partial": False, "remarks": [], **more}
        self.add(
            ReadinessRow(
                night=night.evening,
                source=source,
                production=PRODUCTION,
                present=["LST-1 4 of 4 runs, 12 subruns"],
                missing=list(missing),
                files_changed_utc=self.ago(waits),
                waiting_since_utc=self.ago(waits) if missing else None,
                checked_utc=self.ago(0.2),
                **values,
            )
        )

    def request(self, night: Night, hours: float) -> None:
        self.add(
            Dispatch(
                night=night.evening,
                production=PRODUCTION,
                content=f"s{hours}",
                reason="complete",
                dispatched_utc=self.ago(hours),
            )
        )

    def ask(self, night: Night, outcome: str, hours: float, reason: str = "", **more: Any) -> None:
        values = {"backfill": "1", "sources": [], "force": False, "requested_by": "ana", **more}
        self.add(
            Request(
                night=night.evening,
                production=PRODUCTION,
                outcome=outcome,
                reason=reason,
                requested_utc=self.ago(hours),
                **values,
            )
        )

    def run(
        self, night: Night, state: str, begun_h: float, ended_h: float | None, *lines: str, run: str = "r1"
    ) -> None:
        ended = None if ended_h is None else self.ago(ended_h)
        self.add(
            ProcessingRun(
                night=night.evening,
                production=PRODUCTION,
                run_id=run,
                state=state,
                lines=list(lines),
                started_utc=self.ago(begun_h),
                ended_utc=ended,
            )
        )

    def lock(self, night: Night, hours: float, run: str = "r1") -> None:
        self.add(
            NightLock(
                night=night.evening, production=PRODUCTION, owner=f"process_night/{run}", since_utc=self.ago(hours)
            )
        )

    def hold(self, night: Night, source: str = "", **more: Any) -> None:
        values = {"reason": "clouds <b>all</b> night", "held_by": "ana", "held_utc": self.ago(3), **more}
        self.add(HoldRow(production=PRODUCTION, night=night.evening, source=source, **values))

    def plan(
        self,
        night: Night,
        source: str = "CrabNebula",
        trouble: dict[tuple[str, int], tuple[str, str]] | None = None,
        holds: tuple[tuple[str, str], ...] = (),
        ingested_h: float = 1,
        gone: tuple[tuple[str, int], ...] = (),
    ) -> str:
        """Write a plan whose elements are done, but for those in `trouble` and those that are gone."""
        path = f"/out/{PRODUCTION}/{source}/plans/{night.lst_date}/plan_abc.json"
        with Session(self.catalog.engine) as session, session.begin():
            session.merge(ProductionRow(name=PRODUCTION, versions={}, first_seen_utc=self.ago(999)))
            session.flush()
            session.add(
                PlanRow(
                    path=path,
                    digest="abc",
                    production=PRODUCTION,
                    name=f"{night.lst_date}/{source}",
                    night=night.evening,
                    source=source,
                    stages={"order": [list(one) for one in STAGES]},
                    holds=[{"subject": subject, "reason": reason} for subject, reason in holds],
                    ingested_utc=self.ago(ingested_h),
                )
            )
            session.flush()
            for stage, total in STAGES:
                for number in range(total):
                    if (stage, number) in gone or (holds and stage in ("dl2", "dl3", "index", "qa")):
                        continue
                    state, reason = (trouble or {}).get((stage, number), ("done", ""))
                    session.add(self._record(path, night, source, stage, number, state, reason))
        return path

    def models(self, digest: str, state: str) -> None:
        """Write a plan of forests of which one element came to this state."""
        path = f"/out/{PRODUCTION}/mc/plans/plan_{digest}.json"
        with Session(self.catalog.engine) as session, session.begin():
            session.merge(ProductionRow(name=PRODUCTION, versions={}, first_seen_utc=self.ago(999)))
            session.flush()
            session.add(PlanRow(
                path=path, digest=digest, production=PRODUCTION, name="mc/ST0320A/NSB1.5/v01/dec_2276", night=None,
                source="mc", stages={}, holds=[],
            ))  # fmt: skip
            session.flush()
            record = self._record(path, self.night(1), "mc", "mc_forests", 0, state, "no event is left")
            record.night = None
            session.add(record)

    def _record(
        self, path: str, night: Night, source: str, stage: str, number: int, state: str, reason: str
    ) -> ElementRecord:
        return ElementRecord(
            record_path=f"{path}.{stage}.{number}", plan_path=path, production=PRODUCTION, night=night.evening,
            source=source, element=f"{stage}/{number:05d}", stage=stage, state=state, reason=reason, fingerprint="f",
            lost=[], counts={}, versions={}, host="node1", job="slurm 4711_1", attempt=1,
            started_utc="", ended_utc="", elapsed_s=1.0, cpu_s=1.0, peak_memory_mb=100.0, log="/logs/one.log",
        )  # fmt: skip

    def publish(self, night: Night, source: str = "CrabNebula", hours: float = 1, verdict: str = "good") -> None:
        page = f"/out/{PRODUCTION}/{source}/QA/{night.lst_date}/report.html"
        self.add(
            Publication(
                production=PRODUCTION,
                night=night.evening,
                source=source,
                cuts="g_dyn",
                path=f"/out/{source}/DL3/{night.lst_date}",
                plan="p",
                verdict=verdict,
                published_utc=self.ago(hours),
            ),
            QaRow(
                production=PRODUCTION,
                night=night.evening,
                source=source,
                verdict=verdict,
                reason="rates are steady",
                metrics={"significance_sigma": 22.7},
                runs={},
                page=page,
            ),
        )

    def job(self, night: Night, plan: str, state: str = "COMPLETED", **more: Any) -> None:
        values = {"exit_code": 0, "signal": None, "reason": "", "max_rss_mb": 812.0, **more}
        self.add(
            JobRow(
                token=f"{night}.{state}",
                job=0,
                job_id="4711_0",
                attempt=1,
                plan_path=plan,
                stage="calibrate",
                production=PRODUCTION,
                night=night.evening,
                source="CrabNebula",
                elements=[0, 1],
                state=state,
                node="node1",
                submitted_utc=self.ago(2),
                started_utc=self.ago(1.9),
                ended_utc=self.ago(1.5),
                elapsed_s=1440.0,
                queue_wait_s=360.0,
                restarts=0,
                **values,
            )
        )

    def judged(self, night: Night, *levels: str, source: str = "CrabNebula", first_run: int = 1) -> None:
        """Judge runs, one a level, by a metric whose limits changed ten days ago."""
        new = night.evening > self.now.date() - dt.timedelta(days=5)
        limit = {"good": [40.0, 60.0] if new else [30.0, 80.0], "usable": None}
        for number, level in enumerate(levels):
            metric = {"value": 50.0 - 20 * number, "unit": "Hz", "level": level, "limit": limit}
            self.add(
                RunVerdict(
                    production=PRODUCTION, night=night.evening, source=source, run=first_run + number, level=level,
                    reasons=[] if level == "good" else ["the rate is low"], metrics={"stereo_rate_hz": metric},
                    zenith_deg=20.0 + 10 * number, live_time_s=1100.0, plan="p", judged_utc=self.ago(1),
                )
            )  # fmt: skip

    def logs(self, night: Night, log: str) -> None:
        """Let all records of a night name a log."""
        with Session(self.catalog.engine) as session, session.begin():
            session.execute(update(ElementRecord).where(ElementRecord.night == night.evening).values(log=log))

    def changed(self, night: Night, kind: str, hours: float, source: str = "CrabNebula", **more: Any) -> None:
        values = {"before": {"same_wobble_min": 75.0}, "after": {"same_wobble_min": 60.0}, **more}
        self.add(ObservationChange(night=night.evening, source=source, kind=kind, at_utc=self.ago(hours), **values))

    def reading(self, changed_h: float = 5, seen_h: float = 0.2, problems: tuple[str, ...] = ()) -> None:
        self.add(
            LogVersion(
                origin="log.csv", checksum="c", etag="", last_modified="", rows=404, problems=list(problems), added=0,
                changed=0, removed=0, first_seen_utc=self.ago(changed_h), last_seen_utc=self.ago(seen_h),
            )
        )  # fmt: skip


def every_state(scene: Scene) -> dict[str, Night]:
    """Fill a catalog with a night in each state; return them by state."""
    # The first ones are among the last seven nights at every hour of the day.
    days = ("waiting", "done", "partial", "running", "requested", "ready", "held", "failed", "not taken", "by person")
    nights = {name: scene.night(day) for day, name in enumerate(days, start=2)}
    nights["not asked"] = scene.night(100)
    for name, night in nights.items():
        scene.log(night, reason="trigger is SumT, not L3T" if name == "not taken" else "")
    for name in ("done", "partial", "running", "requested", "ready", "held", "failed", "by person"):
        scene.files(nights[name])
    scene.files(nights["waiting"], "CrabNebula", "LST-1 run 2: no file", "LST-1 run 3: no file")
    for name in ("done", "partial", "held", "failed"):
        scene.request(nights[name], 10)
        scene.run(nights[name], "done" if name in ("done", "partial") else "failed", 9, 2, f"{name}: 4 of 4 runs")
    scene.plan(nights["done"])
    scene.publish(nights["done"])
    scene.job(nights["done"], "p")
    scene.plan(nights["partial"], trouble={("dl3", 3): ("skipped", "no input: pointing apart")})
    scene.publish(nights["partial"], verdict="warning")
    scene.plan(nights["held"], holds=(("IRFs", "no irf_*.fits.gz: run 'stereo prepare-mc'"),))
    scene.plan(nights["failed"], trouble={("dl2", 1): ("failed", "exit code 1")})
    scene.run(nights["running"], "running", 1, None)
    scene.lock(nights["running"], 1)
    scene.request(nights["requested"], 1)
    scene.hold(nights["by person"])
    scene.reading()
    return nights
