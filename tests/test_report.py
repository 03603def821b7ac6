"""Reports on folders of runs, and comparisons of two; nearly all of the runs are made up."""

import base64
import io
import json
from collections.abc import Callable

import nbformat
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from course.comparison import BEYOND, TIME, WITHIN, compare, is_beyond_noise
from course.report import Page, Table, render
from course.summary import Group, RecordSummary, Spread, Summary, spread_of
from tests.conftest import CHAPTER, Answer, Little
from tests.support import CLAIM, make_attempt, record

Here = Callable[..., Answer]
PICTURE = """\
from helpers import plots
import matplotlib.pyplot as plt
figure = plt.figure()
plots.show(figure, "An <empty> figure.")
"""


def png() -> str:
    held = io.BytesIO()
    Image.new("RGB", (640, 480)).save(held, "PNG")
    return base64.b64encode(held.getvalue()).decode()


def shown(kind: str, content: str, alt: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {kind: content}, metadata={kind: {"alt": alt}})


def test_a_report_of_a_real_run_is_one_page_and_names_a_claim_that_is_not_reproduced(
    little: Little,
) -> None:
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    little.write(CHAPTER.replace('print("the end")', PICTURE))
    catalogue = little.root / "notebooks" / "course.toml"
    text = catalogue.read_text(encoding="utf-8")
    catalogue.write_text(text.replace("megabytes = 800", "megabytes = 2000"), encoding="utf-8")
    assert little.course("run", "--profile", "sample").returncode == 0
    answer = little.course("report", "runs")
    assert answer.returncode == 0
    assert "not reproduced: A source, chapter 01: The little net reaches 95 %" in answer.stdout
    assert "little.test_accuracy is 90.00 %" in answer.stdout
    page = (little.root / "runs" / "report.html").read_text(encoding="utf-8")
    assert 'alt="An &lt;empty&gt; figure."' in page
    assert '<td class="bad">not reproduced</td>' in page
    assert "on built-in sample data" in page
    assert " of 30 s" in page


def test_pictures_of_every_kind_are_in_the_page(little: Little, here: Here) -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"/>'
    outputs = [shown("image/png", png(), "A <b>"), shown("image/svg+xml", drawing, "A line")]
    make_attempt(little.root / "runs", outputs=outputs)
    assert here("report", "runs").returncode == 0
    page = (little.root / "runs" / "report.html").read_text(encoding="utf-8")
    assert '<img alt="A &lt;b&gt;" src="data:image/webp;base64,' in page
    assert '<img alt="A line" src="data:image/svg+xml;base64,' in page
    assert "http" not in page


def test_what_a_notebook_says_is_escaped(little: Little, here: Here) -> None:
    make_attempt(little.root / "runs", records=[record(0.5, "<script>alert(1)</script>")])
    here("report", "runs")
    page = (little.root / "runs" / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_markdown_escapes_what_would_end_a_cell() -> None:
    page = Page("A | title", (Table("One", ("a", "b"), (("x|y", "<z>"),)),))
    assert render(page, "md").splitlines() == [
        *("# A | title", "", "### One", ""),
        *("| a | b |", "| --- | --- |", r"| x\|y | <z> |"),
    ]


def test_a_reproduced_claim_is_not_named(little: Little, here: Here) -> None:
    claim = CLAIM.replace("value = 0.95", "value = 0.9")
    (little.root / "data" / "claims.toml").write_text(claim, encoding="utf-8")
    make_attempt(little.root / "runs")
    answer = here("report", "runs")
    assert answer.returncode == 0
    assert "not reproduced" not in answer.stdout


def test_a_truncated_run_is_one_sentence(little: Little, here: Here) -> None:
    facts = make_attempt(little.root / "runs") / "run.json"
    facts.write_text(json.dumps({"status": "succeeded"})[:-3], encoding="utf-8")
    answer = here("report", "runs")
    assert answer.returncode == 2
    assert "run.json cannot be read" in answer.stderr


def test_runs_of_two_backends_are_two_groups(little: Little, here: Here) -> None:
    make_attempt(little.root / "runs")
    make_attempt(little.root / "runs", "01_little-sample-jax", backend="jax", seed=1)
    groups = json.loads(here("report", "runs", "--format", "json").stdout)["groups"]
    assert [(group["name"], group["seeds"]) for group in groups] == [
        ("01_little, sample on jax", [1]),
        ("01_little, sample", [0]),
    ]


def one_group(values: dict[str, list[float]], unit: str = "") -> Summary:
    """The summary of one chapter with these records."""
    records = tuple(
        RecordSummary(name, unit, Spread(sum(each) / len(each), 0.1, len(each)))
        for name, each in values.items()
    )
    return Summary(groups=(Group("01_little, quick", "01", "quick", (0, 1), records, ()),))


def verdicts(before: Summary, after: Summary) -> list[str]:
    return [each.verdict for each in compare(before, after).records]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("net.training", "seconds"),
        ("net.milliseconds_per_step", ""),
        ("net.seconds_an_epoch.rest", ""),
        ("net.time_ratio", ""),
    ],
)
def test_times_are_shown_and_never_beyond_the_noise(name: str, unit: str) -> None:
    before, after = one_group({name: [1, 1]}, unit), one_group({name: [9, 9]}, unit)
    assert verdicts(before, after) == [TIME]


