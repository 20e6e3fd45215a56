import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for real_size
sys.path.insert(0, str(Path(__file__).parents[1] / "status"))  # for catalog_fixtures

from catalog_fixtures import catalog, fresh, migrated, server  # noqa: F401
