"""Pairs of .py and .ipynb, what is checked in them, and numbers in prose: all in this process."""

import base64
import dataclasses
import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from course import catalogue, cli, prose, results
from course.book import context
from course.errors import CourseError
from course.notebooks import check, commands, kernel, living, pairing
from course.notebooks.files import code_cells, read_notebook
from helpers import places
from helpers.records import MIME_TYPE
from tests.conftest import CHAPTER, HEADER, ROOT, TABLE

PROSE = """\
# %% [markdown]
# It reads 90.0 %<!-- little.test_accuracy --> right, which is
# *more than half*.<!-- little.test_accuracy > 0.5 -->
#
# * It took three<!-- little.steps --> steps.
"""
RECORDS = {
    'record("little.test_accuracy"': {"name": "little.test_accuracy", "value": 0.9, "unit": ""},
    'record("little.steps"': {"name": "little.steps", "value": 3, "unit": "count"},
}
WITH_PROSE = CHAPTER + '\n# %%\nrecord("little.steps", steps, "count")\n\n' + PROSE


class Pair:
    """A course of one chapter whose notebook is stored without a kernel."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "notebooks" / "01_little.py"
        self.notebook = root / "notebooks" / "01_little.ipynb"

    @property
    def chapter(self) -> catalogue.Chapter:
        return catalogue.chapters()["01"]

    def write(self, body: str) -> None:
        self.source.write_text(HEADER + body, encoding="utf-8")

    def store(self, body: str, change: Callable[[NotebookNode], None] = lambda done: None) -> None:
        """Write a chapter and store what its cells would leave."""
        self.write(body)
        executed = pairing.described(self.chapter)
        code = [cell for cell in executed.cells if cell.cell_type == "code"]
        for number, cell in enumerate(code, 1):
            cell.execution_count = number
            if "print(" in cell.source:
                cell.outputs.append(nbformat.v4.new_output("stream", text="a third is 0.333\n"))
            for begin, body in RECORDS.items():
                if begin in cell.source:
                    data = {MIME_TYPE: dict(body)}
                    cell.outputs.append(nbformat.v4.new_output("display_data", data))
        change(executed)
        pairing.store(self.chapter, executed)

    def edit(self, change: Callable[[NotebookNode], object]) -> None:
        notebook = nbformat.read(self.notebook, as_version=4)
        change(notebook)
        nbformat.write(notebook, self.notebook)

    def mutate(self, name: str, by: float) -> None:
        """Change a stored record as a run with another result would."""

        def change(notebook: NotebookNode) -> None:
            for cell in notebook.cells:
                for output in cell.get("outputs", []):
                    body = output.get("data", {}).get(MIME_TYPE, {})
                    if body.get("name") == name:
                        body["value"] += by

        self.edit(change)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    catalogue.defaults.cache_clear()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "notebooks" / "course.toml").write_text(TABLE, encoding="utf-8")
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(living, "ROOT", tmp_path)
    monkeypatch.setattr(commands, "ROOT", tmp_path)
    monkeypatch.setattr(catalogue, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    (tmp_path / "data").mkdir()
    entry = '[[term]]\nname = "step"\ntext = "A step."\n'
    (tmp_path / "data" / "glossary.toml").write_text(entry, encoding="utf-8")
    yield Pair(tmp_path)
    catalogue.defaults.cache_clear()


@pytest.fixture
def stored(pair: Pair) -> Pair:
    pair.store(CHAPTER)
    return pair


@pytest.fixture
def course(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line here: its exit code, and everything that it wrote."""

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = cli.main(list(words))
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


Course = Callable[..., tuple[int, str]]


def test_a_stored_run_passes_the_check(stored: Pair, course: Course) -> None:
    assert course("check") == (
        0,
        "1 chapter: pairs in sync, outputs of the present code, prose true\n",
    )


def test_syncing_or_storing_twice_changes_nothing(stored: Pair, course: Course) -> None:
    before = stored.notebook.read_bytes(), stored.source.read_bytes()
    stored.store(CHAPTER)
    assert (stored.notebook.read_bytes(), stored.source.read_bytes()) == before
    assert course("sync") == (0, "notebooks/01_little.ipynb: all outputs hold\n")
    assert (stored.notebook.read_bytes(), stored.source.read_bytes()) == before


