"""A catalog with nights in every state, and an output tree with a QA page."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.api_fastapi.app import create_auth_manager
from fastapi.testclient import TestClient

# For scenes and catalog_fixtures, for published_site, and for serving.
sys.path.insert(0, str(Path(__file__).parents[1] / "status"))
sys.path.insert(0, str(Path(__file__).parents[1] / "processing"))
sys.path.insert(0, str(Path(__file__).parent))

from catalog_fixtures import migrated, server  # noqa: F401
from people import logged_in
from playwright.sync_api import sync_playwright
from scenes import Scene, every_state
from sqlalchemy import text
from stereo_portal.app import create_app

from stereo_tasks.catalog.database import URL_VARIABLE, Catalog
from stereo_tasks.catalog.models import Base


@pytest.fixture(scope="module")
def root(migrated, tmp_path_factory) -> Iterator[Path]:  # noqa: F811
    """A site whose catalog is empty."""
    folder = tmp_path_factory.mktemp("portal")
    with Catalog(migrated).engine.begin() as connection:
        connection.execute(text("TRUNCATE " + ", ".join(Base.metadata.tables)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(URL_VARIABLE, migrated)
        patch.setenv("STEREO_SITE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def scene(root, migrated) -> Scene:  # noqa: F811
    """The catalog of the module. A test may add to it, not take away."""
    return Scene(Catalog(migrated), dt.datetime.now(dt.UTC))


@pytest.fixture(scope="module")
def nights(scene):
    """The nights of a catalog by their state."""
    return every_state(scene)


@pytest.fixture(scope="module")
def output(root, nights) -> Path:
    """The output tree with the QA page of the night that is done."""
    folder = root / "products" / "mcp062" / "CrabNebula" / "QA" / nights["done"].lst_date
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<html>the page</html>")
    (root / "products" / "secret.html").write_text("secret")
    return root / "products"


@pytest.fixture
def client() -> TestClient:
    """Somebody who is logged in."""
    return TestClient(logged_in(create_app()))


@pytest.fixture(autouse=True)
def auth_manager():
    """Airflow's simple one, as its api-server has it."""
    return create_auth_manager()


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    assert program, "the tests need a browser. As root: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])  # tests may run as root
        yield running
        running.close()
