"""Records, claims and common mistakes: what is stored, what counts, and what is said of it."""

import math
import subprocess
import sys
import tomllib
from dataclasses import replace

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from course.catalogue import chapters
from course.notebooks.files import records_of
from helpers import claims as claims_module
from helpers import records
from helpers.claims import (
    Claim,
    Evidence,
    Mistake,
    agrees,
    claims,
    evaluate,
    judge,
    mistakes,
    sources,
)
from helpers.places import TableError


@pytest.fixture(autouse=True)
def shell() -> InteractiveShell:
    return InteractiveShell.instance()


def test_a_record_is_stored_silently() -> None:
    with capture_output() as captured:
        records.record("net.test_accuracy", 0.98765, "fraction")
    [output] = captured.outputs
    body = {"name": "net.test_accuracy", "value": 0.98765, "unit": "fraction"}
    assert output.data == {"application/vnd.course.record+json": body}


def test_outside_a_notebook_plain_text_is_printed() -> None:
    script = (
        "from helpers import datasets, records, tables\n"
        "data = datasets.load('mnist', 'sample')\n"
        "records.record('net.test_accuracy', 0.98765, 'fraction')\n"
        "tables.show_table(('net', 'errors'), [('dense', 189)])\n"
        "records.claims_table('01', 'sample')\n"
        "records.mistakes_table('01')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True
    )
    loaded, record, *table, _ = done.stdout.splitlines()
    assert loaded.endswith(": 4,000 for training, 1,000 for test")
    assert record == "net.test_accuracy: 98.77 %"
    assert table[:3] == [
        "net | errors",
        "dense | 189",
        "The sources' claims in chapter 01, and ours",
    ]
    claim = next(claim for claim in claims() if claim.chapter == "01")
    assert any(line.startswith(claim.statement) for line in table)
    assert not [line for line in table if line.startswith("{") or "text/html" in line]


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


def claim(**changed: object) -> Claim:
    usual = {"source": "sakr-day2", "statement": "a net reads", "chapter": "01"}
    usual |= {"kind": "property", "value": 0.9, "comparison": "about", "measure": "net.accuracy"}
    return Claim(**{**usual, **changed})


def trained(**changed: object) -> Claim:
    about = {"kind": "trained", "system": "LeNet", "recipe": "20 epochs", "run": {"epochs": 20}}
    return claim(**{**about, "tolerance": 0.02, "differs": "3 epochs", **changed})


def run(accuracy: float, **parameters: object) -> Evidence:
    name = f"{parameters or 'a run'}"
    return Evidence(name, {"profile": "quick", **parameters}, {"net.accuracy": accuracy})


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ("at least", 0.96, True),
        ("at least", 0.94, False),
        ("at least", 0.95, True),
        ("at most", 1.04, True),
        ("at most", 1.05, True),
        ("at most", 1.06, False),
        ("about", 1.04, True),
        ("about", 0.94, False),
        ("about", 1.06, False),
        ("equal", 1.0, True),
        ("equal", 1.04, True),
        ("equal", 0.96, True),
        ("equal", 1.06, False),
        ("equal", 0.94, False),
        ("more than", 0.951, True),
        ("more than", 0.95, False),
        ("less than", 1.049, True),
        ("less than", 1.05, False),
    ],
)
def test_comparisons(comparison: str, value: float, expected: bool) -> None:
    assert agrees(claim(comparison=comparison, value=1.0, tolerance=0.05), value) is expected


def test_a_run_with_the_claimed_recipe_gives_the_verdict() -> None:
    assert judge(trained(), [run(0.91, epochs=20)]).verdict == "reproduced"
    assert judge(trained(), [run(0.80, epochs=20)]).verdict == "not reproduced"


def test_a_run_with_another_recipe_is_only_our_related_figure() -> None:
    found = judge(trained(), [run(0.90, epochs=3), run(0.91, epochs=4)])
    assert (found.verdict, found.values) == ("not run here", (0.90,))


def test_a_system_that_no_chapter_can_train_is_never_reproduced() -> None:
    assert judge(trained(run=None), [run(0.90, epochs=20)]).verdict == "not run here"