def test_a_run_of_other_source_is_not_stored(stored: Pair) -> None:
    executed = pairing.described(stored.chapter)
    before = stored.notebook.read_bytes()
    stored.write(CHAPTER.replace("2 + 2", "2 + 3"))
    with pytest.raises(CourseError, match="changed while it ran"):
        pairing.store(stored.chapter, executed)
    assert stored.notebook.read_bytes() == before


def test_a_comment_that_was_written_during_a_run_keeps_nothing_from_being_stored(
    stored: Pair,
) -> None:
    executed = read_notebook(stored.notebook)
    stored.write(CHAPTER.replace('print("the end")', 'print("the end")  # at last'))
    pairing.store(stored.chapter, executed)
    assert "# at last" in stored.notebook.read_text(encoding="utf-8")


def test_code_saved_to_both_files_without_running_did_not_make_the_outputs(
    stored: Pair, course: Course
) -> None:
    stored.write(CHAPTER.replace("2 + 2", "2 + 3"))
    stored.edit(lambda nb: [c.update(source=c.source.replace("2 + 2", "2 + 3")) for c in nb.cells])
    for _ in range(2):
        status, said = course("check")
        assert status == 1
        assert "made by different code" in said
        course("sync")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda nb: nb.cells[0].update(source="# Another title"), "cell 0 differs"),
        (lambda nb: nb.cells.pop(), "cell 5 isn't in notebooks/01_little.ipynb"),
        (lambda nb: nb.cells[3].outputs[0].update(text="a third is 0.334\n"), "changed by hand"),
        (lambda nb: nb.cells[3].update(source="1 + 1"), "made by different code"),
        (lambda nb: nb.cells[-1].update(source="%time"), 'the line "%time" of a code cell'),
        (lambda nb: nb.cells[0].metadata.update(collapsed=True), "its metadata has collapsed"),
        (lambda nb: nb.cells[2].metadata.pop("jupyter"), "cell 2 differs"),
        (lambda nb: nb.metadata.update(widgets={}), "its metadata has widgets"),
        (lambda nb: nb.cells[-1].update(execution_count=None), "cell 5: never executed"),
    ],
)
def test_every_edit_of_the_notebook_alone_is_found(
    stored: Pair, course: Course, change: Callable[[NotebookNode], object], said: str
) -> None:
    stored.edit(change)
    status, output = course("check")
    assert status == 1
    assert said in output


def test_an_edit_of_the_py_alone_is_found(stored: Pair, course: Course) -> None:
    stored.write(CHAPTER.replace("2 + 2", "2 + 3"))
    status, said = course("check")
    assert status == 1
    assert "cell 3 differs" in said
    assert "2 + 3" in said


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"nbformat": 4, "nbformat_minor": 5}'])
def test_a_broken_notebook_gets_one_sentence(stored: Pair, course: Course, text: str) -> None:
    stored.notebook.write_text(text, encoding="utf-8")
    status, said = course("check")
    assert status == 2
    assert "course: notebooks/01_little.ipynb isn't a valid notebook: " in said
    assert said.count("\n") == 1


def test_comments_and_prose_keep_all_outputs(stored: Pair, course: Course) -> None:
    stored.write(
        CHAPTER.replace("It counts", "It still counts").replace("2 + 2)", "2 + 2)  # four")
    )
    assert course("sync") == (0, "notebooks/01_little.ipynb: all outputs hold\n")
    assert course("check")[0] == 0


DRAWN = CHAPTER + '\n# %%\nplots.show(figure, "A line that rises.")\n'


def drawn(executed: NotebookNode) -> None:
    """Add what ``plots.show`` leaves below the last cell."""
    alt = "A line that rises."
    svg = f'<svg role="img"><title>{alt}</title><path/></svg>'
    data = {"image/svg+xml": svg, "image/png": "iVBORw0KGgo=", "text/plain": alt}
    about = {kind: {"alt": alt} for kind in data if kind != "text/plain"}
    output = nbformat.v4.new_output("display_data", data, metadata=about)
    executed.cells[-1].outputs.append(output)


