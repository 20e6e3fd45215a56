"""A small simulated night with its plan, in the science environment."""

import os
import sys
from pathlib import Path

import pytest
from astropy.utils import data, iers

sys.path.insert(0, str(Path(__file__).parent))
iers.conf.auto_download = False
data.conf.allow_internet = False


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A site with one night: two subruns of every kind, and the third one of MAGIC-I cut off."""
    from stereo_tasks.simulate import Fault, FaultKind, NightSpec, RunSpec, SourceSpec, simulate_night

    root = tmp_path_factory.mktemp("site")
    spec = NightSpec(
        night="2024-01-10",
        sources=(
            SourceSpec(
                name="CrabNebula", ra_deg=83.633212, dec_deg=22.01446, spectrum=None,
                runs=(RunSpec(zenith_deg=20.0, subruns=3, subrun_seconds=2.0),),
            ),
        ),
        proton_library=60,
        faults=(
            Fault(kind=FaultKind.MAGIC_TRUNCATED, subrun=2, telescope="M1"),
            Fault(kind=FaultKind.LST_TRUNCATED, subrun=1),
        ),
    )  # fmt: skip
    simulate_night(spec, root / "data")
    (root / "config").mkdir()
    (root / "config" / "policy.yaml").write_text("completeness_min: 0.6\nmin_same_wobble_min: 0.0\n")
    os.environ["STEREO_SITE"] = str(root)
    yield root
    del os.environ["STEREO_SITE"]


@pytest.fixture
def plan(site):
    """The night's plan, saved."""
    from stereo_tasks.processing.night_plans import plan_night

    (one,) = plan_night("2024-01-10").plans
    one.save()
    return one