def test_built_in_data_settle_arithmetic_alone() -> None:
    sample = run(0.90, profile="sample", epochs=20)
    assert judge(trained(), [sample]).verdict == "not run here"
    assert judge(claim(tolerance=0.1), [sample]).verdict == "not run here"
    assert judge(claim(kind="computed", tolerance=0.1), [sample]).verdict == "reproduced"


def test_seeds_are_judged_by_their_mean() -> None:
    seeds = [run(value, epochs=20, seed=seed) for seed, value in enumerate((0.91, 0.93, 0.95))]
    assert judge(trained(), seeds).verdict == "not reproduced"
    assert judge(trained(tolerance=0.04), seeds).verdict == "reproduced"


def test_a_property_is_judged_by_the_first_run_and_its_seeds() -> None:
    runs = [run(0.91, seed=0), run(0.50, epochs=9), run(0.93, seed=1)]
    found = judge(claim(tolerance=0.03), runs)
    assert (found.verdict, found.values) == ("reproduced", (0.91, 0.93))
    assert found.labels == ("{'seed': 0}", "{'seed': 1}")


def test_a_trained_claim_is_judged_by_every_run_with_its_recipe() -> None:
    runs = [run(0.91, epochs=20), run(0.93, epochs=20, batch=64), run(0.50, epochs=3)]
    assert judge(trained(), runs).values == (0.91, 0.93)


def test_a_related_figure_is_of_a_run_like_it_and_its_seeds() -> None:
    runs = [
        run(0.70, epochs=3, width=4),
        run(0.80, epochs=3, width=8),
        run(0.75, epochs=4, width=8),
        run(0.82, epochs=3, width=8, seed=1),
    ]
    found = judge(trained(like={"width": 8}), runs)
    assert (found.verdict, found.values) == ("not run here", (0.80, 0.82))
    assert judge(trained(like={"width": 9}), runs).values == ()
    errors = trained(related="1 - net.accuracy", like={"width": 4})
    assert judge(errors, runs).values == pytest.approx((0.3,))


def test_runs_of_other_code_are_no_seeds() -> None:
    runs = [
        replace(run(value, seed=seed), code=code)
        for seed, (value, code) in enumerate([(0.91, "new"), (0.50, "old"), (0.93, "new")])
    ]
    assert judge(claim(tolerance=0.03), runs).values == (0.91, 0.93)


def test_a_claim_that_fails_in_the_longer_run_fails() -> None:
    runs = [run(0.92, epochs=3), run(0.80, epochs=20)]
    assert judge(trained(), runs).verdict == "not reproduced"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a.b - c.d", -1.5),
        ("(a.b + c.d) / 2", 1.25),
        ("5 * 5 * 6 + 1", 151),
        ("-a.b * 2", -1.0),
        ("a.28_wide.x", 28),
        ("a.b - never.made", None),
        ("", None),
    ],
)
def test_expressions_of_records(expression: str, expected: float | None) -> None:
    assert evaluate(expression, {"a.b": 0.5, "c.d": 2.0, "a.28_wide.x": 28}) == expected


@pytest.mark.parametrize("expression", ["a.b ** 2", "open('x')", "a.b +", "'text'", "r_0 + a.b"])
def test_an_expression_that_is_no_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="not an expression of records"):
        evaluate(expression, {"a.b": 0.5})


