"""Archives and folders of pictures: what is usable is used, what is not is named."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from helpers import pictures
from helpers.datasets import DataError
from helpers.drawing import CIFAR10_CLASSES


def encoded(seed=0, form="JPEG", mode="RGB", size=(40, 30)):
    """A random smooth picture as bytes of a file."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)
    held = io.BytesIO()
    image.save(held, form)
    return held.getvalue()


def bomb():
    """A small PNG that claims 20,000 x 20,000 pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def pets(layout, each=8):
    """Names and contents of as many cats as dogs; `layout` takes the class and the number."""
    return {
        layout(kind, number): encoded(seed=100 * place + number)
        for place, kind in enumerate(("cat", "dog"))
        for number in range(each)
    }


def microsoft(kind, number):
    return f"PetImages/{kind.capitalize()}/{number}.jpg"


def as_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def prepare(source, **options):
    counts = {"train": 4, "validation": 2, "test": 2} | options
    return pictures.prepare_cats_vs_dogs(source, size=16, **counts)


# Layouts -------------------------------------------------------------------------------------

LAYOUTS = {
    "Microsoft's archive": microsoft,
    "Kaggle's train folder": lambda kind, number: f"train/{kind}.{number}.jpg",
    "folders cats and dogs": lambda kind, number: f"{kind}s/{number}.png",
    "the book's small set": lambda kind, number: f"small/train/{kind}s/{kind}.{number}.jpg",
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("pack", [as_zip, as_folder])
def test_every_layout_is_read(tmp_path, layout, pack):
    arrays, report = prepare(pack(tmp_path / "data", pets(layout)))
    assert arrays["train_x"].shape == (4, 16, 16, 3)
    assert arrays["train_x"].dtype == np.uint8
    for split in ("train", "validation", "test"):
        cats, dogs = np.bincount(arrays[f"{split}_y"])
        assert cats == dogs
    assert report["found"] == {"cats": 8, "dogs": 8}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("PetImages\\Cat\\1.jpg", 0),
        ("C:\\Users\\Ada\\dogs-vs-cats\\train\\dog.12.jpg", 1),
        ("dogs/7.jpg", 1),
        ("dogs/cat.1.jpg", 1),
        ("test1/7.jpg", None),
        ("train/catalogue.jpg", None),
    ],
)
def test_names_give_labels_on_windows_too(name, label):
    assert pictures.cat_or_dog(name) == label


def test_an_archive_with_backslashes_is_read(tmp_path):
    files = pets(lambda kind, number: f"PetImages\\{kind}\\{number}.jpg")
    arrays, _ = prepare(as_zip(tmp_path / "windows.zip", files))
    assert len(arrays["test_y"]) == 2


# Files that are not as they should be --------------------------------------------------------


def test_unusable_files_are_named_and_left_out_and_others_converted(tmp_path):
    files = pets(microsoft)
    files |= {
        "PetImages/Cat/empty.jpg": b"",
        "PetImages/Cat/text.jpg": b"not a picture at all",
        "PetImages/Cat/cut.jpg": encoded(9, size=(200, 200))[:-900],
        "PetImages/Dog/bomb.png": bomb(),
        "PetImages/Dog/gray.jpg": encoded(5, mode="L"),
        "PetImages/Dog/press.jpg": encoded(6, mode="CMYK"),
        "PetImages/Dog/renamed.jpg": encoded(7, form="PNG"),
        "PetImages/Cat/Thumbs.db": b"Windows",
        "__MACOSX/PetImages/Cat/._1.jpg": b"resource fork",
    }
    arrays, report = prepare(as_zip(tmp_path / "pets.zip", files), train=12)
    assert report["left out"] == {
        "PetImages/Cat/empty.jpg": "empty file",
        "PetImages/Cat/text.jpg": "not a picture",
        "PetImages/Cat/cut.jpg": "truncated or corrupt",
        "PetImages/Dog/bomb.png": "decompression bomb",
    }
    assert report["converted"] == {
        "PetImages/Dog/gray.jpg": "gray made RGB",
        "PetImages/Dog/press.jpg": "CMYK made RGB",
        "PetImages/Dog/renamed.jpg": "is a PNG",
    }
    assert report["other files"] == 2
    assert arrays["train_x"].shape == (12, 16, 16, 3)


@pytest.mark.parametrize("pack", [as_zip, as_folder])
def test_a_file_larger_than_any_picture_is_left_out(tmp_path, monkeypatch, pack):
    files = pets(microsoft)
    largest = max(files, key=lambda name: len(files[name]))
    monkeypatch.setattr(pictures, "LARGEST_FILE", len(files[largest]))
    files["PetImages/Cat/huge.jpg"] = encoded() + bytes(len(files[largest]))
    _, report = prepare(pack(tmp_path / "data", files))
    assert report["left out"] == {"PetImages/Cat/huge.jpg": "larger than any picture"}


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".bmp", ".gif", ".webp"])
def test_pictures_are_known_by_their_suffix(suffix):
    assert pictures.is_picture(f"train/cat.1{suffix}")
    assert not pictures.is_picture(f"train/._cat.1{suffix}")


def test_a_gray_picture_becomes_three_equal_channels():
    picture = pictures.pixels(encoded(3, mode="L"), 16)
    assert picture.shape == (16, 16, 3)
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])


def test_a_cmyk_picture_keeps_its_colours():
    straight = pictures.pixels(encoded(3), 16).astype(int)
    converted = pictures.pixels(encoded(3, mode="CMYK"), 16).astype(int)
    assert np.abs(straight - converted).mean() < 12


def test_a_photograph_taken_sideways_is_turned_upright():
    image = Image.fromarray(np.zeros((32, 32, 3), np.uint8))
    image.paste((255, 255, 255), (0, 0, 32, 16))
    held = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(held, "JPEG", exif=exif)
    picture = pictures.pixels(held.getvalue(), 32)
    assert picture[:, 20:].min() > 200
    assert picture[:, :12].max() < 50


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"notes.txt": b"nothing"}, "holds no pictures of cats and dogs"),
        ({"train.zip": b"PK"}, r"unpack train\.zip first"),
        ({f"cats/{i}.jpg": encoded(i) for i in range(9)}, "9 pictures of cats but none of dogs"),
        (pets(microsoft, each=3), "needs 4 cats, but only 3 are readable"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, files, message):
    with pytest.raises(DataError, match=message):
        prepare(as_folder(tmp_path / "own", files))


def test_a_missing_folder_and_a_broken_archive_say_so(tmp_path):
    with pytest.raises(DataError, match="no folder or archive"):
        prepare(tmp_path / "nowhere")
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="neither a folder nor a readable zip"):
        prepare(tmp_path / "broken.zip")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"train": 3}, "even number"), ({"test": 0}, "even number")],
)
def test_a_split_that_cannot_be_balanced_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(as_zip(tmp_path / "pets.zip", pets(microsoft)), **options)


# Archives that are not to be trusted ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("../evil.jpg", "leads out of the archive"),
        ("PetImages\\..\\..\\evil.jpg", "leads out of the archive"),
        ("/etc/evil.jpg", "absolute name"),
        ("C:/evil.jpg", "absolute name"),
    ],
)
def test_entries_outside_of_the_archive_are_refused(tmp_path, name, fault):
    source = as_zip(tmp_path / "evil.zip", pets(microsoft) | {name: encoded()})
    with pytest.raises(DataError, match=f"evil.zip is refused.*{fault}"):
        prepare(source)


def test_a_link_in_a_zip_archive_is_refused(tmp_path):
    source = as_zip(tmp_path / "evil.zip", pets(microsoft))
    link = zipfile.ZipInfo("PetImages/Cat/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        prepare(source)


def test_a_file_with_a_wrong_checksum_is_left_out(tmp_path):
    source = as_zip(tmp_path / "pets.zip", pets(microsoft))
    content = bytearray(source.read_bytes())
    content[content.index(b"PetImages/Cat/3.jpg") + 200] ^= 255
    source.write_bytes(bytes(content))
    _, report = prepare(source)
    assert report["left out"] == {"PetImages/Cat/3.jpg": "unreadable (BadZipFile)"}


def test_a_file_whose_compressed_stream_is_damaged_is_left_out(tmp_path):
    source, name = tmp_path / "pets.zip", "PetImages/Cat/3.jpg"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in pets(microsoft).items():
            archive.writestr(each, content)
        start = archive.getinfo(name).header_offset + 30 + len(name)
    content = bytearray(source.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    source.write_bytes(bytes(content))
    _, report = prepare(source)
    assert report["left out"] == {name: "unreadable (error)"}


# The small set -------------------------------------------------------------------------------


def test_splits_are_disjoint_and_fixed_by_the_seed(tmp_path):
    source = as_zip(tmp_path / "pets.zip", pets(microsoft))
    first, _ = prepare(source, seed=3)
    again, _ = prepare(source, seed=3)
    other, _ = prepare(source, seed=4)
    pixels = np.concatenate([first[f"{s}_x"] for s in ("train", "validation", "test")])
    assert len(np.unique(pixels.reshape(len(pixels), -1), axis=0)) == 8
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(first["train_x"], other["train_x"])


def test_the_labels_of_cats_and_dogs_stay_with_their_pictures(tmp_path):
    files = pets(microsoft, each=20)
    arrays, _ = prepare(as_zip(tmp_path / "pets.zip", files), train=24, validation=8, test=8)
    labels = {
        pictures.pixels(content, 16).tobytes(): int("Dog" in name)
        for name, content in files.items()
    }
    for split in ("train", "validation", "test"):
        given = arrays[f"{split}_y"].tolist()
        assert [labels[image.tobytes()] for image in arrays[f"{split}_x"]] == given
        assert given not in (sorted(given), sorted(given, reverse=True))


def test_near_duplicates_across_the_splits_are_reported(tmp_path):
    files = pets(microsoft, each=4)
    image = Image.open(io.BytesIO(files["PetImages/Dog/0.jpg"])).resize((80, 60))
    held = io.BytesIO()
    image.point(lambda value: min(255, value + 6)).save(held, "JPEG", quality=60)
    files["PetImages/Dog/1.jpg"] = held.getvalue()
    reports = [prepare(as_zip(tmp_path / "pets.zip", files), seed=seed)[1] for seed in range(6)]
    found = [report["near-duplicates"] for report in reports]
    assert max(map(len, found)) == 1
    pair = next(pairs[0] for pairs in found if pairs)
    assert {name.split(": ")[1] for name in pair} == {"PetImages/Dog/0.jpg", "PetImages/Dog/1.jpg"}


def test_every_pair_of_splits_is_searched_for_near_duplicates():
    one, full = 1, 2**64 - 1
    fingerprints = {
        "train": [(full, full), (0, 0)],
        "validation": [(one, 2 ** (pictures.NEAR - 1) - 1)],
        "test": [(one, 2**pictures.NEAR - 1), (0, 0)],
    }
    hashes = {split: np.array(pairs, np.uint64) for split, pairs in fingerprints.items()}
    assert pictures.near_duplicates(hashes) == [
        ("train", 1, "validation", 0),
        ("train", 1, "test", 1),
        ("validation", 0, "test", 0),
        ("validation", 0, "test", 1),
    ]


# CIFAR-10 ------------------------------------------------------------------------------------


def batches(each=3, parts=("data_batch_1", "data_batch_2", "test_batch"), label=None):
    """Records as in the binary archive: label, then the three colour planes."""
    rng = np.random.default_rng(0)
    return {
        f"cifar-10-batches-bin/{part}.bin": b"".join(
            bytes([number % 10 if label is None else label])
            + rng.integers(0, 256, 3072, dtype=np.uint8).tobytes()
            for number in range(10 * each)
        )
        for part in parts
    }


def as_tar(path, files, link=False):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo("cifar-10-batches-bin/link.bin")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(entry)
    return path


def test_the_binary_archive_gives_its_pixels(tmp_path):
    files = batches()
    arrays, report = pictures.prepare_cifar10(
        as_tar(tmp_path / "cifar.tar.gz", files), validation=10
    )
    assert report["counts"] == {"train": 50, "validation": 10, "test": 30}
    np.testing.assert_array_equal(np.bincount(arrays["validation_y"]), np.ones(10))
    record = files["cifar-10-batches-bin/test_batch.bin"][3073 : 2 * 3073]
    assert arrays["test_y"][1] == record[0]
    # Position 1 + 1024 is the green value of the pixel in the upper left corner.
    assert arrays["test_x"][1, 0, 0, 1] == record[1 + 1024]
    assert arrays["test_x"][1, 2, 5, 0] == record[1 + 2 * 32 + 5]


def test_the_labels_of_cifar10_stay_with_their_pictures(tmp_path):
    files = batches(parts=("data_batch_1", "test_batch"), each=4)
    arrays, report = pictures.prepare_cifar10(
        as_tar(tmp_path / "cifar.tar.gz", files), validation=20, seed=3
    )
    assert report["seed"] == 3
    content = np.frombuffer(files["cifar-10-batches-bin/data_batch_1.bin"], np.uint8)
    known = {
        record[1:].reshape(3, 32, 32).transpose(1, 2, 0).tobytes(): (place, record[0])
        for place, record in enumerate(content.reshape(-1, 3073))
    }
    seen = []
    for split in ("train", "validation"):
        places, labels = zip(*(known[x.tobytes()] for x in arrays[f"{split}_x"]), strict=True)
        assert list(labels) == arrays[f"{split}_y"].tolist()
        assert list(labels) != sorted(labels)
        assert list(places) != sorted(places)
        seen.append(set(places))
    assert seen[0] | seen[1] == set(range(40)) and not seen[0] & seen[1]
    assert seen[1] != set(range(20))  # the first two of each class


def test_the_choice_from_cifar10_depends_on_the_seed_alone(tmp_path):
    files = batches()
    backwards = dict(reversed(files.items()))
    sources = [
        as_tar(tmp_path / f"{place}.tar.gz", each) for place, each in enumerate((files, backwards))
    ]
    first, again = (pictures.prepare_cifar10(source, validation=20)[0] for source in sources)
    other, _ = pictures.prepare_cifar10(sources[0], validation=20, seed=1)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(first["train_x"], other["train_x"])
    assert not np.array_equal(first["validation_x"], other["validation_x"])
    folders = as_zip(tmp_path / "cifar10.zip", class_folders(each=2))
    tests = [pictures.prepare_cifar10(folders, 10, seed)[0]["test_y"].tolist() for seed in (0, 1)]
    assert tests[0] != tests[1]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (batches(parts=("data_batch_1",)), "no whole test_batch"),
        (batches(label=11), "label above 9"),
        ({"../test_batch.bin": b""}, "leads out of the archive"),
    ],
)
def test_a_wrong_binary_archive_is_refused(tmp_path, files, message):
    with pytest.raises(DataError, match=message):
        pictures.prepare_cifar10(as_tar(tmp_path / "cifar.tar.gz", files), validation=10)


def test_a_link_in_a_tar_archive_is_refused_and_a_truncated_one_too(tmp_path):
    with pytest.raises(DataError, match="is a link"):
        pictures.prepare_cifar10(as_tar(tmp_path / "link.tar.gz", batches(), link=True))
    whole = as_tar(tmp_path / "whole.tar.gz", batches()).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated or damaged"):
        pictures.prepare_cifar10(tmp_path / "cut.tar.gz")


def class_folders(each=3):
    return {
        f"{part}/{name}/{number:04}.jpg": encoded(number, size=(32, 32))
        for part in ("train", "test")
        for name in CIFAR10_CLASSES
        for number in range(each)
    }


def test_class_folders_give_alphabetical_labels_and_corrupt_pictures_are_named(tmp_path):
    files = class_folders() | {"train/ship/0001.jpg": b"", "readme.txt": b"about"}
    source = as_zip(tmp_path / "cifar10.zip", files)
    arrays, report = pictures.prepare_cifar10(source, validation=10)
    assert report["left out"] == {"train/ship/0001.jpg": "empty file"}
    assert report["counts"] == {"train": 19, "validation": 10, "test": 30}
    assert np.bincount(arrays["test_y"]).tolist() == [3] * 10


def test_a_slice_of_the_test_part_of_class_folders_holds_many_classes(tmp_path):
    different = {
        f"test/{name}/{number:04}.jpg": encoded(10 * label + number, size=(32, 32))
        for label, name in enumerate(CIFAR10_CLASSES)
        for number in range(3)
    }
    source = as_zip(tmp_path / "cifar10.zip", class_folders() | different)
    arrays, _ = pictures.prepare_cifar10(source, validation=10)
    assert len(set(arrays["test_y"][:15])) > 5  # class by class, fifteen would be of five
    labels = {
        pictures.pixels(content, 32).tobytes(): CIFAR10_CLASSES.index(name.split("/")[1])
        for name, content in different.items()
    }
    assert [labels[image.tobytes()] for image in arrays["test_x"]] == arrays["test_y"].tolist()


def test_a_missing_class_and_an_impossible_validation_are_refused(tmp_path):
    files = {name: c for name, c in class_folders().items() if "train/frog" not in name}
    with pytest.raises(DataError, match="no readable picture in train/frog"):
        pictures.prepare_cifar10(as_zip(tmp_path / "cifar10.zip", files), validation=10)
    whole = as_zip(tmp_path / "whole.zip", class_folders())
    with pytest.raises(ValueError, match="only 3 to train on"):
        pictures.prepare_cifar10(whole, validation=30)
    with pytest.raises(ValueError, match="multiple of ten"):
        pictures.prepare_cifar10(whole, validation=5)
