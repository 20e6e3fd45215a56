"""Tables of a simulated source; those of the data sets' tests can be imported by their names."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "datasets")]


@pytest.fixture(scope="session", autouse=True)
def offline():
    """As the steps do."""
    from stereo_tasks.steps.offline import keep_astropy_offline

    keep_astropy_offline()