def test_many_records_need_a_larger_difference() -> None:
    values = {f"net.record_{number}": [1.0, 1.0, 1.0] for number in range(100)}
    before, after = one_group(values), one_group(values | {"net.record_0": [1.3, 1.3, 1.3]})
    assert verdicts(before, after)[0] == WITHIN
    alone = [one_group({"net.record_0": [value] * 3}) for value in (1.0, 1.3)]
    assert verdicts(*alone) == [BEYOND]


def test_the_last_digits_are_no_difference() -> None:
    before, after = one_group({"net.x": [1, 1]}), one_group({"net.x": [1 + 1e-7] * 2})
    assert verdicts(before, after) == ["the same"]


@pytest.mark.parametrize(("left", "right"), [(2, 2), (5, 5), (40, 60)])
@pytest.mark.parametrize("tests", [1, 150])
def test_the_noise_is_that_of_students_t_test(left: int, right: int, tests: int) -> None:
    draw = np.random.default_rng(0)
    found = set()
    for shift in np.linspace(0, 40, 200):
        sides = [draw.normal(size=left).tolist(), (draw.normal(size=right) + shift).tolist()]
        beyond = is_beyond_noise(*map(spread_of, sides), tests)
        assert beyond == (stats.ttest_ind(*sides).pvalue < 0.05 / tests)
        found.add(beyond)
    assert False in found
    assert True in found or (left, tests) == (2, 150)


def test_equal_seeds_have_no_noise() -> None:
    assert is_beyond_noise(spread_of([1.0, 1.0]), spread_of([2.0, 2.0])) is True
    assert is_beyond_noise(spread_of([1.0, 1.0]), spread_of([1.0, 1.0])) is False


def test_one_seed_on_a_side_says_nothing_about_noise() -> None:
    one, three = spread_of([1.0]), spread_of([1.9, 2.0, 2.1])
    assert is_beyond_noise(one, one) is None
    assert is_beyond_noise(one, three) is None
    assert is_beyond_noise(three, one) is None


def test_a_comparison_says_what_is_beyond_the_noise_of_the_seeds(
    little: Little, here: Here
) -> None:
    claim = CLAIM.replace("value = 0.95", "value = 0.901")
    (little.root / "data" / "claims.toml").write_text(claim, encoding="utf-8")
    for out, accuracy in (("first", 0.9), ("second", 0.7)):
        for seed in range(3):
            name = f"01_little-sample-seed={seed}"
            measured = [record(accuracy + seed / 1000)]
            make_attempt(little.root / out, name, seed=seed, records=measured)
    single = here("report", "first", "--format", "md")
    assert single.returncode == 0, single.stdout
    assert "| little.test_accuracy | 90.10 % ± 0.10 % (3) |" in single.stdout
    answer = here("report", "first", "second", "--format", "json")
    assert answer.returncode == 1
    found = json.loads(answer.stdout)
    [row] = found["records"]
    assert row["verdict"] == BEYOND
    assert row["change"] == pytest.approx(-0.2)
    assert len(found["newly_broken"]) == 1
    assert here("report", "second", "second").returncode == 0
    here("report", "first", "second")
    page = (little.root / "second" / "comparison.html").read_text(encoding="utf-8")
    assert f'<td class="bad">{BEYOND}</td>' in page
    assert "http" not in page


