import os
import socket
import subprocess
import sys
import time

import pytest

from stereo_tasks.products import files
from stereo_tasks.products.files import sweep, working_folder, write_atomically


def test_a_reader_never_sees_half_a_file(tmp_path):
    target = tmp_path / "a" / "record.json"
    write_atomically(target, "old")
    write_atomically(target, "new")
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["record.json"]


def test_the_working_folder_goes_whatever_happens(tmp_path):
    def fail():
        with working_folder(tmp_path / "product.h5") as folder:
            (folder / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_sweep_removes_what_a_killed_writer_left_and_nothing_else(tmp_path):
    target = tmp_path / "product.h5"
    code = (
        "import os, signal, sys; from pathlib import Path; from stereo_tasks.products.files import working_folder\n"
        "with working_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    (left,) = tmp_path.iterdir()
    other_host = tmp_path / ".tmp-product.h5-elsewhere-1-abcdef"
    other_host.mkdir()
    with working_folder(target) as alive:
        removed = sweep(target)
        assert removed == [left]
        assert alive.exists()
        assert other_host.exists()
        os.utime(other_host, (0, 0))
        assert sweep(target) == [other_host]


def test_sweep_of_one_product_spares_another_with_a_longer_name(tmp_path):
    other = tmp_path / f".tmp-product.h5.record.json-{socket.gethostname()}-{os.getpid()}-abcdef"
    other.write_text("being written")
    sweep(tmp_path / "product.h5")
    assert other.exists()


def test_a_folder_of_another_host_lives_as_long_as_its_writer_works_however_long(tmp_path, monkeypatch):
    target = tmp_path / "product.h5"
    monkeypatch.setattr(files, "_FRESH_S", 0.05)
    monkeypatch.setattr(files, "_KEEPER", "of this test")  # that of an earlier one sleeps for a minute
    with working_folder(target) as folder:
        elsewhere = folder.rename(folder.with_name(".tmp-product.h5-elsewhere-1-abcdef"))
        folder.symlink_to(elsewhere)  # the writer goes on under the name that another host's folder would have
        os.utime(elsewhere, (0, 0))
        deadline = time.monotonic() + 30
        while elsewhere.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sweep(target) == []
        assert elsewhere.exists()
    os.utime(elsewhere, (0, 0))
    assert sweep(target) == [elsewhere]
