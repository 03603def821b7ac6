"""``course predict`` on photographs of every kind, with small real classifiers, in this process."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from course import cli, contact_sheet, predict
from helpers import pictures, pretrained
from helpers.backend import keras
from tests.conftest import Answer

layers = keras.layers
NAMES = ["red above", "red below"]
RED, BLUE = (230, 20, 30), (20, 40, 220)
ORIENTATION = 274  # of EXIF


def save(path: Path, outputs: int = 2, names: object = NAMES, **changes: object) -> Path:
    """A classifier that says whether the upper half of a picture is the redder one."""
    taken = {"shape": (None, None, 3), "dtype": "uint8", **changes}
    pictures = keras.Input(**taken)
    x = layers.Resizing(2, 2, antialias=True)(pictures)
    x = layers.Flatten()(layers.Rescaling(1 / 255)(x))
    dense = layers.Dense(outputs, activation="softmax")
    model = keras.Model(pictures, dense(x))
    kernel = np.zeros((2, 2, 3, outputs))
    kernel[0, :, 0, 0] = kernel[1, :, 0, 1] = 3
    dense.set_weights([kernel.reshape(12, outputs), np.zeros(outputs)])
    model.save(path)
    if names is not None:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("classes.json", json.dumps(names))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model") / "red.keras")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    made = tmp_path / "Meine Fotos für Käthe"
    made.mkdir()
    return made


@pytest.fixture
def course(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def run(*words: object) -> Answer:
        capsys.readouterr()
        status = cli.main(["predict", *map(str, words)])
        return Answer(status, *capsys.readouterr())

    return run


def picture(width: int = 60, height: int = 90, above: bool = True) -> Image.Image:
    """A picture that is red in its upper or lower half and blue in the other."""
    made = Image.new("RGB", (width, height), BLUE)
    made.paste(RED, (0, 0 if above else height // 2, width, height // 2 if above else height))
    return made


def row(answer: Answer, name: str) -> list[str]:
    """The cells of the table's row of one photograph."""
    [line] = [line for line in answer.stdout.splitlines() if line.startswith(name)]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def close(image: Image.Image, where: tuple[int, int], color: tuple[int, int, int]) -> bool:
    return max(abs(a - b) for a, b in zip(image.getpixel(where), color, strict=True)) < 40


