"""``python season_reader.py LINK STOP OUT``: read a published season again and again, through its link as it is.

Runs with any gammapy. Writes a line of JSON for each time: the versions that the two index files name, the number of
events of each observation by the folder that the index names; or the error. Every second time it goes by the folder
that the link points to at the beginning, as programs should.
"""

import json
import sys
import time
from pathlib import Path

from gammapy.data import DataStore

link, stop, out = (Path(text) for text in sys.argv[1:4])
turn = 0
with out.open("w", buffering=1) as lines:
    while not stop.exists():
        turn += 1
        resolved = turn % 2 == 0
        try:
            store = DataStore.from_dir(link.resolve() if resolved else link)
            observations = store.get_observations(required_irf="point-like")
            time.sleep(0.05)  # events are read when they are asked for
            folders = {int(row["OBS_ID"]): str(row["FILE_DIR"]).strip() for row in store.hdu_table}
            read = {
                "resolved": resolved,
                "hdu": store.hdu_table.meta["SEASON"],
                "obs": store.obs_table.meta["SEASON"],
                "listed": sorted(int(number) for number in store.obs_table["OBS_ID"]),
                "events": {one.obs_id: [folders[one.obs_id], len(one.events.table)] for one in observations},
                "aeff": sum(one.aeff is not None for one in observations),
            }
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must see it
            read = {"error": repr(error)}
        lines.write(json.dumps(read) + "\n")
        time.sleep(0.3)  # leaves the processor to the publishers
