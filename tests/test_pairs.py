import nbformat
import pytest

from course.errors import CourseError
from course.notebooks.check import CELL_LINES
from course.notebooks.files import read_notebook
from tests.conftest import CHAPTER, Little


def check(little: Little, code: int) -> str:
    answer = little.course("check")
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout


def edit(little: Little, change) -> None:
    notebook = nbformat.read(little.notebook, as_version=4)
    change(notebook)
    nbformat.write(notebook, little.notebook)


def test_a_stored_run_is_clean(stored: Little) -> None:
    assert "1 chapters: pairs in sync" in check(stored, 0)


def test_storing_twice_changes_nothing(stored: Little) -> None:
    before = stored.notebook.read_text(encoding="utf-8")
    assert stored.course("run", "--store").returncode == 0
    assert stored.notebook.read_text(encoding="utf-8") == before


def test_an_edit_of_the_py_alone_is_seen(stored: Little) -> None:
    stored.write(CHAPTER.replace("2 + 2", "2 + 3"))
    said = check(stored, 1)
    assert "cell 3 differs" in said
    assert "2 + 3" in said


def test_an_edit_of_the_notebook_alone_is_seen(stored: Little) -> None:
    edit(stored, lambda notebook: notebook.cells[0].update(source="# Another title"))
    said = check(stored, 1)
    assert "cell 0 differs" in said
    assert "Another title" in said


def test_a_missing_cell_is_seen(stored: Little) -> None:
    edit(stored, lambda notebook: notebook.cells.pop())
    assert "cell 5 is not in" in check(stored, 1)


def test_one_digit_of_a_stored_output_is_seen(stored: Little) -> None:
    text = stored.notebook.read_text(encoding="utf-8")
    stored.notebook.write_text(text.replace("0.333", "0.334"), encoding="utf-8")
    assert "changed by hand" in check(stored, 1)


def test_a_magic_in_the_notebook_is_a_fault(stored: Little) -> None:
    edit(stored, lambda notebook: notebook.cells[-1].update(source="%matplotlib inline"))
    said = check(stored, 1)
    assert 'notebooks/01_little.ipynb: the line "%matplotlib inline" of a code cell' in said


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"nbformat": 4, "nbformat_minor": 5}'])
def test_a_notebook_that_is_none_is_one_sentence(stored: Little, text: str) -> None:
    stored.notebook.write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=r"notebooks/01_little\.ipynb isn't a valid notebook"):
        read_notebook(stored.notebook)


def test_other_code_makes_outputs_stale_but_comments_do_not(stored: Little) -> None:
    stored.write(CHAPTER.replace('print("the end")', '# a comment\nprint("the end")'))
    assert stored.course("sync").stdout.strip().endswith("all outputs hold")
    check(stored, 0)
    stored.write(CHAPTER.replace('print("the end")', 'print("the  end")'))
    assert "1 code cells must run again" in stored.course("sync").stdout
    assert "never executed" in check(stored, 1)


def test_prose_can_change_without_losing_outputs(stored: Little) -> None:
    stored.write(CHAPTER.replace("It counts", "It still counts"))
    check(stored, 1)
    assert "all outputs hold" in stored.course("sync").stdout
    check(stored, 0)


def test_outputs_after_a_changed_cell_go_and_those_before_stay(stored: Little) -> None:
    stored.write(CHAPTER.replace("2 + 2", "1 + 3"))
    stored.course("sync")
    notebook = nbformat.read(stored.notebook, as_version=4)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts[:2] == [1, 2]
    assert counts[2:] == [None, None, None]


def test_changed_helpers_make_a_chapter_due(stored: Little) -> None:
    helper = stored.root / "src" / "helpers" / "records.py"
    text = helper.read_text(encoding="utf-8")
    helper.write_text(text + "\n# only a comment\n", encoding="utf-8")
    check(stored, 0)
    helper.write_text(text + "\nSOMETHING = 1\n", encoding="utf-8")
    assert "due: 01" in check(stored, 0)


def test_helpers_that_are_not_imported_do_not_count(stored: Little) -> None:
    helper = stored.root / "src" / "helpers" / "arithmetic.py"
    helper.write_text(helper.read_text(encoding="utf-8") + "\nSOMETHING = 1\n", encoding="utf-8")
    check(stored, 0)


def test_a_path_of_a_machine_in_an_output_is_seen(little: Little) -> None:
    little.write(CHAPTER.replace('"the end"', '"/home/someone/course"'))
    assert little.course("run", "--store").returncode == 0
    assert "shows a path of a machine, /home/someone" in check(little, 1)


@pytest.mark.parametrize(
    "sentence",
    [
        "The net reaches 98.9 % here.",
        "It takes 12 seconds.",
        "An epoch needs 3.5 s.",
        "We see an accuracy of 0.97.",
        "About 70 percent are right.",
    ],
)
def test_measured_numbers_in_prose_are_seen(little: Little, sentence: str) -> None:
    little.write(CHAPTER.replace("It counts and it measures.", sentence))
    little.course("sync")
    assert "is typed into prose" in check(little, 1)


def test_counts_formulas_and_code_in_prose_are_fine(little: Little) -> None:
    fine = "Of 28x28 pixels, 3 filters and $P = 50\\%$ of `0.5 s` we say 1,520 and a quarter."
    little.write(CHAPTER.replace("It counts and it measures.", fine))
    little.course("sync")
    assert "is typed into prose" not in check(little, 1)


def test_long_cells_unknown_tags_and_metadata_are_seen(little: Little) -> None:
    long = "\n".join(f"value_{number} = {number}" for number in range(CELL_LINES + 1))
    body = CHAPTER.replace('print("the end")', long).replace('["measured"]', '["mesured"]')
    little.write(body)
    little.course("sync")
    edit(little, lambda notebook: notebook.cells[0].metadata.update(collapsed=True))
    said = check(little, 1)
    assert f"{CELL_LINES + 1} lines" in said
    assert "the tag mesured means nothing" in said
    assert "its metadata has collapsed" in said


def test_a_record_made_twice_is_seen(little: Little) -> None:
    again = 'record("little.test_accuracy", 0.1, "fraction")'
    little.write(CHAPTER.replace('print("the end")', again))
    assert little.course("run", "--store").returncode == 0
    assert "is made twice" in check(little, 1)


def test_a_broken_notebook_is_one_sentence(stored: Little) -> None:
    stored.notebook.write_text("{ not json", encoding="utf-8")
    answer = stored.course("check")
    assert answer.returncode == 2
    assert "isn't a valid notebook" in answer.stderr
