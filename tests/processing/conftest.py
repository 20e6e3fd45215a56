import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for real_size and published_site
sys.path.insert(0, str(Path(__file__).parents[1] / "status"))  # for catalog_fixtures

from catalog_fixtures import catalog, fresh, migrated, server  # noqa: F401
from published_site import PublishedSite


@pytest.fixture
def nights(tmp_path, monkeypatch) -> PublishedSite:
    """A site of which nothing is published yet."""
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    return PublishedSite(tmp_path)
