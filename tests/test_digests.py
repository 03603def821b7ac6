from pathlib import Path

import nbformat
import pytest

from course.errors import CourseError
from course.notebooks import digests
from helpers.places import ROOT


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder of helper modules, in place of the course's own."""
    folder = tmp_path / "src" / "helpers"
    (folder / "drawings").mkdir(parents=True)
    files = {
        "__init__": "",
        "plots": "def show(): ...",
        "datasets": "from . import plots\n\ndef load(name): ...",
        "digits": "def prepare(): ...",
        "pictures": "from helpers import shapes\n\ndef prepare(): ...",
        "drawing": "from helpers import shapes",
        "shapes": "SIDES = 3",
        "reviews": "",
        "drawings/__init__": "from .cats import draw",
        "drawings/cats": "from ..shapes import SIDES\nfrom . import ears\n\ndef draw(): ...",
        "drawings/ears": "",
        "drawings/dogs": "",
    }
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(digests, "ROOT", tmp_path)
    return folder


def used(source: str, *data: str) -> set[str]:
    found = digests.helper_modules([source], data)
    return {name.removeprefix("helpers.") for name in found} - {"helpers"}


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import helpers.shapes", {"shapes"}),
        ("import helpers.shapes as s", {"shapes"}),
        ("from helpers import shapes as s", {"shapes"}),
        ("from helpers.shapes import SIDES as sides", {"shapes"}),
        ("from helpers import (\n    plots,\n    shapes,\n)", {"plots", "shapes"}),
        ("def later():\n    from helpers import shapes", {"shapes"}),
        ('import importlib\nimportlib.import_module("helpers.shapes")', {"shapes"}),
        ("from helpers import datasets", {"datasets", "plots"}),
        ("from helpers import drawings", {"drawings", "drawings.cats", "drawings.ears", "shapes"}),
        (
            "from helpers.drawings import dogs",
            {"drawings", "drawings.cats", "drawings.ears", "drawings.dogs", "shapes"},
        ),
        ("import numpy\nfrom os.path import join", set()),
        ('"""Tell about helpers.shapes."""\nhelper = "helpers/../shapes"', set()),
    ],
)
def test_every_way_of_importing_helpers_is_followed(
    helpers: Path, source: str, modules: set[str]
) -> None:
    assert used(source) == modules


@pytest.mark.parametrize(
    "source",
    [
        'from helpers import datasets\ndatasets.load("mnist", "quick")',
        'from helpers import datasets as d\nd.load("mnist", "quick")',
        'from helpers.datasets import load\nload("mnist", "quick")',
        'from helpers.datasets import load as fetch\nfetch("mnist", "quick")',
        'import helpers.datasets\nhelpers.datasets.load("mnist", "quick")',
        'from helpers import datasets\nname = "mnist"\ndatasets.load(name, "quick")',
    ],
)
def test_modules_that_prepare_a_named_data_set_count(helpers: Path, source: str) -> None:
    assert "digits" in used(source)
    assert "pictures" not in used(source)


def test_modules_that_prepare_listed_data_sets_count_whatever_the_call(helpers: Path) -> None:
    source = "from helpers.datasets import load\nfor name in names: load(name)"
    assert used(source, "cifar10", "mnist") >= {"digits", "pictures", "drawing", "shapes"}


def test_the_modules_that_really_prepare_mnist_count() -> None:
    used = digests.helper_modules(['from helpers import datasets\ndatasets.load("mnist")'], [])
    assert {"helpers.datasets", "helpers.digits", "helpers.places"} <= used.keys()
    assert "helpers.pictures" not in used


CELL = "from helpers import plots\n\n\ndef side():\n    return 3"


def changed(before: str, after: str) -> set[str]:
    old, new = digests.code_digests([before], []), digests.code_digests([after], [])
    return {key for key in old if old[key] != new[key]}


def test_comments_docstrings_and_layout_of_cells_count_for_nothing(helpers: Path) -> None:
    documented = CELL.replace("    return", '    """Return it."""\n\n    # three\n    return')
    assert changed(CELL, documented.replace("3", "(\n        3\n    )")) == set()
    assert changed(CELL, CELL.replace("3", "4")) == {"cells"}


def test_docstrings_of_helpers_count_for_nothing_but_their_code_counts(helpers: Path) -> None:
    before = digests.code_digests([CELL], [])
    module = helpers / "plots.py"
    module.write_text('"""Plots."""\n\n\ndef show():\n    """Show."""\n    ...', encoding="utf-8")
    assert digests.code_digests([CELL], []) == before
    module.write_text("def show(): return 1", encoding="utf-8")
    after = digests.code_digests([CELL], [])
    assert after["helpers"] != before["helpers"]
    assert after["cells"] == before["cells"]


def test_helpers_that_nothing_imports_do_not_count(helpers: Path) -> None:
    before = digests.code_digests([CELL], [])
    (helpers / "shapes.py").write_text("SIDES = 4", encoding="utf-8")
    assert digests.code_digests([CELL], []) == before


def test_a_magic_gets_a_sentence() -> None:
    with pytest.raises(CourseError, match='the line "%time" of a code cell isn\'t valid Python'):
        digests.code_digests(["%time"], [])


def test_one_digit_of_an_output_changes_the_digest_of_outputs() -> None:
    notebook = nbformat.read(ROOT / "notebooks" / "01_convnet_basics.ipynb", as_version=4)
    before = digests.outputs_digest(notebook)
    cell = next(cell for cell in notebook.cells if cell.get("outputs"))
    cell.outputs[0]["edited"] = 1
    assert digests.outputs_digest(notebook) != before


def test_a_helper_with_a_syntax_error_is_named(helpers: Path) -> None:
    (helpers / "shapes.py").write_text("SIDES = 3\nSIDES = = 4\n", encoding="utf-8")
    with pytest.raises(CourseError, match=r"^src/helpers/shapes\.py isn't valid.*, line 2\.$"):
        used("import helpers.drawing")


SHOWN = """\
figure = draw()
plots.show(
    figure,
    "Eine Linie, "
    "die fällt.",
)  # the loss"""


def test_an_alt_text_of_a_cell_counts_for_nothing() -> None:
    assert changed(SHOWN, SHOWN.replace("die fällt", "die steigt")) == set()
    assert changed(SHOWN, 'figure = draw()\nplots.show(figure, "Another")') == set()
    assert changed(SHOWN, SHOWN.replace("draw()", "draw(2)")) == {"cells"}
    assert changed(SHOWN, SHOWN.replace("figure,", "other,")) == {"cells"}


@pytest.mark.parametrize(
    "code",
    [
        'plots.show(figure, f"A line to {lowest}.")',
        'plots.show(figure, text := "A line.")',
        'for figure in figures:\n    plots.show(figure, "A line.")',
        'def show():\n    plots.show(figure, "A line.")',
        'other.show(figure, "A line.")',
        'plots.show(figure, "A line.", "A line.")',
    ],
)
def test_an_alt_text_that_is_put_together_or_repeated_is_code(code: str) -> None:
    assert changed(code, code.replace("A line", "A curve")) == {"cells"}
