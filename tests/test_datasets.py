"""The data layer against real files, a real web server and a real second process."""

import functools
import hashlib
import http.server
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from course.catalogue import Chapter
from course.data import are_prepared
from helpers import datasets
from helpers.datasets import DataError
from helpers.places import ROOT


def make_archive(path: Path) -> Path:
    random = np.random.default_rng(0)
    np.savez(
        path,
        x_train=random.integers(0, 256, (20, 28, 28), np.uint8),
        y_train=random.integers(0, 10, 20, np.uint8),
        x_test=random.integers(0, 256, (8, 28, 28), np.uint8),
        y_test=random.integers(0, 10, 8, np.uint8),
    )
    return path


def write_manifest(folder: Path, *files: Path) -> None:
    tables = [
        f'[[file]]\nname = "{file.name}"\nbytes = {file.stat().st_size}\n'
        f'sha256 = "{datasets.sha256_of(file)}"\n'
        for file in files
    ]
    (folder / "manifest.toml").write_text("\n".join(tables), encoding="utf-8")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    write_manifest(folder, make_archive(folder / "mnist.npz"))
    return folder


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_MIRROR", raising=False)
    monkeypatch.delenv("COURSE_DATA", raising=False)
    return tmp_path / "cache"


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    Quiet.asked.clear()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def upstream(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The catalogue with MNIST's source on the server of this test."""
    file = make_archive(tmp_path / "served" / "mnist.npz")
    table = dict(datasets.entry("mnist"))
    table["upstream"] = {
        "file": "mnist.npz",
        "url": f"{server}/mnist.npz",
        "bytes": file.stat().st_size,
        "sha256": datasets.sha256_of(file),
    }
    monkeypatch.setattr(datasets, "catalogue", lambda: {"mnist": table})
    return table["upstream"]


def no_halves(cache: Path) -> bool:
    """Nothing but whole files and locks is left in the cache."""
    names = [path.name for path in cache.rglob("*") if path.is_file()]
    return not any(name.startswith((".", "tmp")) and not name.endswith(".lock") for name in names)


def test_from_a_mirror_to_memory_mapped_arrays(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    data = datasets.load("mnist", "quick")
    images, labels = data.train
    assert images.shape == (20, 28, 28, 1)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable
    assert data.classes == tuple("0123456789")
    assert not data.is_sample
    assert data.report == {"train": 20, "test": 8}
    with np.load(mirror / "mnist.npz") as held:
        assert np.array_equal(held["x_test"], data.test[0][..., 0])


def test_the_prepared_cache_comes_first(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    first = datasets.load("mnist", "quick")
    shutil.rmtree(mirror)
    again = datasets.load("mnist", "quick")
    assert first.sha256 == again.sha256


def test_the_mirror_comes_before_the_source(
    mirror: Path, upstream: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    datasets.load("mnist", "quick")
    assert Quiet.asked == []


def test_a_mirror_behind_an_address(
    mirror: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(mirror, tmp_path / "served" / "mirror")
    monkeypatch.setenv("COURSE_MIRROR", f"{server}/mirror")
    assert len(datasets.load("mnist", "quick").train[0]) == 20


def test_a_download_is_checked_placed_once_and_leaves_no_halves(
    upstream: dict, places: Path
) -> None:
    datasets.load("mnist", "quick")
    shutil.rmtree(places / "prepared")
    datasets.load("mnist", "quick")
    assert Quiet.asked == ["/mnist.npz"]
    assert no_halves(places)


def test_a_download_of_another_hash_is_thrown_away(upstream: dict, places: Path) -> None:
    upstream["sha256"] = "0" * 64
    with pytest.raises(DataError, match="sent a file whose SHA-256 is not"):
        datasets.load("mnist", "quick")
    assert len(Quiet.asked) == 3
    assert not (places / "downloads" / "mnist.npz").exists()
    assert no_halves(places)


def test_no_network_says_what_to_do(upstream: dict, places: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        upstream["url"] = f"http://127.0.0.1:{closed.getsockname()[1]}/mnist.npz"
    with pytest.raises(DataError, match=r"cannot be reached.*COURSE_MIRROR.*profile sample"):
        datasets.load("mnist", "quick")
    assert no_halves(places)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-10]), "it is truncated or was changed"),
        (lambda p: p.write_bytes(b"x" + p.read_bytes()[1:]), "does not have the SHA-256"),
        (lambda p: p.unlink(), "is missing"),
    ],
)
def test_a_damaged_mirror_is_named(
    damage, said: str, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    damage(mirror / "mnist.npz")
    with pytest.raises(DataError, match=said):
        datasets.load("mnist", "quick")


@pytest.mark.parametrize("text", [None, "not toml =", "[file]\nname = 1"])
def test_a_mirror_without_a_manifest(
    text: str | None, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    if text is None:
        (mirror / "manifest.toml").unlink()
    else:
        (mirror / "manifest.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"has no readable manifest\.toml"):
        datasets.load("mnist", "quick")


def test_a_file_that_is_no_archive(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mirror / "mnist.npz").write_bytes(b"not an archive")
    write_manifest(mirror, mirror / "mnist.npz")
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    with pytest.raises(DataError, match="is no archive of MNIST"):
        datasets.load("mnist", "quick")


def test_pickled_data_are_never_loaded(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(mirror / "mnist.npz", x_train=objects, y_train=objects, x_test=objects, y_test=objects)
    write_manifest(mirror, mirror / "mnist.npz")
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    with pytest.raises(DataError, match="is no archive of MNIST"):
        datasets.load("mnist", "quick")


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "meta.json").write_text("{", encoding="utf-8"),
        lambda entry: (entry / "meta.json").unlink(),
        lambda entry: (entry / "train_x.npy").write_bytes(b"short"),
        lambda entry: (entry / "test_y.npy").unlink(),
    ],
)
def test_a_damaged_entry_is_made_again(
    damage, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    before = datasets.load("mnist", "quick").sha256
    damage(datasets.prepared("mnist", "quick"))
    assert datasets.load("mnist", "quick").sha256 == before


def test_a_damaged_entry_is_kept_while_it_cannot_be_made_again(
    mirror: Path, upstream: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    entry = datasets.prepared("mnist", "quick")
    (entry / "test_y.npy").unlink()
    (mirror / "mnist.npz").unlink()
    with pytest.raises(DataError):
        datasets.load("mnist", "quick")
    assert (entry / "train_x.npy").exists()


def _load_in_process(_: int) -> str:
    return datasets.load("mnist", "quick").sha256


def test_two_at_once_download_once(upstream: dict) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        hashes = pool.map(_load_in_process, range(4))
    assert len(set(hashes)) == 1
    assert Quiet.asked == ["/mnist.npz"]


def test_a_folder_that_cannot_be_written(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="Cannot write the data into"):
        datasets.load("mnist", "quick")


def test_a_disk_that_fills_up(mirror: Path, places: Path) -> None:
    """A limit on the size of files stops the writing just as a full disk does."""
    script = (
        "import resource, signal; from helpers import datasets\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    datasets.load('mnist', 'quick')\n"
        "except datasets.DataError as error:\n    print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "COURSE_MIRROR": str(mirror)},
        capture_output=True,
        text=True,
    )
    assert "Cannot write the data into" in answer.stdout, answer.stderr
    assert no_halves(places)
    assert not list((places / "prepared").glob("mnist-real-*/"))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(DataError, match='no data set "mnits": the course has mnist'):
        datasets.load("mnits", "quick")
    with pytest.raises(DataError, match='no profile "fast"'):
        datasets.load("mnist", "fast")
    data = datasets.load("mnist", "sample")
    with pytest.raises(DataError, match="has no part for validation"):
        _ = data.validation


def test_the_sample_needs_no_network_and_is_called_a_sample() -> None:
    data = datasets.load("mnist", "sample")
    assert data.is_sample
    assert "sample" in data.label
    assert data.train[0].shape == (4000, 28, 28, 1)
    assert data.test[0].shape == (1000, 28, 28, 1)
    assert np.all(np.bincount(data.train[1]) + np.bincount(data.test[1]) == 500)


def course(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "course", "data", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_another_size_that_is_prepared_does_not_count(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "_prepare", lambda name, table, folder, *_: wrote(folder))

    def wrote(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text('{"arrays": {}}', encoding="utf-8")

    chapter = Chapter(
        "04", {"data": ["cats_vs_dogs"], "data_options": {"cats_vs_dogs": [{"size": 96}]}}
    )
    datasets.prepared("cats_vs_dogs", "quick", size=150)
    assert not are_prepared(chapter)
    datasets.prepared("cats_vs_dogs", "quick", size=96)
    assert are_prepared(chapter)


def test_export_writes_a_mirror_that_serves(mirror: Path, tmp_path: Path) -> None:
    target = tmp_path / "exported"
    answer = course("export", str(target), "mnist", COURSE_MIRROR=str(mirror))
    assert answer.returncode == 0, answer.stderr
    answer = course("get", "mnist", COURSE_MIRROR=str(target), COURSE_CACHE=str(tmp_path / "two"))
    assert answer.returncode == 0, answer.stderr
    assert '{"train": 20, "test": 8}' in answer.stdout
    assert course("list", COURSE_MIRROR=str(target)).stdout.count("MB") == 4


def test_verify_finds_a_changed_bit(mirror: Path, places: Path) -> None:
    assert course("verify").returncode == 2
    assert course("get", "mnist", COURSE_MIRROR=str(mirror)).returncode == 0
    assert course("verify").returncode == 0
    [array] = places.glob("prepared/mnist-real-*/train_x.npy")
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)
    answer = course("verify")
    assert answer.returncode == 2
    assert "train_x.npy does not have its SHA-256" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_every_data_set_says_where_it_is_from() -> None:
    for name, table in datasets.catalogue().items():
        assert len(table["upstream"]["sha256"]) == 64, name
        assert table["upstream"]["bytes"] > 1e6
        assert table["upstream"]["file"] in table["archives"]
        assert table["licence"]
        assert table["citation"]
        assert len(table["classes"]) >= 2
        assert "sample" in table["sample_title"]
        assert (ROOT / table["card"]).is_file(), f"{name} has no data card"


def test_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert datasets.sha256_of(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


def test_meta_is_json(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    entry = datasets.prepared("mnist", "quick")
    meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
    assert meta["source"] == "mnist.npz"
    assert set(meta["arrays"]) == {"train_x", "train_y", "test_x", "test_y"}
