import threading

import pytest
from astropy.table import Table

from stereo_tasks.products.publication import PublicationError, publish


@pytest.fixture
def make(tmp_path):
    def _make(runs, text="events"):
        folder = tmp_path / "dl3"
        folder.mkdir(exist_ok=True)
        dl3 = []
        for run in runs:
            path = folder / f"dl3_MAGIC_LST-1.Run{run:05d}.fits.gz"
            path.unlink(missing_ok=True)
            path.write_text(f"{text} {run}")
            dl3.append(path)
        index = [folder / "hdu-index.fits.gz", folder / "obs-index.fits.gz"]
        for path in index:
            path.unlink(missing_ok=True)
            Table({"FILE_NAME": [one.name for one in dl3]}).write(path, format="fits")
        return dl3, index

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
    publish(link, *make([1], "text 0"), {})
    seen, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            folder = link.resolve(strict=True)
            names = sorted(path.name for path in folder.glob("dl3_*"))
            seen.append((len(names), len(Table.read(folder / "hdu-index.fits.gz"))))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(1, 8):
        publish(link, *make([1, 2] if turn % 2 else [1], f"text {turn}"), {})
    stop.set()
    reader.join()
    assert seen
    assert all(files == listed for files, listed in seen)


def test_only_the_publication_before_is_kept(tmp_path, make):
    link = tmp_path / "published" / "20240110"
    for turn in range(4):
        publish(link, *make([1], f"text {turn}"), {})
    assert len(list((link.parent / ".versions").iterdir())) == 2