def test_an_alt_text_is_corrected_without_a_run(pair: Pair, course: Course) -> None:
    pair.store(DRAWN, drawn)
    assert course("check")[0] == 0
    pair.write(DRAWN.replace("rises", "falls & rises"))
    assert course("sync")[0] == 0
    assert course("check") == (
        0,
        "1 chapter: pairs in sync, outputs of the present code, prose true\n",
    )
    output = read_notebook(pair.notebook).cells[-1].outputs[0]
    assert output.data["text/plain"] == "A line that falls & rises."
    assert {about["alt"] for about in output.metadata.values()} == {"A line that falls & rises."}
    assert "<title>A line that falls &amp; rises.</title><path/>" in output.data["image/svg+xml"]


def test_an_alt_text_saved_by_jupyterlab_reaches_the_picture(pair: Pair, course: Course) -> None:
    """Saving writes the code to both files, and leaves the outputs as they are."""
    pair.store(DRAWN, drawn)
    pair.write(DRAWN.replace("rises", "falls"))

    def save(notebook: NotebookNode) -> None:
        notebook.cells[-1].source = notebook.cells[-1].source.replace("rises", "falls")

    pair.edit(save)
    status, said = course("check")
    assert status == 1
    assert "its picture has an older alt text than the code; run `course sync`" in said
    assert course("sync")[0] == 0
    assert course("check")[0] == 0


def test_a_new_alt_text_vouches_for_no_picture_changed_by_hand(pair: Pair, course: Course) -> None:
    pair.store(DRAWN, drawn)

    def paint(notebook: NotebookNode) -> None:
        notebook.cells[-1].outputs[0].data["image/png"] = "iVBORw0KGgoAAA=="

    pair.edit(paint)
    pair.write(DRAWN.replace("rises", "falls"))
    assert course("sync")[0] == 0
    status, said = course("check")
    assert status == 1
    assert "its outputs were changed by hand" in said


def test_outputs_from_a_changed_cell_on_are_dropped(stored: Pair, course: Course) -> None:
    stored.write(CHAPTER.replace("2 + 2", "1 + 3"))
    for _ in range(2):
        assert "3 code cells must run again" in course("sync")[1]
    code = [cell for cell in read_notebook(stored.notebook).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, None, None, None]
    assert "never executed" in course("check")[1]


def test_changed_helpers_make_a_chapter_due_but_not_faulty(stored: Pair, course: Course) -> None:
    stored.edit(lambda nb: nb.metadata["course"].update(helpers="0" * 64))
    status, said = course("check")
    assert status == 0
    assert said.startswith("due: 01: helpers changed")


def test_faulty_outputs_are_found(pair: Pair, course: Course) -> None:
    def spoil(executed: NotebookNode) -> None:
        output = nbformat.v4.new_output
        executed.cells[-1].outputs = [
            output("stream", name="stderr", text="a warning"),
            output("stream", text="/home/someone/course"),
            output("display_data", {"image/svg+xml": "<svg/>"}),
            output("error", ename="ValueError", evalue="", traceback=[]),
        ]

    pair.store(CHAPTER, spoil)
    said = course("check")[1]
    assert "text of the error stream" in said
    assert "shows a path of a machine, /home/someone" in said
    assert "its picture has no alt text" in said
    assert "its stored output is an error (ValueError)" in said


def test_long_cells_long_lines_and_unknown_tags_are_found(pair: Pair, course: Course) -> None:
    long = "\n".join(f"value_{number} = {number}" for number in range(21))
    wide = f"# {'wide ' * 18}"
    body = CHAPTER.replace('print("the end")', f"{long}\n{wide}")
    pair.store(body.replace('["measured"]', '["mesured"]'))
    said = course("check")[1]
    assert "22 lines of code, more than the 20 allowed" in said
    assert "line 22: 92 columns, more than the 88 allowed" in said
    assert "unknown tag mesured" in said


def test_a_fold_that_leaves_its_quotation_is_found(pair: Pair, course: Course) -> None:
    fold = "# > **Predict.** Which?\n# >\n# > <details><summary>Open</summary>\n# >\n"
    inside = f"# %% [markdown]\n{fold}# > This one.\n# > </details>\n"
    pair.store(f"{CHAPTER}\n{inside}")
    assert course("check")[0] == 0
    pair.store(f"{CHAPTER}\n{inside.replace('# > This one.', '# This one.')}")
    code, said = course("check")
    assert code == 1
    assert '"This one." is in a fold that begins in a quotation, but not in the quotation' in said


