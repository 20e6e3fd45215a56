"""``python -m stereo_tasks.steps PLAN STAGES INDEX...``: work on elements of a plan, on a compute node."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from stereo_tasks.planning.plan import Plan
from stereo_tasks.products.provenance import own_versions
from stereo_tasks.stages import Engine, State, stage


def main(arguments: list[str] | None = None) -> int:
    """Work on the elements; return 0 if none failed, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m stereo_tasks.steps", description=__doc__)
    parser.add_argument("plan")
    parser.add_argument("stages", type=_stages, help="stages to go on with where an element makes it possible: A,B,C")
    parser.add_argument("index", type=int, nargs="+", help="elements to begin with, by their index in the plan")
    options = parser.parse_args(arguments)
    _log_to_stderr()

    plan = Plan.load(options.plan)
    installed = own_versions()
    if changed := {name for name, known in plan.versions.items() if installed.get(name) != known}:
        print(f"the environment is not the plan's: {', '.join(sorted(changed))}; plan the night again", file=sys.stderr)
        return 3
    if unknown := [index for index in options.index if not 0 <= index < len(plan.elements)]:
        print(f"this plan has {len(plan.elements)} elements, no index {unknown}", file=sys.stderr)
        return 2

    if any(plan.engine(name).engine is Engine.FAST for name in options.stages):
        from stereo_tasks.kernels import machine_code

        machine_code.fill()

    from stereo_tasks.steps.following import work_on

    os.environ.setdefault("MPLBACKEND", "Agg")
    records = list(work_on(plan, [plan.elements[index] for index in options.index], options.stages))
    return int(any(record.state == State.FAILED for record in records))


def _stages(names: str) -> tuple[str, ...]:
    return tuple(stage(name).name for name in names.split(","))


def _log_to_stderr() -> None:
    # Not on the root logger: the tools of magic-cta-pipe have handlers of their own, and every line would come twice.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("stereo_tasks")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
