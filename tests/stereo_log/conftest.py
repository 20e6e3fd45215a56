"""A small log in the layout of the real one, and the policy of the project."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stereo_tasks.settings.policy import Policy

sys.path.insert(0, str(Path(__file__).parent))  # for the helpers beside, however pytest imports the tests

HEADER = (
    'Dates are those of the evening. MAGIC uses the morning after.,,,,,,,,,,,,,\r\n'
    '"Observing the same source means ""FOVs within 5 deg""; Same wobble\n""FOVs within 0.1 deg"" ",,,,,,,,,,,,,\r\n'
    ',,,,,,,,,,,,,\r\n'
    'Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\r\n'
    '(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\r\n'
)  # fmt: skip
COLUMNS = (
    "date", "source", "conditions", "trigger", "stereo", "hv", "zd_min", "zd_max", "lst", "first", "last", "minutes",
    "wobble", "notes",
)  # fmt: skip
CRAB = {
    "date": "2020_12_15", "source": "CrabNebula", "conditions": "['Dark']", "trigger": "['L3T']", "stereo": "[True]",
    "hv": "['Nominal']", "zd_min": "35.7", "zd_max": "50.07", "lst": "[3265, 3266]", "first": "5093711",
    "last": "5093714", "minutes": "59.25", "wobble": "55.2", "notes": "",
}  # fmt: skip


def csv_row(**changes: str) -> str:
    """One row as the sheet exports it: the Crab's, with changes."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow([{**CRAB, **changes}[name] for name in COLUMNS])
    return buffer.getvalue()


@pytest.fixture
def row() -> Callable[..., str]:
    return csv_row


@pytest.fixture
def header() -> str:
    return HEADER


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, header: str = HEADER) -> Path:
        path = tmp_path / "stereo_log.csv"
        path.write_bytes((header + "".join(rows)).encode())
        return path

    return write


@pytest.fixture
def policy() -> Policy:
    return Policy(**yaml.safe_load((Path(__file__).parents[2] / "config" / "policy.yaml").read_text()))
