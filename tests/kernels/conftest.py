"""Helper modules of this folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for hdf5_files and others, however pytest imports the tests
