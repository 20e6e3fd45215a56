"""The catalog of tests/catalog, for tests of other rooms."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "catalog_conftest", Path(__file__).parents[1] / "catalog" / "conftest.py"
)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
server, fresh, migrated, catalog = _module.server, _module.fresh, _module.migrated, _module.catalog
