"""The data layer against real files, a real web server and a real second process."""

import functools
import http.server
import json
import multiprocessing
import resource
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from filelock import FileLock

from course import cli as command
from course import data
from course.catalogue import chapters
from course.data import are_prepared
from helpers import datasets, digits, downloads, places, sources
from helpers.datasets import DataError
from helpers.files import sha256_of

ROOT = places.ROOT


def make_archive(path: Path, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
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
        f'sha256 = "{sha256_of(file)}"\n'
        for file in files
    ]
    (folder / "manifest.toml").write_text("\n".join(tables), encoding="utf-8")


class Checkout:
    """A repository of this test, whose ``data/datasets.toml`` knows other files."""

    def __init__(self, root: Path) -> None:
        self.table = root / "data" / "datasets.toml"
        for name in ("data/datasets.toml", "notebooks/course.toml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)

    def edit(self, old: str, new: str) -> None:
        text = self.table.read_text(encoding="utf-8")
        assert text.count(old) == 1, old
        self.table.write_text(text.replace(old, new), encoding="utf-8")

    def knows(self, file: Path, url: str = "http://127.0.0.1:9/mnist.npz") -> None:
        """Let a file be upstream's archive of MNIST, the only known one."""
        text = self.table.read_text(encoding="utf-8")
        start, end = text.index("[[mnist.archive]]"), text.index("[cifar10]")
        known = (
            f'[[mnist.archive]]\nfile = "mnist.npz"\nurl = "{url}"\n'
            f'bytes = {file.stat().st_size}\nsha256 = "{sha256_of(file)}"\n\n'
        )
        self.table.write_text(text[:start] + known + text[end:], encoding="utf-8")

    def also_knows(self, file: Path) -> None:
        """Let a file be a mirror's variant of that archive."""
        variant = (
            f'[[mnist.archive]]\nfile = "{file.name}"\nbytes = {file.stat().st_size}\n'
            f'sha256 = "{sha256_of(file)}"\ndiffers = "other digits"\n\n'
        )
        self.edit("[cifar10]", f"{variant}[cifar10]")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr(places, "ROOT", tmp_path / "checkout")
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def mirror(tmp_path: Path, checkout: Checkout) -> Path:
    """A mirror whose only file is the known archive of MNIST."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    checkout.knows(make_archive(folder / "mnist.npz"))
    write_manifest(folder, folder / "mnist.npz")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
def upstream(server: str, tmp_path: Path, checkout: Checkout) -> Path:
    """The file that the server of this test serves as upstream's archive of MNIST."""
    file = make_archive(tmp_path / "served" / "mnist.npz")
    checkout.knows(file, f"{server}/mnist.npz")
    return file


@pytest.fixture
def course(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run ``course data`` in this process: its exit status, output and errors."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["course", "data", *words])
        status = command.main()
        return status, *capsys.readouterr()

    return run


def no_halves(cache: Path) -> bool:
    """Nothing but whole files and locks is left in the cache."""
    names = [path.name for path in cache.rglob("*") if path.is_file()]
    return not any(name.startswith((".", "tmp")) and not name.endswith(".lock") for name in names)


def test_from_a_mirror_to_memory_mapped_arrays(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    loaded = datasets.load("mnist", "quick")
    images, labels = loaded.train
    assert images.shape == (20, 28, 28, 1)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable
    assert loaded.classes == tuple("0123456789")
    assert not loaded.is_sample
    assert loaded.report == {"train": 20, "test": 8}
    with np.load(mirror / "mnist.npz") as held:
        assert np.array_equal(held["x_test"], loaded.test[0][..., 0])


def test_the_prepared_cache_comes_first(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    first = datasets.load("mnist", "quick")
    shutil.rmtree(mirror)
    again = datasets.load("mnist", "quick")
    assert first.sha256 == again.sha256


def test_the_mirror_comes_before_the_source(
    mirror: Path, upstream: Path, monkeypatch: pytest.MonkeyPatch
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
    upstream: Path, cache: Path
) -> None:
    datasets.load("mnist", "quick")
    shutil.rmtree(cache / "prepared")
    datasets.load("mnist", "quick")
    assert Quiet.asked == ["/mnist.npz"]
    assert no_halves(cache)


def test_a_download_of_another_hash_is_thrown_away(upstream: Path, cache: Path) -> None:
    expected = sha256_of(upstream)
    found = sha256_of(make_archive(upstream, seed=1))
    with pytest.raises(DataError, match=f"SHA-256 {found} three times, but .* SHA-256 {expected}"):
        datasets.load("mnist", "quick")
    assert len(Quiet.asked) == 3
    assert not (cache / "downloads" / "mnist.npz").exists()
    assert no_halves(cache)


def test_a_damaged_download_is_fetched_again(upstream: Path, cache: Path) -> None:
    datasets.load("mnist", "quick")
    (cache / "downloads" / "mnist.npz").write_bytes(b"damaged")
    shutil.rmtree(cache / "prepared")
    datasets.load("mnist", "quick")
    assert sha256_of(cache / "downloads" / "mnist.npz") == sha256_of(upstream)


def test_no_network_says_what_to_do(upstream: Path, checkout: Checkout, cache: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        checkout.knows(upstream, f"http://127.0.0.1:{closed.getsockname()[1]}/mnist.npz")
    with pytest.raises(
        DataError, match=r"cannot be reached.*COURSE_MIRROR.*put mnist.npz into.*profile sample"
    ):
        datasets.load("mnist", "quick")
    assert no_halves(cache)


def test_a_file_put_into_the_cache_by_hand_needs_no_network(mirror: Path, cache: Path) -> None:
    (cache / "downloads").mkdir(parents=True)
    shutil.copy(mirror / "mnist.npz", cache / "downloads")
    assert len(datasets.load("mnist", "quick").train[0]) == 20


def test_a_mirror_cannot_vouch_for_itself(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its manifest fits its file, and the file is still not the one that the repository knows."""
    expected = sha256_of(mirror / "mnist.npz")
    found = sha256_of(make_archive(mirror / "mnist.npz", seed=1))
    write_manifest(mirror, mirror / "mnist.npz")
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    with pytest.raises(DataError, match=f"mnist.npz has SHA-256 {found}, .* expects .*{expected}"):
        datasets.load("mnist", "quick")
    assert not datasets.is_prepared("mnist")


def test_a_mirror_behind_an_address_cannot_vouch_for_itself(
    mirror: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sha256_of(mirror / "mnist.npz")
    found = sha256_of(make_archive(mirror / "mnist.npz", seed=1))
    write_manifest(mirror, mirror / "mnist.npz")
    shutil.copytree(mirror, tmp_path / "served" / "mirror")
    monkeypatch.setenv("COURSE_MIRROR", f"{server}/mirror")
    with pytest.raises(DataError, match=f"offers mnist.npz with SHA-256 {found}, .* {expected}"):
        datasets.load("mnist", "quick")
    # A manifest that claims the known hash for another file does not help either.
    manifest = tmp_path / "served" / "mirror" / "manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(found, expected), encoding="utf-8")
    with pytest.raises(DataError, match=f"sent a file with SHA-256 {found}"):
        datasets.load("mnist", "quick")


def test_a_variant_of_the_same_name_is_accepted_and_kept_apart(
    upstream: Path, checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "mirror"
    held.mkdir()
    checkout.also_knows(make_archive(held / "mnist.npz", seed=1))
    write_manifest(held, held / "mnist.npz")
    monkeypatch.setenv("COURSE_MIRROR", str(held))
    variant = datasets.prepared("mnist", "quick")
    assert datasets.read_prepared(variant)[0]["origin"] == sha256_of(held / "mnist.npz")
    assert Quiet.asked == []
    shutil.rmtree(variant)
    monkeypatch.delenv("COURSE_MIRROR")
    assert datasets.prepared("mnist", "quick") != variant


def test_prepared_data_of_a_file_that_is_known_no_more_are_not_used(
    mirror: Path, upstream: Path, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.also_knows(make_archive(mirror / "mnist.npz", seed=1))
    write_manifest(mirror, mirror / "mnist.npz")
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    before = datasets.load("mnist", "quick").sha256
    monkeypatch.delenv("COURSE_MIRROR")
    assert datasets.load("mnist", "quick").sha256 == before
    checkout.knows(upstream, sources.entry("mnist").upstream.url)
    assert not datasets.is_prepared("mnist")
    assert datasets.load("mnist", "quick").sha256 != before


def test_prepared_data_renamed_to_a_present_key_are_not_used(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    folder = datasets.prepared("mnist", "quick")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    (folder / "meta.json").write_text(json.dumps(meta | {"origin": "0" * 64}), encoding="utf-8")
    assert not datasets.is_prepared("mnist")


def test_a_comment_prepares_nothing_again_and_code_does(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "digits.py"
    text = Path(digits.__file__).read_text(encoding="utf-8")
    found = datasets._module
    monkeypatch.setattr(
        datasets, "_module", lambda name: module if name == "helpers.digits" else found(name)
    )
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    module.write_text(text, encoding="utf-8")
    folder = datasets.prepared("mnist", "quick")
    reworded = text.replace('"""MNIST: 70,000', '# A comment.\n"""MNIST, 70,000')
    assert reworded != text
    module.write_text(reworded, encoding="utf-8")
    assert datasets.prepared("mnist", "quick") == folder
    module.write_text(text.replace("np.int64", "np.int32"), encoding="utf-8")
    assert datasets.prepared("mnist", "quick") != folder


def test_the_code_of_imported_helpers_counts_too() -> None:
    code = datasets._code("helpers.pictures:prepare_cifar10")
    drawing = ("drawing", "drawing_objects", "drawing_pets", "drawing_scenes", "drawing_tools")
    assert set(code) == {f"helpers.{name}" for name in ("pictures", *drawing)}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-10]), "is damaged or another file"),
        (lambda p: p.write_bytes(b"x" + p.read_bytes()[1:]), "is damaged or another file"),
        (lambda p: p.unlink(), "is missing"),
    ],
)
def test_a_damaged_mirror_is_named(
    damage: Callable[[Path], object], said: str, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    damage(mirror / "mnist.npz")
    with pytest.raises(DataError, match=said):
        datasets.load("mnist", "quick")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "not toml =",
        "[file]\nname = 1",
        "file = 3",
        f'[[file]]\nname = "mnist.npz"\nsha256 = "{"0" * 64}"',
        '[[file]]\nname = "mnist.npz"\nbytes = 3',
    ],
)
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


