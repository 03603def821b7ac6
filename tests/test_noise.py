"""Tolerances from the spread of kept seeds: what they let pass, and what they must catch."""

import math
import statistics
from dataclasses import replace

import nbformat
import pytest
from scipy import stats

from course import noise
from course.catalogue import chapters
from course.noise import Noise, interval, kind_of
from course.notebooks.files import code_cells, read_notebook
from course.results import KeptRun, kept_runs

RUNS = kept_runs()
PRINTED = (
    "The net wins with 87.66 %.\nSaved.",
    "The net wins with 87.70 %.\nSaved.",
    "The bag wins with 88.10 %.\nSaved.",
)
NOISE = Noise(
    seeds=(0, 1, 2),
    records={"a.test_accuracy": (0.876, 0.878, 0.874), "a.right": (10, 10, 10)},
    ends={(1, 0, "last loss"): (0.2, 0.22, 0.18), (1, 0, "first loss"): (1.0, 1.1, 0.9)},
    texts={(3, 0): PRINTED},
    vocabulary=frozenset("too close to call : the net and bag wins with".split()),
    pools={"fraction": 0.003**2},
)


def record(value: float, name: str = "a.test_accuracy", unit: str = "fraction") -> str | None:
    stored = {"name": name, "value": 0.876 if unit == "fraction" else 10, "unit": unit}
    return NOISE.record(stored, {**stored, "value": value})


@pytest.mark.parametrize("value", [0.876, 0.87, 0.885])
def test_a_record_within_the_noise_of_the_seeds_holds(value: float) -> None:
    assert record(value) is None


@pytest.mark.parametrize("value", [0.5, 0.82, 0.93, float("nan")])
def test_a_record_beyond_the_noise_fails(value: float) -> None:
    said = record(value)
    assert said is not None and "a.test_accuracy was 0.876" in said and "3 seeds" in said


def test_a_small_count_may_agree_by_chance_and_a_large_one_may_not() -> None:
    assert record(9, "a.right", "count") is None
    assert record(8, "a.right", "count") is not None
    assert interval((45000, 45000, 45000), "count", None) == (45000, 45000)


def student(even: list[float], pooled: float | None) -> float:
    """Half the prediction interval for one more of four values, at a level of 0.001."""
    own, freedom = statistics.variance(even), 3
    if pooled is not None:
        own, freedom = (2 * pooled + 3 * own) / 5, 5
    return float(stats.t.ppf(1 - 0.0005, freedom) * math.sqrt(own * (1 + 1 / 4)))


@pytest.mark.parametrize("pooled", [None, 0.003**2])
def test_a_fraction_has_students_prediction_interval(pooled: float | None) -> None:
    values = (0.91, 0.93, 0.92, 0.96)
    reach = student(list(values), pooled) + 0.002
    assert interval(values, "fraction", pooled) == pytest.approx((0.93 - reach, 0.93 + reach))


@pytest.mark.parametrize("pooled", [None, 0.2**2])
@pytest.mark.parametrize(
    ("kind", "values"),
    [("", (0.04, 0.06, 0.05, 0.09)), ("", (-40, -60, -50, -90)), ("count", (400, 600, 500, 900))],
)
def test_other_numbers_vary_in_shares_of_their_size(
    kind: str, values: tuple[float, ...], pooled: float | None
) -> None:
    size = math.sqrt(statistics.fmean(value**2 for value in values))
    center = statistics.fmean(values)
    reach = size * student([value / size for value in values], pooled) + 0.005 * abs(center)
    assert interval(values, kind, pooled) == pytest.approx((center - reach, center + reach))


@pytest.mark.parametrize("pooled", [None, 0.3**2])
@pytest.mark.parametrize(
    ("kind", "offset"), [("loss", 0.01), ("first loss", 0.01), ("spread", 0.002)]
)
def test_losses_and_spreads_vary_by_factors(kind: str, offset: float, pooled: float | None) -> None:
    even = [math.log(value + offset) for value in (0.02, 0.03, 0.025, 0.05)]
    center = statistics.fmean(even)
    reach = student(even, pooled) + 0.005 * abs(center)
    ends = [math.exp(center - reach) - offset, math.exp(center + reach) - offset]
    assert interval((0.02, 0.03, 0.025, 0.05), kind, pooled) == pytest.approx(tuple(ends))


