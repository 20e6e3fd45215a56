"""``python -m stereo_tasks.simulate`` runs the simulator in the science environment."""

from stereo_tasks.simulate.cli import app

app(prog_name="stereo simulate")
