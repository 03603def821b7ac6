import json
from typing import Any

import pytest

from course.report import comparison
from tests.conftest import CHAPTER, Little
from tests.support import CLAIM

PICTURE = """\
from helpers import plots
import matplotlib.pyplot as plt
figure = plt.figure()
plots.show(figure, "An <empty> figure.")
"""


def test_a_report_is_one_page_and_a_broken_claim_is_1(little: Little) -> None:
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    little.write(CHAPTER.replace('print("the end")', PICTURE))
    catalogue = little.root / "notebooks" / "course.toml"
    text = catalogue.read_text(encoding="utf-8")
    catalogue.write_text(text.replace("megabytes = 800", "megabytes = 2000"), encoding="utf-8")
    assert little.course("run", "--profile", "sample").returncode == 0
    answer = little.course("report", "runs")
    assert answer.returncode == 1
    assert "does not hold: a-source, chapter 01: The little net reaches 95 %" in answer.stdout
    assert "little.test_accuracy is 90.00 %" in answer.stdout
    page = (little.root / "runs" / "report.html").read_text(encoding="utf-8")
    assert "data:image/webp;base64," in page
    assert 'alt="An &lt;empty&gt; figure."' in page
    assert "does not hold" in page
    assert "on built-in sample data" in page
    assert " of 30 s" in page


def test_a_claim_that_holds_is_0(little: Little) -> None:
    (little.root / "data" / "claims.toml").write_text(
        CLAIM.replace("value = 0.95", "value = 0.9"), encoding="utf-8"
    )
    assert little.course("run", "--profile", "sample").returncode == 0
    answer = little.course("report", "runs")
    assert answer.returncode == 0
    assert "does not hold" not in answer.stdout


def test_a_truncated_run_is_one_sentence(little: Little) -> None:
    assert little.course("run", "--profile", "sample").returncode == 0
    facts = little.root / "runs" / "01_little-sample" / "001" / "run.json"
    facts.write_text(json.dumps({"status": "succeeded"})[:-3], encoding="utf-8")
    answer = little.course("report", "runs")
    assert answer.returncode == 2
    assert "run.json cannot be read" in answer.stderr
    assert "Traceback" not in answer.stderr


def one_group(values: dict[str, list[float]], unit: str = "") -> dict[str, Any]:
    """The facts of one chapter with these records."""
    made = [
        {"name": name, "unit": unit, "mean": sum(each) / len(each), "spread": 0.1}
        | {"number": len(each)}
        for name, each in values.items()
    ]
    group = {"notebook": "01_little", "profile": "quick", "parameters": {}, "seeds": [0, 1]}
    return {"groups": [{**group, "records": made, "claims": []}], "runs": [], "environments": []}


def verdicts(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [row["verdict"] for row in comparison(before, after)["records"]]


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
    assert verdicts(before, after) == ["differs; a time, which the machine decides"]


def test_many_records_need_a_larger_difference() -> None:
    values = {f"net.record_{number}": [1.0, 1.0, 1.0] for number in range(100)}
    before, after = one_group(values), one_group(values | {"net.record_0": [1.3, 1.3, 1.3]})
    assert verdicts(before, after)[0] == "within the noise of the seeds"
    alone = [one_group({"net.record_0": [value] * 3}) for value in (1.0, 1.3)]
    assert verdicts(*alone) == ["beyond the noise of the seeds"]


def test_the_last_digits_are_no_difference() -> None:
    assert verdicts(one_group({"net.x": [1, 1]}), one_group({"net.x": [1 + 1e-7] * 2})) == [
        "the same"
    ]


def test_a_chapter_that_fails_after_an_upgrade_is_1(little: Little) -> None:
    words = ["run", "--profile", "sample", "--out"]
    assert little.course(*words, "before").returncode == 0
    little.write(CHAPTER.replace('print("two and', 'raise ValueError("no luck")\nprint("two and'))
    assert little.course(*words, "after").returncode == 1
    alone = little.course("report", "after")
    assert alone.returncode == 1
    assert "did not succeed: 01_little-sample failed in cell 3" in alone.stdout
    both = little.course("report", "before", "after")
    assert both.returncode == 1
    assert "did not succeed: 01_little-sample failed in cell 3" in both.stdout
    page = (little.root / "after" / "comparison.html").read_text(encoding="utf-8")
    assert "Records missing after" in page
    assert "little.test_accuracy" in page
    assert little.course("report", "after", "before").returncode == 0


def test_records_of_a_failed_run_do_not_count(little: Little) -> None:
    little.write(CHAPTER.replace('print("the end")', 'raise ValueError("no luck")'))
    assert little.course("run", "--profile", "sample").returncode == 1
    answer = little.course("report", "runs", "--format", "json")
    assert answer.returncode == 1
    [group] = json.loads(answer.stdout)["groups"]
    assert group["records"] == []


def test_what_was_not_run_again_is_1(little: Little) -> None:
    little.add("02", CHAPTER)
    assert little.course("run", "--profile", "sample", "--out", "before").returncode == 0
    assert little.course("run", "01", "--profile", "sample", "--out", "after").returncode == 0
    answer = little.course("report", "before", "after")
    assert answer.returncode == 1
    assert "did not succeed: 02_little, sample, steps=1: no run" in answer.stdout
