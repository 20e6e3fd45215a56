"""What the tool of a stage leaves behind in a night of real size, without the tool: products without contents."""

from __future__ import annotations

import json
from pathlib import Path

from stereo_tasks.planning.selection import START, STOP
from stereo_tasks.steps.context import Made

FIRST_MAGIC, FIRST_LST = 5_093_711, 1622
LST_SUBRUNS, LST_SUBRUN_S = 120, 10.0
START_S = 1_704_920_400.0  # 2024-01-10 21:00 UTC
RUN_S = LST_SUBRUNS * LST_SUBRUN_S


def work(context) -> Made:
    """Do the work of an element: look at its inputs, and write its outputs with nothing but their name in them."""
    element = context.element
    run = element.id.rpartition("/")[2].partition(".")[0]
    number = int(run) if run.isdigit() else 0
    begin_s = START_S + RUN_S * (number - (FIRST_MAGIC if number >= FIRST_MAGIC else FIRST_LST))
    context.upstream()
    if element.stage.name == "merge":
        context.counts.update(time_start_unix_s=begin_s + 3.0, time_stop_unix_s=begin_s + RUN_S - 3.0)
    if element.stage.selects:
        subrun_s = begin_s + LST_SUBRUN_S * int(element.id.rpartition(".")[2])
        context.counts.update({START: subrun_s, STOP: subrun_s + LST_SUBRUN_S})
        assert len(context.selected()) == 2
    files = []
    for output in element.outputs:
        files.append(context.folder("out") / Path(output).name)
        files[-1].write_text(json.dumps({"element": element.id}))
    return Made(files)
