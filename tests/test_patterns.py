"""The full-size gallery of patterns: drawn, kept, read and shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from course import results
from course.book import context, pages, patterns
from course.errors import CourseError
from helpers import pretrained


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    return tmp_path / "gallery"


def test_without_a_gallery_the_page_has_its_pictures_alone(folder: Path) -> None:
    assert patterns.read() is None
    assert "What channels like best" not in pages.gallery_page(context.Context((), ()))


def test_patterns_stand_above_the_patches_of_their_channels() -> None:
    drawn = np.stack([np.full((8, 8, 3), shade, float) for shade in (-20, 100, 300)])
    cut = np.stack([np.full((4, 4, 3), shade, np.uint8) for shade in (10, 20, 30)])
    sheet = np.asarray(patterns.mosaic(drawn, cut))
    assert sheet.shape == (20, 32, 3)
    assert [sheet[4, column, 0] for column in (4, 16, 28)] == [0, 100, 255]
    assert [sheet[16, column, 0] for column in (4, 16, 28)] == [10, 20, 30]
    assert sheet[9, 4, 0] == sheet[4, 9, 0] == patterns.GRAY
    twice = patterns.mosaic(np.zeros((12, 8, 8, 3)), np.zeros((12, 4, 4, 3), np.uint8))
    assert twice.size == (6 * 12 - 4, 4 * 12 - 4)


def test_a_gallery_is_drawn_kept_and_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = pretrained.BASES["efficientnet_lite0"]
    few = replace(entry, patterns=entry.patterns[:2])
    monkeypatch.setitem(pretrained.BASES, "efficientnet_lite0", few)
    assert patterns.draw(channels=2, steps=2, profile="sample") == folder
    found = patterns.read()
    assert found is not None
    [strip] = found.strips
    assert (found.steps, strip.layer) == (2, entry.patterns[1])
    assert (folder / strip.file).read_bytes()[:2] == b"\xff\xd8"
    page = pages.gallery_page(context.Context((), ()))
    assert f'<img src="_static/gallery/{strip.file}" alt="Patterns that excite' in page
    assert "sample: drawn cats and dogs" in page


def test_a_damaged_table_is_one_sentence(folder: Path) -> None:
    folder.mkdir()
    for text in ("strip = 3", 'base = "a"\n[[strip]]\nfile = "1.jpg"', "= 3"):
        (folder / "gallery.toml").write_text(text, encoding="utf-8")
        with pytest.raises(CourseError, match="draw it again with `course book gallery`"):
            patterns.read()
