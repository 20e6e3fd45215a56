"""Catalogs with nights in every state."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for scenes and catalog_fixtures, however pytest imports the tests

from catalog_fixtures import catalog, fresh, migrated, server  # noqa: F401
from scenes import Scene


@pytest.fixture
def now() -> dt.datetime:
    return dt.datetime(2024, 1, 20, 12, 30, tzinfo=dt.UTC)


@pytest.fixture
def scene(catalog, now) -> Scene:  # noqa: F811
    """An empty catalog to be filled."""
    return Scene(catalog, now)