def test_a_chapter_that_fails_after_an_upgrade_is_1(little: Little, here: Here) -> None:
    make_attempt(little.root / "before")
    folder = make_attempt(little.root / "after", status="failed", records=[])
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    facts["error"] = {"cell": 3, "error": "ValueError", "message": "no luck"}
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    for words in (["after"], ["before", "after"]):
        answer = here("report", *words)
        assert answer.returncode == 1
        assert "did not succeed: 01_little-sample failed in cell 3: ValueError" in answer.stdout
    page = (little.root / "after" / "comparison.html").read_text(encoding="utf-8")
    assert "Records missing after" in page
    assert "little.test_accuracy" in page
    assert here("report", "after", "before").returncode == 0


def test_records_of_a_failed_run_do_not_count(little: Little, here: Here) -> None:
    make_attempt(little.root / "runs", status="failed")
    answer = here("report", "runs", "--format", "json")
    assert answer.returncode == 1
    [group] = json.loads(answer.stdout)["groups"]
    assert group["records"] == []


def test_what_was_not_run_again_is_1(little: Little, here: Here) -> None:
    little.add("02", CHAPTER)
    make_attempt(little.root / "before")
    make_attempt(little.root / "after")
    make_attempt(little.root / "before", "02_little-sample", chapter="02", notebook="02_little")
    answer = here("report", "before", "after")
    assert answer.returncode == 1
    assert "did not succeed: 02_little-sample: no run" in answer.stdout


def test_a_seed_that_was_not_run_again_is_1(little: Little, here: Here) -> None:
    for place, seeds in (("before", (0, 1)), ("after", (0,))):
        for seed in seeds:
            make_attempt(little.root / place, f"01_little-sample-seed={seed}")
    answer = here("report", "before", "after")
    assert answer.returncode == 1
    assert "did not succeed: 01_little-sample-seed=1: no run" in answer.stdout


def test_a_chapter_that_the_course_no_longer_has_can_be_reported(
    little: Little, here: Here
) -> None:
    make_attempt(little.root / "runs", "09_gone-sample", chapter="09", notebook="09_gone")
    answer = here("report", "runs", "--format", "md")
    assert answer.returncode == 0
    assert "## 09_gone, sample, steps=1" in answer.stdout


def test_runs_are_found_in_the_folder_where_one_stands(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_attempt(little.root / "runs", "01_little-sample-note=[x]")
    for place in (folder.parent.parent, folder.parent, folder):
        monkeypatch.chdir(place)
        assert here("report", ".").returncode == 0, place
    assert here("report", str(folder.parent)).returncode == 0
    monkeypatch.chdir(little.root / "data")
    answer = here("report", ".")
    assert answer.returncode == 2
    assert "There are no runs" in answer.stderr


def test_a_damaged_notebook_has_no_pictures(little: Little, here: Here) -> None:
    folder = make_attempt(little.root / "runs")
    (folder / "01_little.ipynb").write_text("{", encoding="utf-8")
    assert here("report", "runs").returncode == 0


def test_a_claim_that_was_never_judged_is_not_newly_broken(little: Little, here: Here) -> None:
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    little.add("02", CHAPTER)
    make_attempt(little.root / "before", "02_little-sample", chapter="02", notebook="02_little")
    make_attempt(little.root / "after", "02_little-sample", chapter="02", notebook="02_little")
    make_attempt(little.root / "after")
    answer = here("report", "before", "after", "--format", "json")
    assert json.loads(answer.stdout)["newly_broken"] == []
    assert answer.returncode == 0