def test_text_behind_the_marker_of_a_cell_is_found(pair: Pair, course: Course) -> None:
    pair.write(CHAPTER + "\n# %% [markdown] Lost words\n# and seen ones.\n")
    for command in ("check", "sync"):
        code, said = course(command)
        assert code != 0
        assert "no reader sees what stands behind the marker of a cell" in said


def test_a_second_title_is_found(pair: Pair, course: Course) -> None:
    torn = "# %% [markdown]\n# A paragraph.\n#\n# # It goes on.\n#\n# ```\n# # code\n# ```\n"
    pair.store(f"{CHAPTER}\n{torn}")
    said = course("check")[1]
    assert '"# It goes on." is a second title' in said
    assert "# code" not in said


def test_a_record_made_twice_is_found(pair: Pair, course: Course) -> None:
    again = 'record("little.test_accuracy", 0.1, "fraction")'
    pair.store(CHAPTER.replace('print("the end")', again))
    assert "is made twice" in course("check")[1]


def test_folded_cells_hide_their_source_in_the_notebook_alone(pair: Pair, course: Course) -> None:
    pair.store(CHAPTER.replace('["measured"]', '["hide-input", "measured"]'))
    cells = read_notebook(pair.notebook).cells
    folded = [n for n, cell in enumerate(cells) if cell.metadata.get("jupyter")]
    assert folded == [2, 4]
    assert cells[4].metadata == {
        "jupyter": {"source_hidden": True},
        "tags": ["hide-input", "measured"],
    }
    assert "source_hidden" not in pair.source.read_text(encoding="utf-8")
    assert course("check")[0] == 0


def test_bound_numbers_and_tests_pass_the_check(pair: Pair, course: Course) -> None:
    pair.store(WITH_PROSE)
    assert course("check")[0] == 0


def test_sync_renews_bound_numbers_in_both_files_and_lists_false_sentences(
    pair: Pair, course: Course
) -> None:
    pair.store(WITH_PROSE)
    page = pair.root / "docs" / "page.md"
    page.write_text("90 %<!-- little.test_accuracy -->\n", encoding="utf-8")
    pair.mutate("little.test_accuracy", -0.6)
    pair.mutate("little.steps", 4)
    status, said = course("sync")
    assert status == 0
    assert "notebooks/01_little.ipynb: all outputs hold, bound numbers renewed\n" in said
    assert "docs/page.md: bound numbers renewed\n" in said
    assert said.count("to rewrite: ") == 1
    assert '"It reads 30.0 % right, which is *more than half*."' in said
    assert "little.test_accuracy > 0.5 is false: little.test_accuracy is 0.3" in said
    new = PROSE.replace("90.0 %", "30.0 %").replace("three", "seven")
    assert pair.source.read_text(encoding="utf-8") == HEADER + WITH_PROSE.replace(PROSE, new)
    assert "30.0 %<!-- little" in read_notebook(pair.notebook).cells[-1].source
    assert page.read_text(encoding="utf-8") == "30 %<!-- little.test_accuracy -->\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("90.0 %<!--", "90.1 %<!--", "90.1 % is written, but little.test_accuracy is 90.0 %"),
        ("> 0.5", "> 0.95", "little.test_accuracy > 0.95 is false"),
        ("<!-- little.steps -->", "<!-- little.stops -->", "did you mean little.steps?"),
        ("> 0.5", "> 0.5 / (little.steps - 3)", "divides by zero, because little.steps - 3 is 0"),
        ("<!-- little.steps -->", "<!-- little.steps ! -->", "cannot be parsed"),
        ("steps.", "steps in 5 seconds.", '"5 seconds" is a measured number without a binding'),
    ],
)
def test_each_untrue_sentence_is_named_with_its_chapter(
    pair: Pair, course: Course, old: str, new: str, said: str
) -> None:
    pair.store(WITH_PROSE.replace(old, new))
    status, output = course("check")
    assert status == 1
    assert re.search(r"notebooks/01_little\.ipynb, cell 7, line \d", output)
    assert said in output


def test_a_record_of_a_chapter_that_was_never_stored_is_named(pair: Pair, course: Course) -> None:
    pair.write(WITH_PROSE)
    course("sync")
    said = course("check")[1]
    assert "doesn't hold its record little.steps: run `course run 01 --store`" in said


