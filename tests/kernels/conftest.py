"""Modules of this folder can be imported by their names, and every run draws the same examples."""

import sys
from pathlib import Path

from astropy.utils import data, iers
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
iers.conf.auto_download = False
data.conf.allow_internet = False
settings.register_profile("same examples", derandomize=True, deadline=None)
settings.load_profile("same examples")