GOOD = """
[[claim]]
source = "sakr-day2"
statement = "LeNet reads"
chapter = "01"
kind = "trained"
value = 0.99
comparison = "about"
system = "LeNet"
recipe = "20 epochs"
differs = "3 epochs"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('source = "sakr-day2"', 'source = "nobody"', "no source nobody"),
        ('"about"', '"roughly"', 'must be one of .* not "roughly"'),
        ('kind = "trained"', 'kind = "guessed"', 'not "guessed"'),
        ("value = 0.99", 'value = "high"', "value must be a number, not 'high'"),
        ('chapter = "01"', "chapter = 1", "chapter must be text, not 1"),
        ('chapter = "01"', 'chapter = "01"\nrun = "quick"', "run must be a table, not 'quick'"),
        ('chapter = "01"', 'chapter = "01"\nlike = [1]', r"like must be a table, not \[1\]"),
        ('chapter = "01"', 'chapter = "01"\nheadline = 1', "headline must be true or false, not 1"),
        ("value = 0.99", "", "value is missing"),
        ('system = "LeNet"', "", "must name its system and its recipe"),
        ('differs = "3 epochs"', "", "differs must say"),
        ('kind = "trained"', 'kind = "property"', "belong to claims of the kind trained"),
        ('chapter = "01"', 'chapter = "01"\nmesure = "a.b"', "unknown key mesure"),
        ('chapter = "01"', 'chapter = "01"\nmeasure = "a.b +"', "not an expression of records"),
        ('chapter = "01"', 'chapter = "01"\nmeasure = "a.b > 1"', "is a comparison, but a claim"),
        ("[[claim]]", "[claim]", r"under \[\[claim\]\]"),
    ],
)
def test_a_wrong_claim_is_one_sentence(
    old: str, new: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GOOD.replace(old, new)
    listed = claims_module.sources()
    monkeypatch.setattr(claims_module, "sources", lambda: listed)
    monkeypatch.setattr(claims_module, "read_table", lambda name: tomllib.loads(text))
    with pytest.raises(TableError, match=said) as caught:
        claims_module.claims.__wrapped__()
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("number", "1.5", "number must be a whole number, not 1.5"),
        ("number", "true", "number must be a whole number, not True"),
        ("sources", '"sakr-day2"', "sources must be a list of texts, not 'sakr-day2'"),
        ("sources", "5", "sources must be a list of texts, not 5"),
        ("sources", "[1]", r"sources must be a list of texts, not \[1\]"),
        ("sources", "[]", "sources must name at least one source"),
        ("sources", '["nobody"]', "no source nobody"),
        ("value", '"one"', "value must be a number, not 'one'"),
    ],
)
def test_a_wrong_mistake_is_one_sentence(
    key: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {"number": "1", "sources": '["sakr-day2"]', "says": '"a"', "right": '"b"'}
    listed = {**good, "chapter": '"01"', key: value}
    text = "[[mistake]]\n" + "".join(f"{name} = {each}\n" for name, each in listed.items())
    monkeypatch.setattr(claims_module, "read_table", lambda name: tomllib.loads(text))
    known = {"sakr-day2": sources()["sakr-day2"]}
    monkeypatch.setattr(claims_module, "sources", lambda: known)
    with pytest.raises(TableError, match=said) as caught:
        claims_module.mistakes.__wrapped__()
    assert str(caught.value).count("\n") == 0


def test_counts_are_rounded_and_not_cut_off() -> None:
    with capture_output() as captured:
        records.record("a.b", 100 * 0.29, "count")
    assert captured.outputs[0].data[records.MIME_TYPE]["value"] == 29


def test_a_division_by_zero_is_called_one() -> None:
    with pytest.raises(ValueError, match=r"divides by zero, because c\.d is 0: a\.b / c\.d"):
        evaluate("a.b / c.d", {"a.b": 1, "c.d": 0})


def test_large_tolerances_are_written_out() -> None:
    claim = replace(claims()[0], comparison="about", value=6e7, unit="count", tolerance=1e6)
    assert records.target(claim).startswith("about 60,000,000 (± 1,000,000)")


def test_every_claim_belongs_to_a_chapter_and_no_source_is_idle() -> None:
    assert {each.chapter for each in claims()} == set(chapters())
    named = {each.source for each in claims()} | {
        key for each in mistakes() for key in each.sources
    }
    assert named == set(sources())


def test_all_eighteen_mistakes_are_listed() -> None:
    assert {mistake.number for mistake in mistakes()} == set(range(1, 19))


@pytest.mark.parametrize("number", chapters())
def test_the_mistakes_are_put_right_by_the_stored_run(number: str) -> None:
    stored = records_of(nbformat.read(chapters()[number].notebook, as_version=4))
    values = {record["name"]: record["value"] for record in stored}
    for mistake in mistakes():
        if mistake.chapter == number and mistake.value is not None:
            found = evaluate(mistake.record, values)
            assert found == pytest.approx(mistake.value, rel=1e-6), mistake.says


def table(chapter: str, profile: str) -> str:
    with capture_output() as captured:
        records.claims_table(chapter, profile)
    return str(captured.outputs[0].data["text/html"])


def test_tables_escape_what_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "claims", lambda: (claim(statement="x < y", note="<b>"),))
    page = table("01", "quick")
    assert "x &lt; y" in page
    assert "&lt;b&gt;" in page
    assert "not run here" in page
    assert "Sakr, slides" in page


def test_this_run_counts_if_the_notebook_used_the_recipe(
    monkeypatch: pytest.MonkeyPatch, shell: InteractiveShell
) -> None:
    monkeypatch.setattr(records, "claims", lambda: (trained(measure="own.accuracy"),))
    monkeypatch.setattr(records, "_recorded", {})
    with capture_output():
        records.record("own.accuracy", 0.9, "fraction")
    monkeypatch.setitem(shell.user_ns, "epochs", 3)
    assert "not run here" in table("01", "quick")
    monkeypatch.setitem(shell.user_ns, "epochs", 20)
    assert "<td>reproduced</td>" in table("01", "quick")
    assert "not run here" in table("01", "sample")


def kept_run(name: str, accuracy: float, **parameters: object) -> dict[str, object]:
    measured = [{"name": "net.accuracy", "value": accuracy, "unit": "fraction"}]
    asked = {"profile": "quick", "epochs": 20, **parameters}
    return {"name": name, "parameters": asked, "records": measured, "cells": "code"}


def test_kept_runs_count_and_claims_of_other_chapters_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, shell: InteractiveShell
) -> None:
    kept_runs = {
        "01": [kept_run("01-a", 0.89, seed=0), kept_run("01-b", 0.93, seed=1)],
        "02": [kept_run("02-a", 0.10)],
    }
    monkeypatch.setattr("helpers.kept.of_chapter", kept_runs.__getitem__)
    monkeypatch.setattr(records, "_recorded", {})
    monkeypatch.setitem(shell.user_ns, "epochs", 20)
    monkeypatch.setitem(shell.user_ns, "seed", 0)
    here = trained(unit="fraction")
    other = replace(here, chapter="02", statement="another net reads")
    monkeypatch.setattr(records, "claims", lambda: (here, other))
    page = table("01", "quick")
    assert "a net reads" in page and "another net reads" not in page
    # 01-a has the parameters of this run, which stands for it.
    assert "<td>93.00 %</td>" in page and "Measured by the kept run 01-b" in page
    with capture_output():
        records.record("net.accuracy", 0.91, "fraction")
    page = table("01", "quick")
    assert "<td>92.00 % ± 1.4 points (2 runs)</td>" in page


def test_a_kept_run_of_other_cells_is_no_seed_in_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept_runs = [kept_run(f"01-{seed}", 0.9 + seed / 100, seed=seed) for seed in range(3)]
    kept_runs[1]["cells"] = "older code"
    monkeypatch.setattr("helpers.kept.of_chapter", lambda chapter: kept_runs)
    monkeypatch.setattr(records, "_recorded", {})
    monkeypatch.setattr(records, "claims", lambda: (claim(unit="fraction"),))
    page = table("01", "quick")
    assert "<td>91.00 % ± 1.4 points (2 runs)</td>" in page
    assert "Measured by the kept run 01-0, the kept run 01-2" in page


def test_the_mistakes_of_a_chapter_are_shown_with_what_this_run_computed_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mistake(number: int, chapter: str, record: str) -> Mistake:
        return Mistake(number, ("sakr-day2",), f"wrong {number}", "right", chapter, record, 27)

    listed = (mistake(1, "01", "map.size"), mistake(2, "02", "map.size"), mistake(3, "01", "a.b"))
    monkeypatch.setattr(records, "mistakes", lambda: listed)
    monkeypatch.setattr(records, "_recorded", {})
    with capture_output():
        records.record("map.size", 1000, "count")
        records.record("map.size", 1300, "count")
    with capture_output() as captured:
        records.mistakes_table("01")
    page = captured.outputs[0].data["text/html"]
    assert "<td>wrong 1</td><td>right</td><td>1,300</td>" in page
    assert "<td>wrong 3</td><td>right</td><td>—</td>" in page
    assert "wrong 2" not in page


def test_mistakes_are_worded_as_common_mistakes() -> None:
    with capture_output() as captured:
        records.mistakes_table("01")
    page = captured.outputs[0].data["text/html"]
    assert "it is tempting to think" in page
    assert "varma" not in page.lower()
