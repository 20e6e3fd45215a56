import sys
import threading
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.table import Table

from stereo_tasks.gadf.judgement import Judgement
from stereo_tasks.products.publication import PublicationError, publish
from stereo_tasks.products.versions import Retention, forget

sys.path.insert(0, str(Path(__file__).parents[1] / "gadf"))  # for dl3_folder

from dl3_folder import write_folder


@pytest.fixture
def make(tmp_path):
    def _make(runs, seed=0):
        folder = write_folder(tmp_path / "dl3", runs, seed=seed)
        return sorted(folder.glob("dl3_*")), [folder / "hdu-index.fits.gz", folder / "obs-index.fits.gz"]

    return _make


def test_files_and_index_appear_together_with_their_story(tmp_path, make):
    dl3, index = make([1, 2])
    published = publish(tmp_path / "published" / "20240110", dl3, index, {"qa": "good"})
    assert published.new
    names = {path.name for path in published.folder.iterdir()}
    assert names == {path.name for path in (*dl3, *index)} | {"published.json"}


def test_the_same_content_is_published_once(tmp_path, make):
    dl3, index = make([1])
    link = tmp_path / "published" / "20240110"
    publish(link, dl3, index, {})
    before = (link / index[0].name).stat().st_mtime_ns, link.lstat().st_mtime_ns
    assert not publish(link, dl3, index, {}).new
    assert before == ((link / index[0].name).stat().st_mtime_ns, link.lstat().st_mtime_ns)


def test_an_index_that_does_not_fit_changes_nothing(tmp_path, make):
    link = tmp_path / "published" / "20240110"
    dl3, index = make([1])
    publish(link, dl3, index, {})
    dl3, index = make([1, 2])
    with pytest.raises(PublicationError, match="request the night again"):
        publish(link, dl3[:1], index, {})
    assert len(list(link.glob("dl3_*"))) == 1


def test_a_reader_sees_the_old_or_the_new_publication_never_a_mixture(tmp_path, make):
    link = tmp_path / "published" / "20240110"
    publish(link, *make([1], 0), {})
    seen, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            folder = link.resolve(strict=True)
            names = sorted(path.name for path in folder.glob("dl3_*"))
            seen.append((len(names), len(Table.read(folder / "obs-index.fits.gz"))))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(1, 8):
        publish(link, *make([1, 2] if turn % 2 else [1], turn), {})
    stop.set()
    reader.join()
    assert seen
    assert all(files == listed for files, listed in seen)


def test_only_the_publication_before_is_kept(tmp_path, make):
    link = tmp_path / "published" / "20240110"
    for turn in range(4):
        publish(link, *make([1], turn), {})
    forget(link, Retention(number=2))
    assert len(list((link.parent / ".versions").iterdir())) == 2


def without_origin(folder):
    with fits.open(folder / "dl3_MAGIC_LST-1.Run00001.fits.gz", mode="update") as hdus:
        hdus["EVENTS"].header.remove("ORIGIN")


def changed_byte(folder):
    path = folder / "dl3_MAGIC_LST-1.Run00001.fits.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def negative_area(folder):
    with fits.open(folder / "dl3_MAGIC_LST-1.Run00001.fits.gz", mode="update") as hdus:
        hdus["EFFECTIVE AREA"].data["EFFAREA"].flat[3] = -1
        hdus["EFFECTIVE AREA"].add_checksum()


def missing_file(folder):
    (folder / "dl3_MAGIC_LST-1.Run00001.fits.gz").unlink()


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (without_origin, r"Run00001.fits.gz \[EVENTS\] ORIGIN: is missing"),
        (changed_byte, r"Run00001.fits.gz: cannot be read"),
        (negative_area, r"\[EFFECTIVE AREA\] EFFAREA: has 1 negative values"),
        (missing_file, r"Run00001.fits.gz not there"),
    ],
)
def test_what_is_not_true_to_its_format_is_not_published_and_the_old_stays(tmp_path, make, break_it, named):
    link = tmp_path / "published" / "20240110"
    publish(link, *make([1], 0), {})
    before = link.readlink(), sorted(path.name for path in link.parent.rglob("*"))
    dl3, index = make([1, 2], 1)
    break_it(dl3[0].parent)
    with pytest.raises(PublicationError, match=named):
        publish(link, dl3, index, {})
    assert before == (link.readlink(), sorted(path.name for path in link.parent.rglob("*")))


def test_another_verdict_is_another_publication(tmp_path, make):
    link = tmp_path / "published" / "20240110"
    dl3, index = make([1, 2])
    assert publish(link, dl3, index, {}, {1: Judgement(0), 2: Judgement(2)}).new
    assert list(Table.read(link / "obs-index.fits.gz")["QUALITY"]) == [0, 2]
    assert not publish(link, dl3, index, {}, {1: Judgement(0), 2: Judgement(2)}).new
    assert publish(link, dl3, index, {}, {1: Judgement(0), 2: Judgement(1)}).new
    assert list(Table.read(link / "obs-index.fits.gz")["QUALITY"]) == [0, 1]
