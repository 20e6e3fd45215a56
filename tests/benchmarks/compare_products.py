"""Which products are equal: pairs of paths as JSON on stdin, where each pair first differs as JSON on stdout."""

import json
import sys
from pathlib import Path

from stereo_tasks.steps.equality import difference

json.dump([difference(Path(ours), Path(theirs)) for ours, theirs in json.load(sys.stdin)], sys.stdout)