@pytest.mark.parametrize(
    ("kind", "values", "pooled", "ends"),
    [
        ("count", (100, 100, 100), None, (99, 101)),
        ("count", (101, 101, 101), None, (101, 101)),
        ("count", (2, *(1,) * 59), None, (61 / 60 - 1, 61 / 60 + 1)),
        ("", (7.0,), None, (0, 14)),
        ("", (-7.0,), 0.01, (-14, 0)),
        ("loss", (0.3,), None, (0.31 / 5 - 0.01, 0.31 * 5 - 0.01)),
        ("spread", (0.01,), None, (0.012 / 5 - 0.002, 0.012 * 5 - 0.002)),
        ("", (0.0, 0.0), 0.09, (-0.3 * stats.t.ppf(0.9995, 3), 0.3 * stats.t.ppf(0.9995, 3))),
    ],
)
def test_few_or_equal_values_have_an_interval_too(
    kind: str, values: tuple[float, ...], pooled: float | None, ends: tuple[float, float]
) -> None:
    assert interval(values, kind, pooled) == pytest.approx(ends)


def test_a_pool_is_the_third_quartile_of_the_numbers_that_vary() -> None:
    found = [
        *(("fraction", (0.0, float(way))) for way in (8, 7, 5, 3)),
        *(("", (size, 3.0 * size)) for size in (7, 1, 1000)),
        *(("fraction", (0.0, float(way))) for way in (2, 1, 4, 6)),
        *(("fraction", values) for values in ((9.0,), (9.0, 9.0), (5.0, 5.0, 5.0))),
        *(("count", (1.0, 2.0)) for _ in range(2)),
    ]
    assert noise._pools(found) == pytest.approx({"fraction": 7**2 / 2, "": 2 / 5})


def test_few_seeds_need_a_wide_interval() -> None:
    def width(*values: float) -> float:
        low, high = interval(values, "fraction", 0.003**2)
        return high - low

    assert width(0.87, 0.88) > width(0.87, 0.88, 0.875) > width(0.87, 0.88, 0.875, 0.872, 0.878)
    assert interval((0.87,), "fraction", 0.003**2) == (0.87 - 0.15, 0.87 + 0.15)


def test_a_number_whose_seeds_agree_by_chance_has_the_pooled_noise_of_its_kind() -> None:
    low, high = interval((0.5, 0.5, 0.5), "fraction", 0.01**2)
    assert low < 0.47 and high > 0.53


def test_a_spread_is_pooled_with_spreads() -> None:
    assert kind_of("features.head.spread", "fraction") == "spread"
    assert kind_of("mnist.lenet.test_loss", "") == "loss"
    assert kind_of("loss.spread.test_accuracy", "fraction") == "fraction"
    low, high = interval((0.002, 0.004, 0.003), "spread", 0.5**2)
    assert -0.002 <= low < 0.002 and 0.004 < high < 0.3


@pytest.mark.parametrize("kind", ["spread", "loss", "", "fraction"])
def test_seeds_that_agree_tell_nothing_without_a_pool(kind: str) -> None:
    assert interval((0.3, 0.3), kind, None) == interval((0.3,), kind, None)


def test_times_are_never_wrong() -> None:
    stored = {"name": "a.seconds", "value": 1.0, "unit": "seconds"}
    assert NOISE.record(stored, {**stored, "value": 60.0}) is None


def training(last: float, first: float = 1.0) -> str | None:
    bodies = ({"history": {"loss": curve}} for curve in ([1.0, 0.2], [first, last]))
    return NOISE.training(1, 0, *bodies)


def test_times_in_a_column_of_a_table_are_never_wrong() -> None:
    stored = "The recipe\nstep | validation | seconds\nold | 87.66% | 24.0\nnew | 87.70% | 17.3"
    alone = replace(NOISE, texts={(3, 0): (stored, stored.replace("24.0", "23.1"))})
    fresh = stored.replace("24.0", "240.0").replace("17.3", "1.7")
    assert alone.text(3, 0, stored, fresh) is None
    assert alone.text(3, 0, stored, stored.replace("87.66%", "57.66%")) is not None
    rates = stored.replace("seconds", "steps")
    kept = (rates, rates.replace("24.0", "23.1"), rates.replace("24.0", "24.9"))
    alone = replace(NOISE, texts={(3, 0): kept})
    assert alone.text(3, 0, rates, fresh.replace("seconds", "steps")) is not None