def test_photographs_are_classified_listed_and_drawn(
    model: Path, folder: Path, course: Callable[..., Answer]
) -> None:
    picture(240, 360).save(folder / "a.jpg")
    picture(1200, 300, above=False).save(folder / "ü b.PNG")
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    (folder / "._a.jpg").write_bytes(b"what a Mac leaves on a stick")
    answer = course(model, folder)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines()[0].split() == [
        "photograph",
        "class",
        *" ".join(NAMES).split(),
    ]
    _, said, first, second = row(answer, "a.jpg")
    assert said == "red above"
    assert float(first.removesuffix(" %")) + float(second.removesuffix(" %")) == pytest.approx(100)
    assert float(first.removesuffix(" %")) > 90
    assert row(answer, "ü b.PNG")[1] == "red below"
    assert answer.stdout.splitlines()[-1].endswith("predicted-Meine Fotos für Käthe.png")
    with Image.open("predicted-Meine Fotos für Käthe.png") as sheet:
        tile = contact_sheet.TILE
        assert sheet.width == 2 * tile + 3 * contact_sheet.GAP
        assert close(sheet, (contact_sheet.GAP + tile // 2, contact_sheet.GAP + tile // 4), RED)
        assert close(sheet, (contact_sheet.GAP + tile // 2, contact_sheet.GAP + tile - 20), BLUE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_as_their_camera_was(folder: Path, orientation: int) -> None:
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = picture()
    upright.paste((240, 240, 240), (0, 0, 20, 20))  # the corner tells a mirrored picture
    stored = upright.transpose(turned[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(folder / "photo.jpg", exif=exif, quality=95)
    read = predict.read_photograph(folder / "photo.jpg")
    assert read.size == (60, 90)
    assert close(read, (8, 8), (240, 240, 240))
    assert close(read, (45, 20), RED)
    assert close(read, (45, 70), BLUE)


def gray16(*_: object) -> Image.Image:
    levels = np.full((90, 60), 257 * 40, np.uint16)
    levels[:45] = 257 * 200
    return Image.fromarray(levels)


def transparent(image: Image.Image) -> Image.Image:
    clear = image.convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 60, 45))
    return clear


def palette(image: Image.Image) -> Image.Image:
    return image.quantize(4)


@pytest.mark.parametrize(
    ("file", "made", "above", "below"),
    [
        ("cmyk.jpg", lambda image: image.convert("CMYK"), RED, BLUE),
        ("palette.png", palette, RED, BLUE),
        ("palette.gif", palette, RED, BLUE),
        ("gray.jpg", lambda image: image.convert("L"), (84,) * 3, (55,) * 3),
        ("gray16.png", gray16, (200,) * 3, (40,) * 3),
        ("gray16.tiff", gray16, (200,) * 3, (40,) * 3),
        (
            "bits.png",
            lambda image: image.convert("L").point(lambda v: v > 70, "1"),
            (255,) * 3,
            (0,) * 3,
        ),
        ("clear.png", transparent, (255,) * 3, BLUE),
        ("clear-palette.png", lambda image: transparent(image).quantize(4), (255,) * 3, BLUE),
        ("clear.webp", transparent, (255,) * 3, BLUE),
        ("gray-clear.png", lambda image: transparent(image).convert("LA"), (255,) * 3, (55,) * 3),
        ("lab.tif", lambda image: image.convert("YCbCr"), RED, BLUE),
    ],
)
def test_every_kind_of_picture_becomes_rgb(
    folder: Path,
    file: str,
    made: Callable[[Image.Image], Image.Image],
    above: tuple[int, int, int],
    below: tuple[int, int, int],
) -> None:
    made(picture()).save(folder / file)
    read = predict.read_photograph(folder / file)
    assert (read.mode, read.size) == ("RGB", (60, 90))
    assert close(read, (30, 20), above), read.getpixel((30, 20))
    assert close(read, (30, 70), below), read.getpixel((30, 70))


def test_a_large_photograph_is_shrunk_before_the_model_sees_it(folder: Path) -> None:
    picture(6000, 4000).save(folder / "large.jpg")
    assert predict.read_photograph(folder / "large.jpg").size == (1200, 800)


def test_unreadable_pictures_are_named_and_the_others_classified(
    model: Path, folder: Path, course: Callable[..., Answer]
) -> None:
    picture(600, 900).save(folder / "good.jpg")
    whole = (folder / "good.jpg").read_bytes()
    (folder / "cut off.jpg").write_bytes(whole[:-500])
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no picture", encoding="utf-8")
    (folder / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    Image.new("F", (9, 9)).save(folder / "heights.tiff")
    answer = course(model, folder)
    assert answer.returncode == 1
    assert row(answer, "good.jpg")[1] == "red above"
    assert [line.partition(folder.name)[2][1:] for line in answer.stderr.splitlines()[:-1]] == [
        "cut off.jpg was skipped: truncated or corrupt",
        "empty.png was skipped: empty file",
        "heights.tiff was skipped: numbers without a known range instead of colors",
        "phone.HEIC was skipped: a HEIC file, which must be exported as JPEG first",
        "text.jpg was skipped: not a picture",
    ]
    assert answer.stderr.endswith("course: 5 files of 6 could not be read\n")
    (folder / "good.jpg").unlink()
    answer = course(model, folder)
    assert answer.returncode == 2
    assert answer.stderr.endswith(f"course: None of the 5 files in {folder} could be read.\n")


def test_a_large_photograph_is_looked_at_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("RGB", (40, 40)).save(tmp_path / "large.png")
    assert not contact_sheet.is_sheet(tmp_path / "large.png")
    assert [str(warning.message) for warning in recwarn] == []


def test_a_sheet_replaces_an_earlier_sheet_and_nothing_else(
    model: Path, folder: Path, course: Callable[..., Answer]
) -> None:
    picture().save(folder / "a.png")
    sheet = folder / "sheet.png"
    assert course(model, folder, "--sheet", sheet).returncode == 0
    first = sheet.read_bytes()
    picture().save(folder / "b.png")
    answer = course(model, folder, "--sheet", sheet)
    assert answer.returncode == 0 and sheet.read_bytes() != first
    assert "sheet.png  " not in answer.stdout  # it lies among the photographs and is none
    before = (folder / "a.png").read_bytes()
    answer = course(model, folder, "--sheet", folder / "a.png")
    assert answer.returncode == 2
    assert "a.png exists and isn't a contact sheet made by this command" in answer.stderr
    assert (folder / "a.png").read_bytes() == before
    for wrong, sentence in (
        ("sheet.jpg", "The contact sheet must be a PNG file: end the name sheet.jpg in .png."),
        (Path("nowhere") / "sheet.png", "There is no folder nowhere for the contact sheet."),
    ):
        answer = course(model, folder, "--sheet", wrong)
        assert answer.returncode == 2 and sentence in answer.stderr


def test_folders_without_photographs_are_answered_in_one_sentence(
    model: Path, folder: Path, course: Callable[..., Answer]
) -> None:
    answer = course(model, folder)
    assert answer.returncode == 2
    assert f"There are no photographs in {folder}: expected files such as" in answer.stderr
    (folder / "2026").mkdir()
    picture().save(folder / "2026" / "a.jpg")
    assert f"; the folder {folder / '2026'} has some." in course(model, folder).stderr
    assert "is a file: give the folder" in course(model, folder / "2026" / "a.jpg").stderr
    assert f"There is no folder {folder / '2027'}." in course(model, folder / "2027").stderr


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "There is no file"),
        (lambda path: path.mkdir(), "is a folder, so it isn't a classifier"),
        (lambda path: path.write_bytes(b"\x89HDF"), "is not a whole .keras file"),
        (lambda path: save(path, names=None), "doesn't name its classes (it has no classes.json)"),
        (lambda path: save(path, names="cat"), "classes.json that isn't a list of two or more"),
        (lambda path: save(path, names=["cat", "dog", "cow"]), "for 3 probabilities"),
        (lambda path: save(path, dtype="float32"), "and takes float32, not one uint8 RGB picture"),
        (lambda path: save(path, shape=(64, 64, 3)), "shapes (None, 64, 64, 3), (None, 2)"),
    ],
)
def test_a_model_of_another_kind_is_one_sentence(
    tmp_path: Path,
    folder: Path,
    course: Callable[..., Answer],
    make: Callable[[Path], object],
    sentence: str,
) -> None:
    picture().save(folder / "a.jpg")
    path = tmp_path / "other.keras"
    make(path)
    answer = course(path, folder)
    assert answer.returncode == 2
    assert answer.stderr.startswith("course: ") and answer.stderr.count("\n") == 1
    assert sentence in answer.stderr
    assert not list(Path().iterdir())


def test_a_damaged_model_is_one_sentence(
    model: Path, tmp_path: Path, folder: Path, course: Callable[..., Answer]
) -> None:
    picture().save(folder / "a.jpg")
    damaged = tmp_path / "damaged.keras"
    with zipfile.ZipFile(model) as whole, zipfile.ZipFile(damaged, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("classes.json", whole.read("classes.json"))
    answer = course(damaged, folder)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "cannot be loaded as a Keras model" in answer.stderr


@pytest.mark.parametrize("name", pretrained.BASES)
def test_a_classifier_on_any_base_can_be_taken_home(
    tmp_path: Path, folder: Path, course: Callable[..., Answer], name: str
) -> None:
    pictures = keras.Input((None, None, 3), dtype="uint8")
    x = layers.Resizing(64, 64, antialias=True)(pictures)
    x = layers.GlobalAveragePooling2D()(pretrained.load(name, 64, weights="random")(x))
    path = tmp_path / f"{name}.keras"
    keras.Model(pictures, layers.Dense(2, activation="softmax")(x)).save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("classes.json", '["cat", "dog"]')
    picture().save(folder / "a.jpg")
    answer = course(path, folder)
    assert answer.returncode == 0, answer.stderr
    assert row(answer, "a.jpg")[1] in ("cat", "dog")


def test_names_are_printed_and_drawn_whatever_they_hold(
    model: Path, folder: Path, course: Callable[..., Answer]
) -> None:
    names = ["$a^2$ & <b>.jpg", "猫と犬.jpg", "a\nb.jpg", f"{'long ' * 40}.jpg"]
    for name in names if sys.platform != "win32" else names[1::2]:
        picture().save(folder / name)
    answer = course(model, folder)
    assert answer.returncode == 0
    assert "猫と犬.jpg" in answer.stdout
    assert "a\\nb.jpg" in answer.stdout or sys.platform == "win32"


def test_a_sheet_has_each_photograph_in_its_place_with_its_caption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts: list[tuple[tuple[float, float], str, str]] = []

    def note(pen: object, where: tuple[float, float], text: str, *_: object, anchor: str) -> None:
        texts.append((where, text, anchor))

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    sizes = [(176, 88), (88, 176), *[(100, 100)] * 6]
    answers = [
        contact_sheet.Answer(
            f"{number}\n.jpg",
            np.array([0.25, 0.75] if number % 2 else [0.9, 0.1]),
            Image.new("RGB", size, (20 * number, 0, 255)),
        )
        for number, size in enumerate(sizes)
    ]
    sheet = contact_sheet.draw(answers, ["cat", "dog"])
    assert sheet.size == (6 * 188 + 12, 2 * 224 + 12)
    corners = [(12 + 188 * (number % 6), 12 + 224 * (number // 6)) for number in range(8)]
    for number, ((left, top), (wide, high)) in enumerate(zip(corners, sizes, strict=True)):
        x, y = left + (176 - wide) // 2, top + (176 - high) // 2
        color = (20 * number, 0, 255)
        assert sheet.crop((x, y, x + wide, y + high)).getcolors() == [(wide * high, color)]
        assert sheet.getpixel((x - 1, y)) == sheet.getpixel((x, y - 1)) == (255, 255, 255)
    assert texts == [
        line
        for number, (left, top) in enumerate(corners)
        for line in (
            ((left + 88, top + 185), "dog 75.0 %" if number % 2 else "cat 90.0 %", "mm"),
            ((left + 88, top + 203), f"{number}\\n.jpg", "mm"),
        )
    ]


def test_a_long_caption_fits_its_tile_and_keeps_both_ends() -> None:
    font = contact_sheet._font(13)
    short = contact_sheet._fitted(f"IMG{'m' * 60}.jpeg", font)
    assert short.startswith("IMG") and short.endswith(".jpeg") and short.count("…") == 1
    assert 150 < font.getlength(short) <= contact_sheet.TILE
    assert contact_sheet._fitted("short.jpg", font) == "short.jpg"


def test_photographs_are_known_by_their_suffix(folder: Path) -> None:
    suffixes = "JPEG avif bmp gif heic heif jfif jpg png tif tiff webp".split()
    for suffix in (*suffixes, "svg", "txt", "jpg~"):
        (folder / f"a.{suffix}").touch()
    (folder / "folder.jpg").mkdir()
    assert [path.name for path in predict.photographs(folder)] == [f"a.{s}" for s in suffixes]


def test_a_file_larger_than_any_photograph_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture().save(folder / "a.png")
    size = (folder / "a.png").stat().st_size
    monkeypatch.setattr(pictures, "LARGEST_FILE", size)
    assert predict.read_photograph(folder / "a.png").size == (60, 90)
    monkeypatch.setattr(pictures, "LARGEST_FILE", size - 1)
    with pytest.raises(ValueError, match="larger than 0 MB"):
        predict.read_photograph(folder / "a.png")
    monkeypatch.undo()
    with (folder / "a.png").open("r+b") as file:
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(ValueError, match="larger than 64 MB"):
        predict.read_photograph(folder / "a.png")


def test_probabilities_never_read_as_certain() -> None:
    assert [contact_sheet.percent(p) for p in (1.0, 0.9996, 0.9994, 0.5, 0.0)] == [
        "> 99.9 %",
        "> 99.9 %",
        "99.9 %",
        "50.0 %",
        "< 0.1 %",
    ]


def test_a_fresh_process_does_the_same(model: Path, folder: Path, tmp_path: Path) -> None:
    picture(above=False).save(folder / "a.jpg")
    shutil.copy(model, tmp_path / "copy of a model.keras")
    answer = subprocess.run(
        [sys.executable, "-m", "course", "predict", tmp_path / "copy of a model.keras", folder],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stderr
    assert "red below" in answer.stdout
    assert (tmp_path / f"predicted-{folder.name}.png").is_file()