def test_pages_are_checked_when_no_chapter_is_named(stored: Pair, course: Course) -> None:
    page = stored.root / "README.md"
    page.write_text("# Course\n\nIt reads 91 %<!-- little.test_accuracy -->.\n", encoding="utf-8")
    assert course("check", "01")[0] == 0
    status, said = course("check")
    assert status == 1
    assert 'README.md, line 3, "It reads 91 %."' in said


def test_a_term_in_bold_needs_an_entry_in_the_glossary(pair: Pair, course: Course) -> None:
    pair.store(CHAPTER.replace("It counts", "It counts **steps** and **stumbles**"))
    status, said = course("check")
    assert status == 1
    assert 'cell 0: "stumbles" is set in bold like a term' in said
    assert "steps" not in said


REAL = living.read_records()
BOUND = """\
The convnet reads 98.7 %<!-- mnist.convnet.test_accuracy --> right.
LeNet reads 98.5 %<!-- mnist.lenet.test_accuracy -->, the convnet
98.7 %<!-- mnist.convnet.test_accuracy -->.
LeNet has 1,256,080<!-- mnist.lenet.parameters --> parameters.
"""


def test_one_unit_of_the_last_digit_fails_exactly_the_sentences_that_use_it() -> None:
    text = prose.renewed(BOUND, REAL.values, REAL.repeats)
    assert list(prose.faults(text, REAL.values, REAL.lacking, REAL.repeats)) == []
    for name, unit, lines in [
        ("mnist.convnet.test_accuracy", 0.001, [1, 3]),
        ("mnist.lenet.test_accuracy", 0.001, [2]),
        ("mnist.lenet.parameters", 1, [4]),
    ]:
        for sign in (1, -1):
            values = {**REAL.values, name: REAL.values[name] + sign * unit}
            found = list(prose.faults(text, values, REAL.lacking, REAL.repeats))
            assert [int(re.match(r"line (\d+)", fault)[1]) for fault in found] == lines


def test_every_number_of_the_course_fails_when_its_record_moves_by_its_last_digit() -> None:
    texts = [path.read_text(encoding="utf-8") for path in living.pages()]
    for chapter in catalogue.chapters().values():
        cells = read_notebook(chapter.notebook).cells
        texts += [cell.source for cell in cells if cell.cell_type == "markdown"]
    found = 0
    for text in texts:
        for comment in prose.comments(text):
            if isinstance(comment, prose.ProseError) or comment.expression.is_test:
                continue
            if comment.expression.text not in comment.expression.names:
                continue
            decimals = len(comment.typed.partition(".")[2])
            scale = float(prose.rounded(1e12, "1000.000000", comment.unit)) / 1e12
            step = 10.0**-decimals / scale
            moved = dict(REAL.values)
            moved[comment.expression.text] += step
            using = {
                other.line
                for other in prose.comments(text, REAL.repeats)
                if isinstance(other, prose.Comment)
                and comment.expression.text in other.expression.names
            }
            lines = {
                int(re.match(r"line (\d+)", fault)[1])
                for fault in prose.faults(text, moved, REAL.lacking, REAL.repeats)
            }
            assert comment.line in lines <= using
            found += 1
    assert found


def test_prose_about_every_seed_reads_the_stored_run_and_each_kept_one() -> None:
    name = "mnist.convnet.errors"
    runs = REAL.repeats[name]
    assert runs and all(run.startswith("01-quick-seed=") for run in runs)
    values = [REAL.values[name], *(REAL.values[f"kept.{run}.{name}"] for run in runs)]
    text = (
        f"{{}}<!-- lowest({name}) --> to {{}}<!-- highest({name}) --> in {{}}<!-- runs({name}) -->"
    )
    said = text.format(min(values), max(values), len(values))
    assert prose.renewed(text.format(1, 1, 1), REAL.values, REAL.repeats) == said


def test_a_kept_run_of_other_cells_is_no_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "mnist.convnet.errors"
    first, *others = REAL.repeats[name]
    runs = [
        dataclasses.replace(run, cells="0" * 64) if run.name == first else run
        for run in living.kept_runs()
    ]
    monkeypatch.setattr(living, "kept_runs", lambda: tuple(runs))
    found = living.read_records()
    assert found.repeats[name] == tuple(others)
    assert found.values[f"kept.{first}.{name}"] == REAL.values[f"kept.{first}.{name}"]


