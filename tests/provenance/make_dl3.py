"""``python -m tests.provenance.make_dl3 FOLDER``, in the science environment: DL3 of two runs, all events and some.

``all`` holds all events, ``some`` those of a gammaness above 0.84: four fifths of them.
"""

import shutil
import sys
from pathlib import Path

from astropy.io import fits

from stereo_tasks.gadf.amend import amend_dl3
from tests.gadf.dl3_folder import write_index
from tests.qa.conftest import Sky, write_dl3

every, some = (Path(sys.argv[1]) / name for name in ("all", "some"))
every.mkdir(parents=True)
for number, run in enumerate((1622, 1623)):
    write_dl3(every, run, 35 + 180 * number, sky=Sky(), dynamic=False, seconds=900, seed=3 + number)
    (every / f"dl3_LST-1_MAGIC.Run{run:05d}.fits.gz").rename(every / f"dl3_MAGIC_LST-1.Run{run:05d}.fits.gz")
shutil.copytree(every, some)
for path in some.glob("dl3_*"):
    with fits.open(path, mode="update") as hdus:
        events = hdus["EVENTS"]
        events.data = events.data[events.data["GAMMANESS"] > 0.84]
for folder in (every, some):
    for path in folder.glob("dl3_*"):
        with fits.open(path, mode="update") as hdus:
            amend_dl3(hdus, "magic-cta-pipe")
    write_index(folder)
