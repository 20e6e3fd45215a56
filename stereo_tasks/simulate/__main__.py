"""``python -m stereo_tasks.simulate`` runs the simulator in the science environment."""

import warnings

from stereo_tasks.simulate.cli import app

# ctapipe says so of a file that ctapipe_io_lst itself ships; a user can do nothing about it.
warnings.filterwarnings("ignore", message="Could not read reference metadata")
app(prog_name="stereo simulate")
