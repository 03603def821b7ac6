import math

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from helpers import records


@pytest.fixture(autouse=True)
def shell() -> InteractiveShell:
    return InteractiveShell.instance()


def test_a_record_is_stored_silently() -> None:
    with capture_output() as captured:
        records.record("net.test_accuracy", 0.98765, "fraction")
    [output] = captured.outputs
    body = {"name": "net.test_accuracy", "value": 0.98765, "unit": "fraction"}
    assert output.data == {"application/vnd.course.record+json": body}


@pytest.mark.parametrize(
    ("name", "value", "unit", "said"),
    [
        ("Accuracy", 1.0, "", "cannot name a record"),
        ("net.accuracy", math.nan, "", "only finite numbers"),
        ("net.accuracy", 1.0, "percent", 'not "percent"'),
    ],
)
def test_bad_records_are_refused(name: str, value: float, unit: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        records.record(name, value, unit)


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ("at least", 0.96, True),
        ("at least", 0.94, False),
        ("at most", 1.04, True),
        ("at most", 1.06, False),
        ("about", 1.04, True),
        ("about", 0.94, False),
        ("equal", 1.0, True),
    ],
)
def test_comparisons(comparison: str, value: float, expected: bool) -> None:
    claim = {"value": 1.0, "tolerance": 0.05, "comparison": comparison, "record": "a.b"}
    assert records.holds(claim, value) is expected


def test_an_unknown_comparison_is_refused() -> None:
    claim = {"value": 1.0, "tolerance": 0, "comparison": "roughly", "record": "a.b"}
    with pytest.raises(ValueError, match='"roughly"'):
        records.holds(claim, 1.0)


def test_a_claim_is_not_checked_outside_of_its_profiles() -> None:
    claim = {"value": 1, "tolerance": 0, "comparison": "equal", "profiles": ["full"]}
    assert records.verdict(claim, 2, "sample") == "not checked in sample"
    assert records.verdict(claim, 2, "full") == "does not hold"
    assert records.verdict(claim, None, "full") == "not measured in this run"


def test_tables_escape_what_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = {
        "chapter": "01",
        "label": "<b>",
        "statement": "x < y",
        "value": 1,
        "tolerance": 0,
        "comparison": "equal",
        "record": "never.made",
        "profiles": ["quick"],
    }
    monkeypatch.setattr(records, "load_claims", lambda: {"claim": [claim], "mistake": []})
    with capture_output() as captured:
        records.claims_table("01", "quick")
    page = captured.outputs[0].data["text/html"]
    assert "&lt;b&gt;" in page
    assert "x &lt; y" in page
    assert "not measured in this run" in page