def test_a_file_that_is_not_an_archive(
    mirror: Path, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mirror / "mnist.npz").write_bytes(b"not an archive")
    checkout.knows(mirror / "mnist.npz")
    write_manifest(mirror, mirror / "mnist.npz")
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    with pytest.raises(DataError, match="is not an archive of MNIST"):
        datasets.load("mnist", "quick")


def test_pickled_data_are_never_loaded(
    mirror: Path, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(mirror / "mnist.npz", x_train=objects, y_train=objects, x_test=objects, y_test=objects)
    checkout.knows(mirror / "mnist.npz")
    write_manifest(mirror, mirror / "mnist.npz")
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    with pytest.raises(DataError, match="is not an archive of MNIST"):
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
    mirror: Path, monkeypatch: pytest.MonkeyPatch
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


def test_two_at_once_download_once(upstream: Path) -> None:
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


def test_an_error_of_reading_is_not_called_one_of_writing(
    mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(digits, "prepare", unreadable)
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    with pytest.raises(DataError, match=r"Cannot read .*mnist.npz \(Permission denied\)"):
        datasets.load("mnist", "quick")


def _load_with_small_files(_: int) -> str:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        return datasets.load("mnist", "quick").name
    except DataError as error:
        return str(error)


def test_a_disk_that_fills_up(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of files stops the writing just as a full disk does."""
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        [said] = pool.map(_load_with_small_files, [0])
    assert said.startswith("Cannot write the data into")
    assert no_halves(cache)
    assert not list((cache / "prepared").glob("mnist-real-*/"))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(DataError, match='no data set "mnits": the course has mnist'):
        datasets.load("mnits", "quick")
    with pytest.raises(DataError, match='no profile "fast"'):
        datasets.load("mnist", "fast")
    loaded = datasets.load("mnist", "sample")
    with pytest.raises(DataError, match="has no part for validation"):
        _ = loaded.validation


def test_the_sample_needs_no_network_and_is_called_a_sample() -> None:
    loaded = datasets.load("mnist", "sample")
    assert loaded.is_sample
    assert "sample" in loaded.label
    assert loaded.train[0].shape == (4000, 28, 28, 1)
    assert loaded.test[0].shape == (1000, 28, 28, 1)
    assert np.all(np.bincount(loaded.train[1]) + np.bincount(loaded.test[1]) == 500)


def test_another_size_that_is_prepared_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "helpers.pictures.prepare_cats_vs_dogs",
        lambda path, size: ({"train_x": np.zeros(size), "train_y": np.zeros(size)}, {}),
    )
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "own"))
    options = {"cats_vs_dogs": [{"size": 96}]}
    chapter = replace(chapters()["04"], data=("cats_vs_dogs",), data_options=options)
    datasets.prepared("cats_vs_dogs", "quick", size=150)
    assert not are_prepared(chapter)
    datasets.prepared("cats_vs_dogs", "quick", size=96)
    assert are_prepared(chapter)


Course = Callable[..., tuple[int, str, str]]


def test_export_writes_a_mirror_that_serves(
    course: Course, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "exported"
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    assert course("export", str(target), "mnist")[0] == 0
    monkeypatch.setenv("COURSE_MIRROR", str(target))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "two"))
    status, said, _ = course("get", "mnist")
    assert status == 0
    assert '{"train": 20, "test": 8}' in said


def test_a_second_export_keeps_the_first(
    course: Course, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "exported"
    target.mkdir()
    (target / "reviews.tar.gz").write_bytes(b"what was exported before")
    write_manifest(target, target / "reviews.tar.gz")
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    assert course("export", str(target), "mnist")[0] == 0
    assert downloads.read_manifest(str(target)) == {
        name: sha256_of(target / name) for name in ("mnist.npz", "reviews.tar.gz")
    }


def line_of(name: str, said: str) -> str:
    [line] = [line for line in said.splitlines() if line.split()[0] == name]
    return line


def test_list_says_prepared_only_of_what_the_chapters_can_use(
    course: Course, mirror: Path, cache: Path, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not prepared" in line_of("mnist", course("list")[1])
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    folder = datasets.prepared("mnist", "quick")
    assert " prepared" in line_of("mnist", course("list")[1])
    assert "not prepared" not in line_of("mnist", course("list")[1])
    assert "not downloaded" in line_of("vgg16", course("list")[1])
    (folder / "train_x.npy").unlink()
    assert "not prepared" in line_of("mnist", course("list")[1])


def test_verify_finds_a_changed_bit(
    course: Course, mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert course("verify")[0] == 2
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    assert course("get", "mnist")[0] == 0
    assert course("verify")[0] == 0
    [array] = cache.glob("prepared/mnist-real-*/train_x.npy")
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)
    status, _, errors = course("verify")
    assert status == 2
    assert "train_x.npy doesn't match its SHA-256" in errors


def test_verify_finds_a_damaged_download_and_data_out_of_date(
    course: Course, upstream: Path, checkout: Checkout, cache: Path
) -> None:
    assert course("get", "mnist")[0] == 0
    assert "mnist.npz: good" in course("verify")[1]
    checkout.knows(make_archive(upstream, seed=1))
    status, said, errors = course("verify")
    assert status == 2
    assert "mnist.npz: damaged" in said
    assert "good, but out of date" in said
    assert "is damaged or another file" in errors


def test_a_broken_manifest_where_a_mirror_is_exported_is_named(
    course: Course, upstream: Path, checkout: Checkout, tmp_path: Path
) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "manifest.toml").write_text("x = ", encoding="utf-8")
    status, _, errors = course("export", str(tmp_path / "stick"), "mnist")
    assert status == 2
    assert "manifest.toml isn't what an export wrote: delete it, or export to another" in errors
    assert "COURSE_MIRROR" not in errors


def test_damaged_data_of_a_chapter_are_discarded_and_prepared_again(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    chapter = replace(chapters()["01"], data=("mnist",), data_options={})
    folder = datasets.prepared("mnist", "quick")
    before = data.hashes(chapter)
    assert data.discard_damaged(chapter, "quick") == []
    array = folder / "test_x.npy"
    array.write_bytes(array.read_bytes()[:-1] + b"?")
    [said] = data.discard_damaged(chapter, "quick")
    assert said.endswith("were damaged: test_x.npy doesn't match its SHA-256")
    assert not folder.exists()
    assert data.hashes(chapter) == before


def test_get_without_names_leaves_the_weights_out(
    course: Course, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(downloads, "fetch", lambda source: asked.append(source.name))
    monkeypatch.setattr(
        datasets, "prepared", lambda name, *_, **options: asked.append(name) or mirror
    )
    monkeypatch.setattr(datasets, "read_prepared", lambda folder: ({"report": {}}, []))
    assert course("get")[0] == 0
    assert set(asked) == {"mnist", "cifar10", "cats_vs_dogs", "imdb"}
    assert course("get", "vgg16", "nothing")[0] == 2
    assert "vgg16" not in asked


def test_prune_deletes_what_no_present_key_names_and_nothing_else(
    course: Course, upstream: Path, checkout: Checkout, cache: Path
) -> None:
    stale = datasets.prepared("mnist", "quick")
    sample = datasets.prepared("mnist", "sample")
    checkout.knows(make_archive(upstream, seed=1), sources.entry("mnist").upstream.url)
    current = datasets.prepared("mnist", "quick")
    left = cache / "prepared" / ".writing-abc"
    left.mkdir()
    (left / "half.npy").write_bytes(bytes(2_000_000))
    damaged = cache / "features" / "base-0.json"
    damaged.parent.mkdir()
    damaged.write_text("{", encoding="utf-8")
    status, said, _ = course("prune")
    assert status == 0
    assert said.splitlines()[-1] == "2.0 MB freed"
    assert not stale.exists() and not left.exists() and not damaged.exists()
    assert current.is_dir() and sample.is_dir()
    assert (cache / "downloads" / "mnist.npz").exists()
    assert course("prune")[1] == "0.0 MB freed\n"
    assert course("prune", "--downloads")[0] == 0
    assert not (cache / "downloads" / "mnist.npz").exists()
    assert current.is_dir()


def test_prune_refuses_while_something_is_prepared(
    course: Course, upstream: Path, checkout: Checkout
) -> None:
    stale = datasets.prepared("mnist", "quick")
    checkout.knows(make_archive(upstream, seed=1))
    with FileLock(datasets.lock_of(stale)):
        status, _, errors = course("prune")
    assert status == 2
    assert "mnist-real is being prepared" in errors
    assert stale.is_dir()


def test_every_data_set_says_where_it_is_from() -> None:
    for name, source in datasets.catalogue().items():
        assert source.upstream.bytes > 1e6
        assert len(source.classes) >= 2
        assert "sample" in source.sample_title
        assert (ROOT / source.card).is_file(), f"{name} has no data card"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('license = "CC BY-SA', 'licence = "CC BY-SA', r"\[mnist\]: license must be .* is missing"),
        ('title = "MNIST"', "title = 3", r"\[mnist\]: title must be a str .* is 3"),
        ('title = "MNIST"', 'title = "MNIST"\ncolor = "red"', "unknown key color"),
        ('kind = "data"\ntitle = "MNIST"', 'kind = "picture"\ntitle = "MNIST"', "kind must be"),
        ("731c5ac602752760", "731C5AC602752760", "sha256 must be 64 lower-case"),
        ("bytes = 11490434\n", "", "needs bytes and sha256"),
        ("helpers.digits:sample", "helpers.digits", 'sample must be "module:function"'),
        ('differs = "the same arrays, packed anew"\n', "", "number 2: upstream's file has a url"),
    ],
)
def test_a_fault_in_the_table_is_named(checkout: Checkout, old: str, new: str, said: str) -> None:
    checkout.edit(old, new)
    with pytest.raises(DataError, match=rf"^data/datasets.toml, .*{said}"):
        datasets.catalogue()


def test_meta_is_json(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_MIRROR", str(mirror))
    entry = datasets.prepared("mnist", "quick")
    meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
    assert meta["source"] == "mnist.npz"
    assert set(meta["arrays"]) == {"train_x", "train_y", "test_x", "test_y"}


def test_the_real_mirror_s_files_are_known() -> None:
    """The variants that the project's own tests and stored outputs were made with."""
    files = [archive.file for each in datasets.catalogue().values() for archive in each.archives]
    assert files.count("mnist.npz") == 2
    assert {"cifar10.zip", "cats_vs_dogs.zip", "aclImdb_v1.tar.gz"} <= set(files)