def test_a_training_that_diverged_may_do_so_again() -> None:
    stored = {"history": {"loss": [1.0, None]}}
    assert NOISE.training(1, 0, stored, stored) is None
    assert "is now 0.2" in str(NOISE.training(1, 0, stored, {"history": {"loss": [1.0, 0.2]}}))
    diverged = replace(NOISE, ends={(1, 0, "last loss"): (0.2, 0.22, 0.18, math.nan)})
    fine = {"history": {"loss": [1.0, 0.2]}}
    assert diverged.training(1, 0, fine, fine) is None
    assert "is now nan" in str(diverged.training(1, 0, fine, stored))
    assert noise._pools([("loss", (0.2, math.nan))] * 3 + [("loss", (0.2, 0.3))] * 3).keys() == {
        "loss"
    }


def test_a_count_of_zero_without_seeds_may_become_one() -> None:
    assert interval((0.0,), "count", None) == (-1, 1)
    assert interval((40.0,), "count", None) == (0, 80)


def test_the_first_loss_and_the_end_of_a_training_are_held() -> None:
    assert training(0.21) is None
    assert "the last loss of training 0" in (training(90.0) or "")
    assert "the first loss of training 0" in (training(0.2, first=46.0) or "")
    other = {"history": {"mae": [1.0]}}
    assert "measured" in (NOISE.training(1, 0, {"history": {"loss": [1.0]}}, other) or "")


def test_each_end_of_a_training_is_held_to_its_seeds_and_the_pool_of_its_kind() -> None:
    noisy = replace(
        NOISE,
        pools={**NOISE.pools, "loss": 0.05**2, "first loss": 1.0},
        ends={**NOISE.ends, (1, 0, "last accuracy"): (0.9, 0.91, 0.92)},
    )

    def said(first: float, last: float, accuracy: float) -> str:
        stored = {"history": {"loss": [1.0, 0.2], "accuracy": [0.5, 0.9]}}
        fresh = {"history": {"loss": [first, last], "accuracy": [0.5, accuracy]}}
        return noisy.training(1, 0, stored, fresh) or ""

    assert said(2.5, 0.3, 0.95) == ""
    assert "the last loss of training 0 was 0.2 and is now 0.6;" in said(1.0, 0.6, 0.9)
    assert "the last accuracy of training 0 was 0.9 and is now 0.8;" in said(1.0, 0.2, 0.8)


@pytest.mark.parametrize(
    "fresh",
    [
        "The net wins with 87.90 %.\nSaved.",
        "The net wins with 84.50 %.\nSaved.",  # of two seeds alike, not of three
        "The bag wins with 87.90 %.\nSaved.",
        "The net and the bag : too close to call.\nSaved.",
        "The tree wins with 87.66 %.\nSaved.",  # seeds differ in this word
    ],
)
def test_words_that_depend_on_measured_numbers_may_change(fresh: str) -> None:
    assert NOISE.text(3, 0, PRINTED[0], fresh) is None


@pytest.mark.parametrize(
    ("fresh", "says"),
    [
        ("The net wins with 57.00 %.\nSaved.", "was 0.8766 and is now 0.57"),
        ("The net wins with 80.00 %.\nSaved.", "was 0.8766 and is now 0.8;"),
        ("The bag wins with 60.00 %.\nSaved.", "was 0.881 and is now 0.6;"),
        ("The net wins with 87.66 %.", "stored 2 lines of text, now 1"),
        ("The tree wins with 5.00 %.\nSaved.", "was 0.8766 and is now 0.05"),
        ("The net wins with 87.66 %.\nLost.", "'Saved.', now 'Lost.'"),
        ("The net wins with 87.66 %.\nSaved. Twice", "Twice"),
        ("", "stored 2 lines of text, now 0"),
    ],
)
def test_other_changes_of_text_fail(fresh: str, says: str) -> None:
    assert says in (NOISE.text(3, 0, PRINTED[0], fresh) or "")


