"""The catalog of tests/catalog, for detection and requests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for fake_site, however pytest imports the tests
sys.path.insert(0, str(Path(__file__).parents[1] / "status"))  # for catalog_fixtures

from catalog_fixtures import catalog, fresh, migrated, server  # noqa: F401
