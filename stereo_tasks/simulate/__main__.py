"""``python -m stereo_tasks.simulate`` runs the simulator in the science environment."""

import os
import sys
import warnings
from pathlib import Path

# Before anything imports numpy or numba. Matrices are of 2 x 2 here: threads of BLAS only stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The machine code of the kernels, where `make setup` has put it.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(sys.prefix) / "cache" / "numba"))

from stereo_tasks.simulate.cli import app

# ctapipe says so of a file that ctapipe_io_lst itself ships; a user can do nothing about it.
warnings.filterwarnings("ignore", message="Could not read reference metadata")
app(prog_name="stereo simulate")