def test_figures_beside_a_changed_verdict_have_the_noise_of_their_seeds() -> None:
    stored = "smoothing | 50.4% | -0.3 | too close | 7"
    kept = tuple(stored.replace("-0.3", each) for each in ("-0.3", "+0.3", "+0.2"))
    noise = replace(NOISE, texts={(3, 0): kept})
    fresh = stored.replace("too close", "the bag wins")
    assert noise.text(3, 0, stored, fresh.replace("-0.3", "-1.1")) is None
    said = noise.text(3, 0, stored, fresh.replace("50.4%", "55.4%"))
    assert "a number was 0.504 and is now 0.554" in str(said) and "(3 seeds)" in str(said)
    assert noise.text(3, 0, stored, fresh.replace("-0.3", "-40")) is not None
    assert "is now 9; expected 6 to 8" in str(noise.text(3, 0, stored, fresh.replace("7", "9")))


def test_a_time_in_the_place_of_a_figure_is_no_error() -> None:
    noise = replace(NOISE, texts={}, vocabulary=frozenset("took s of stars".split()))
    assert noise.text(3, 0, "took 4 of 10 stars", "took 4 s 10 stars") is None


def test_whole_numbers_of_a_text_are_counts() -> None:
    counted = replace(NOISE, texts={(3, 0): ("10 right",) * 3})
    assert counted.text(3, 0, "10 right", "11 right") is None
    assert "was 10 and is now 12;" in (counted.text(3, 0, "10 right", "12 right") or "")


def test_a_stored_number_that_its_own_seeds_refute_is_named() -> None:
    stored = PRINTED[0].replace("87.66", "80.00")
    assert "was 0.8 and is now 0.8;" in (NOISE.text(3, 0, stored, stored) or "")
    far = {"name": "a.test_accuracy", "value": 0.8, "unit": "fraction"}
    assert "was 0.8 and is now 0.876;" in (NOISE.record(far, {**far, "value": 0.876}) or "")


def test_a_text_whose_number_of_lines_varies_still_has_to_be_made_of_known_words() -> None:
    varying = replace(NOISE, texts={(3, 0): (PRINTED[0], PRINTED[0] + "\nSaved.")})
    assert varying.text(3, 0, PRINTED[0], "The bag wins with 87.90 %.") is None
    assert varying.text(3, 0, PRINTED[0], "") == "the text is missing"
    was = "50 epochs as published: about 51 minutes"
    assert NOISE.text(0, 0, was, was.replace("51", "80")) is None
    assert "was 50 and is now 500" in (NOISE.text(0, 0, was, was.replace("50", "500")) or "")
    for was, now in (("# of errors 5", "# of faults 6"), ("item # costs 5", "item 4 costs 5")):
        assert "stored" in (NOISE.text(0, 0, was, now) or "")
    said = varying.text(3, 0, PRINTED[0], "The net wins with 87.66 %.\nnan everywhere")
    assert said == "no seed prints a line such as 'nan everywhere'"


def test_the_shape_of_a_measured_cells_outputs_is_exact() -> None:
    cell = nbformat.v4.new_code_cell(metadata={"tags": ["measured"]})
    cell.outputs = [nbformat.v4.new_output("stream", text="one")]
    assert noise.cell_differences(cell, [], 0, NOISE) == [
        "stored outputs are stream stdout; now they are nothing"
    ]
    cell.metadata["tags"].append("nbval-ignore-output")
    assert noise.cell_differences(cell, [], 0, NOISE) == []


def chapter_noise(number: str, runs: tuple[KeptRun, ...]) -> Noise:
    chapter = chapters()[number]
    return noise.of_chapter(chapter, read_notebook(chapter.notebook), runs)


def test_only_quick_seeds_of_the_stored_cells_on_tensorflow_count() -> None:
    [stored] = [run for run in RUNS if run.file == "chapters/07-quick.json"]
    quick = [replace(stored, parameters={**stored.parameters, "seed": seed}) for seed in range(3)]
    usual = chapter_noise("07", tuple(quick)).seeds
    assert len(usual) >= 2
    others = [replace(run, backend="jax") for run in quick]
    others += [replace(run, cells="0" * 64) for run in quick]
    assert chapter_noise("07", (*quick, *others)).seeds == usual


@pytest.mark.parametrize("number", list(chapters()))
def test_the_stored_outputs_hold_against_their_own_noise(number: str) -> None:
    notebook, found = read_notebook(chapters()[number].notebook), chapter_noise(number, RUNS)
    for place, cell in enumerate(code_cells(notebook)):
        assert noise.cell_differences(cell, cell.outputs, place, found) == []
