"""DL2 of a simulated source; modules of this folder can be imported by their names."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def offline():
    """As the steps do."""
    from stereo_tasks.steps.offline import keep_astropy_offline

    keep_astropy_offline()


@pytest.fixture(scope="session")
def regions():
    """The Crab, with three OFF regions of 0.2 deg at most."""
    from dl2_tables import DEC_DEG, RA_DEG

    from stereo_tasks.datasets.directions import SourceRegions

    return SourceRegions(RA_DEG, DEC_DEG, 0.2, 3)


@pytest.fixture(scope="session")
def dl2():
    """A run of 1500 events."""
    from dl2_tables import make_dl2

    return make_dl2()


@pytest.fixture(scope="session")
def images(dl2, regions):
    """Its merged images."""
    from stereo_tasks.datasets.merged import merged_images

    return merged_images(dl2, regions)


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """A simulated night with files of the standalone analyses, and its stereo events."""
    from standalone_night import standalone_night

    return standalone_night(tmp_path_factory.mktemp("standalone"))
