"""Which products are equal: pairs of paths as JSON on stdin, where each pair first differs as JSON on stdout."""

import json
import sys
from pathlib import Path

from stereo_tasks.steps import equality

LENGTH_OF_DL3 = "HDU INDEX: column SIZE,"
"""Each engine's index lists its own DL3. The time of writing stands in it, and takes more or fewer bytes compressed."""


def difference(ours: Path, theirs: Path) -> str:
    """Return where two products first differ; an empty text if they are equal."""
    if theirs.name != "hdu-index.fits.gz":
        return equality.difference(ours, theirs)
    return next((text for text in equality._of_fits(ours, theirs, 0.0) if not text.startswith(LENGTH_OF_DL3)), "")


if __name__ == "__main__":
    json.dump([difference(Path(ours), Path(theirs)) for ours, theirs in json.load(sys.stdin)], sys.stdout)
