"""``python -m stereo_tasks.qa.reference DL2-FILE...``: what images in order look like, for the references of QA."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from stereo_tasks.qa.images import COLUMNS, deciles_of, run_images
from stereo_tasks.settings import load_settings
from stereo_tasks.settings.qa import QaSettings


def deciles(files: Sequence[Path], settings: QaSettings) -> dict[str, list[float]]:
    """Return the deciles of the images of background in the DL2 of some runs together.

    Raises
    ------
    ValueError
        If there are fewer images than `images_min` of something.
    """
    tables = (pd.read_hdf(file, key="events/parameters", columns=list(COLUMNS)) for file in files)
    runs = [run_images({name: np.asarray(table[name]) for name in COLUMNS}, settings) for table in tables]
    found = [run.background for run in runs if run is not None]
    background = {name: np.concatenate([one[name] for one in found]) for name in (found[0] if found else {})}
    if few := [name for name, values in background.items() if len(values) < settings.images_min]:
        raise ValueError(f"{', '.join(few)}: fewer than {settings.images_min} images; give more files")
    return {name: deciles_of(values) for name, values in background.items()}


def main() -> None:
    """Print a reference, to be pasted into the references of `config/qa.yaml`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    files = parser.parse_args().files
    reference = {"source": f"{len(files)} runs", "deciles": deciles(files, load_settings().qa)}
    print(yaml.safe_dump([reference], sort_keys=False, default_flow_style=None, width=120))


if __name__ == "__main__":
    main()
