"""``python -m stereo_tasks.steps`` with tools that do nothing: what remains of a job is what the house costs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "processing"))
sys.path.insert(0, str(Path(__file__).parents[1] / "gadf"))

from empty_products import work

from stereo_tasks.steps import __main__, marks, run


def _work(context):
    made = work(context)
    # What is published is checked: these have a few events, and all cards.
    if context.element.stage.name == "dl3":
        from dl3_folder import write_run

        write_run(made.files[0], int(context.element.id.removeprefix("dl3/")))
    if context.element.stage.name == "index":
        from dl3_folder import write_index

        staged = context.stage_inputs("dl3", context.inputs())
        write_index(staged)
        for path in made.files:
            (staged / path.name).replace(path)
    return made


run.resolve = lambda name: _work
# A raw file's checksum is taken of what its tool has just read, and counted with it (`make bench`).
marks._is_hashed_here = lambda *_: False
run.validate = lambda stage, files: None
sys.exit(__main__.main())
