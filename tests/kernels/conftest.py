"""Modules of this folder can be imported by their names."""

import sys
from pathlib import Path

from astropy.utils import data, iers

sys.path.insert(0, str(Path(__file__).parent))
iers.conf.auto_download = False
data.conf.allow_internet = False
