"""Pictures with sliders: still for Papermill, moving in a kernel that JupyterLab started."""

import sys
from typing import Any

import matplotlib.pyplot as plt
import nbclient
import nbformat
import pytest
from matplotlib.figure import Figure

from helpers import sliders
from tests.support import SLIDER


def draw(size: int = 3) -> tuple[Figure, str]:
    return plt.figure(), f"A kernel of {size} by {size}."


def executed() -> list[nbformat.NotebookNode]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLIDER)])
    nbclient.execute(notebook, timeout=120)
    return notebook.cells[0].outputs


def test_without_jupyterlab_the_picture_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sliders.LAB, raising=False)
    (picture,) = executed()
    assert picture.metadata["image/png"]["alt"] == "A kernel of 3 by 3."


def test_in_jupyterlab_a_slider_stands_above_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sliders.LAB, "notebooks/01_convnet_basics.ipynb")
    slider, picture = executed()
    assert "application/vnd.jupyter.widget-view+json" in slider.data
    assert picture.data["text/plain"] == "A kernel of 3 by 3."


def test_a_slider_keeps_what_names_stood_for_when_it_was_made() -> None:
    notebook: dict[str, Any] = {"__builtins__": __builtins__}
    exec(
        "seven, models, twice = 7, {'linear': 1}, lambda x: 2 * x\n"
        "def helper(x):\n    return twice(x) + seven\n"
        "def drawn(size=3, *, more=0):\n    return [helper(size) + more for _ in models]",
        notebook,
    )
    kept = sliders._kept(notebook["drawn"])
    assert kept(4, more=1) == [16]
    exec("seven = helper = twice = None\nmodels['dense'] = 2", notebook)
    assert kept() == [13]
    with pytest.raises(TypeError):
        notebook["drawn"]()


def test_without_ipywidgets_the_picture_stands_still(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(sliders.LAB, "notebooks/01_convnet_basics.ipynb")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    sliders.explore(draw, size=[3, 5, 7])
    assert capsys.readouterr().out == "A kernel of 3 by 3.\n"


@pytest.mark.parametrize("choices", [{}, {"size": [5, 7]}])
def test_a_slider_without_its_default_is_refused(choices: dict[str, list[int]]) -> None:
    with pytest.raises(ValueError, match="The slider of size must offer its default, 3, but"):
        sliders.explore(draw, **choices)
