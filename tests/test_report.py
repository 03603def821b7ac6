import json

from tests.conftest import CHAPTER, Little

CLAIM = """
mistake = []

[[claim]]
label = "a-source"
statement = "The little net reaches 95 %"
value = 0.95
unit = "fraction"
chapter = "01"
record = "little.test_accuracy"
comparison = "at least"
tolerance = 0.01
profiles = ["sample"]
"""

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