def test_whole_numbers_are_stored_as_jupyterlab_saves_them() -> None:
    for chapter in catalogue.chapters().values():
        for cell in code_cells(read_notebook(chapter.notebook)):
            for output in cell.outputs:
                stored = json.dumps(output)
                assert json.dumps(pairing.as_saved_by_a_browser(output)) == stored, chapter.number


def test_live_weights_of_another_run_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, records = catalogue.chapters()["01"], living.read_records()
    for path in (original.source, original.notebook, original.source.parent / "course.toml"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(catalogue, "NOTEBOOKS", tmp_path)
    chapter = catalogue.chapters()["01"]

    def refused() -> bool:
        said = check.faults(chapter, records)
        return any("changed by hand after the run" in fault for fault in said)

    assert not refused()
    notebook = read_notebook(chapter.notebook)
    [output] = [
        output
        for cell in code_cells(notebook)
        for output in cell.outputs
        if 'data-live="digitReader"' in output.get("data", {}).get("text/html", "")
    ]
    [weights] = re.findall(r'"packed":"([\w+/=]+)"', output.data["text/html"])
    other = gzip.decompress(base64.b64decode(weights))[::-1]  # as many, of no network of this run
    text = base64.b64encode(gzip.compress(other, 9, mtime=0)).decode()
    output.data["text/html"] = output.data["text/html"].replace(weights, text)
    nbformat.write(notebook, chapter.notebook)
    assert refused()
    pairing.sync_pair(chapter)
    assert refused(), "`course sync` must not make them those of the run"
    changed = context.Context(
        (context.StoredChapter(chapter, read_notebook(chapter.notebook)),), ()
    )
    assert "changed by hand after the run" in "\n".join(context.record_faults(changed))


LEDGER_CELL = """
# %%
DOUBLE = 2
fitted = steps + 1


def unused():
    return steps * unheard_of


def twice(number):
    return DOUBLE * number


# %% tags=["ledger"]
from helpers.kept import names
print(twice(21), seed, "01-quick" in names())
"""


def store_with_ledger(pair: Pair, monkeypatch: pytest.MonkeyPatch, cell: str) -> Pair:
    monkeypatch.setattr(kernel, "NOTEBOOKS", pair.root / "notebooks")
    for name in ("claims.toml", "sources.toml"):
        shutil.copy(ROOT / "data" / name, pair.root / "data")
    pair.store(CHAPTER + cell)
    return pair


def test_what_is_said_of_claims_and_kept_runs_is_drawn_again_without_training(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, course: Callable[..., tuple[int, str]]
) -> None:
    with_ledger = store_with_ledger(pair, monkeypatch, LEDGER_CELL)
    assert course("check")[0] == 0
    trained = code_cells(read_notebook(with_ledger.notebook))[:-1]
    with_ledger.edit(lambda nb: nb.metadata["course"].update(ledger="that of another day"))
    status, said = course("check")
    assert status == 1
    assert "claims or kept runs that it shows have changed since; run `course sync 01`" in said
    assert "claims and kept runs drawn again" in course("sync", "01")[1]
    *others, last = code_cells(read_notebook(with_ledger.notebook))
    assert [output.text for output in last.outputs] == ["42 0 True\n"]
    assert [cell.outputs for cell in others] == [cell.outputs for cell in trained]
    assert course("check")[0] == 0
    assert "drawn again" not in course("sync", "01")[1]


def test_records_changed_by_hand_are_not_drawn_as_if_they_had_been_measured(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, course: Callable[..., tuple[int, str]]
) -> None:
    with_ledger = store_with_ledger(pair, monkeypatch, LEDGER_CELL)
    with_ledger.edit(lambda nb: nb.metadata["course"].update(ledger="that of another day"))
    with_ledger.edit(lambda nb: nb.cells[3].outputs[0].update(text="a third is 0.334"))
    assert "drawn again" not in course("sync", "01")[1]
    assert "changed by hand" in course("check")[1]


def test_a_ledger_cell_that_needs_a_training_is_named(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, course: Callable[..., tuple[int, str]]
) -> None:
    store_with_ledger(pair, monkeypatch, LEDGER_CELL.replace("twice(21)", "fitted"))
    pair.edit(lambda nb: nb.metadata["course"].update(ledger="that of another day"))
    before = pair.notebook.read_bytes()
    status, said = course("sync", "01")
    assert status != 0
    assert "NameError: name 'fitted' is not defined" in said and "records alone" in said
    assert pair.notebook.read_bytes() == before
