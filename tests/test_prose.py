import pytest

from course import prose
from helpers.expressions import ExpressionError, holds, parse, value_of

RECORDS = {
    "net.accuracy": 0.9504,
    "net.errors": 71,
    "dense.errors": 189,
    "dense.accuracy": 0.9811,
    "net.loss": 0.03127,
    "net.parameters": 104202,
    "net.seconds": 90.0,
    "zero.count": 0,
    "kept.longer-run.net.accuracy": 0.997,
}


def lacking(name: str) -> str:
    return f"no record {name}."


def faults(text: str) -> list[str]:
    return list(prose.faults(text, RECORDS, lacking))


@pytest.mark.parametrize(
    "text",
    [
        "71<!-- net.errors -->",
        "**71**<!-- net.errors -->",
        "95 %<!-- net.accuracy -->",
        "95.0\N{NO-BREAK SPACE}%**<!-- net.accuracy -->",
        "95.04%<!-- net.accuracy -->",
        "* It gets 95\n  %<!-- net.accuracy --> right.",
        "95.0 percent<!-- net.accuracy -->",
        "0.95<!-- net.accuracy -->",
        "0.0313<!-- net.loss -->",
        "104,202<!-- net.parameters -->",
        "104202<!-- net.parameters -->",
        "104 thousand<!-- net.parameters -->",
        "0.10 million<!-- net.parameters -->",
        "3.1 points<!-- dense.accuracy - net.accuracy -->",
        "3.1<!-- 100 * (dense.accuracy - net.accuracy) --> points",
        "+3.07 points<!-- dense.accuracy - net.accuracy -->",
        "−3.1 points<!-- net.accuracy - dense.accuracy -->",
        "-118<!-- net.errors - dense.errors -->",
        "118<!-- abs(net.errors - dense.errors) -->",
        "71<!-- min(net.errors, dense.errors) -->",
        "2.7 times<!-- dense.errors / net.errors -->",
        "Three<!-- dense.errors / net.errors -->",
        "zero<!-- zero.count -->",
        "90 s<!-- net.seconds -->",
        "1.5 minutes<!-- net.seconds -->",
        "0.025 hours<!-- net.seconds -->",
        "90,000 ms<!-- net.seconds -->",
        "90,000 milliseconds<!-- net.seconds -->",
        "0.0001 billion<!-- net.parameters -->",
        "3.1 percentage points<!-- dense.accuracy - net.accuracy -->",
        "95.0 per cent<!-- net.accuracy -->",
        "99.7 %<!-- kept.longer-run.net.accuracy -->",
        "71<!--net.errors-->",
        "71<!--\nnet.errors\n-->",
        "> A quote: 71<!--\n> net.errors -->, fewer.<!-- net.errors\n> < dense.errors -->",
        "> * Fewer.<!-- dense.errors >\n> net.errors -->",
        "Fewer.<!-- net.errors < 0.5 * dense.errors -->",
        "Fewer.<!-- 0 < net.errors <= dense.errors != 3 -->",
        "So.<!-- net.errors > 100 or not net.loss >= 1 and zero.count == 0 -->",
        "A comment for the writer.<!-- nothing to see -->",
        "In code: `7<!-- net.errors -->` and\n\n```\n7<!-- net.errors -->\n```",
    ],
)
def test_true_prose_has_no_fault_and_stays_as_it_is(text: str) -> None:
    assert faults(text) == []
    assert prose.renewed(text, RECORDS) == text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("It makes 72<!-- net.errors --> mistakes.", "It makes 71<!-- net.errors --> mistakes."),
        ("**95.1 %**<!-- net.accuracy -->", "**95.0 %**<!-- net.accuracy -->"),
        ("9<!-- net.parameters -->", "104,202<!-- net.parameters -->"),
        ("1000<!-- net.parameters -->", "104202<!-- net.parameters -->"),
        ("seven<!-- zero.count + 5 -->", "five<!-- zero.count + 5 -->"),
        ("seven<!-- net.errors -->", "71<!-- net.errors -->"),
        ("0.1 points<!-- net.accuracy - dense.accuracy -->", None),
        ("+3.0 points<!-- dense.accuracy - net.accuracy -->", None),
    ],
)
def test_other_numbers_are_faults_and_renewed_in_their_format(text: str, right: str | None) -> None:
    renewed = prose.renewed(text, RECORDS)
    assert len(faults(text)) == 1
    assert faults(renewed) == []
    assert right is None or renewed == right


def test_a_wrong_number_is_named_with_its_sentence_and_both_values() -> None:
    text = "First. The net makes 70<!-- net.errors --> mistakes, not\nmore. Last."
    [said] = faults(text)
    assert 'line 1, "The net makes 70 mistakes, not more."' in said
    assert "70 is written, but net.errors is 71" in said


def test_a_false_sentence_is_named_with_both_sides() -> None:
    [said] = faults("First.\n\n* The net errs more often.<!-- net.errors > 2 * dense.errors -->")
    assert '"The net errs more often."' in said
    assert "net.errors is 71, 2 * dense.errors is 378" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7<!-- net.mistakes -->", "no record net.mistakes"),
        ("<!-- net.errors -->", "binds nothing"),
        ("71 errors<!-- net.errors -->", "binds nothing"),
        ("28x71<!-- net.errors -->", "binds nothing"),
        ("71<!-- net.errors +  -->", "cannot be parsed"),
        ("71<!-- net.errors; import os -->", "cannot be parsed"),
        ("71<!-- open(net.errors) -->", "has open(net.errors) where"),
        ("71<!-- net.errors ** 2 -->", "where a number or a record's name is expected"),
        ("71<!-- net.errors.real() -->", "where a number or a record's name is expected"),
        ("71<!-- (net.errors > 1) + 1 -->", "where a number or a record's name is expected"),
        ("So.<!-- net.errors > 1 and 1 -->", "where a comparison is expected"),
        ("So.<!-- net.errors is 71 -->", "where a comparison is expected"),
        ("71<!-- abs(net.errors, 1) -->", "where a number or a record's name is expected"),
        ("71<!-- net.errors / zero.count -->", "divides by zero, because zero.count is 0"),
        ("So.<!-- 1 < net.errors / zero.count -->", "divides by zero"),
        ("Here\n71<!-- net.errors", "line 2: the comment isn't closed"),
        (
            "Few.<!-- net.errors <\n- 3 * net.errors -->",
            'line 1: the comment has a line that begins with "-"',
        ),
    ],
)
def test_bad_comments_get_one_sentence_each(text: str, said: str) -> None:
    [fault] = faults(text)
    assert said in fault
    assert fault.startswith("line ")
    assert prose.renewed(text, RECORDS) == text


@pytest.mark.parametrize(
    "text",
    [
        "The net reaches 98.9 % here.",
        "It takes 12 seconds.",
        "An epoch needs 3.5 s.",
        "A step needs 12 ms.",
        "We wait 2 minutes.",
        "It gains 3 percentage points.",
        "We see an accuracy of 0.97.",
        "About 70 percent are right.",
        "Not 70<!-- net.errors --> but 98.9 %.",
    ],
)
def test_measured_numbers_without_a_binding_are_found(text: str) -> None:
    assert len(list(prose.measured_numbers(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Of 28x28 pixels, 3 filters, $P = 50\\%$ and `0.5 s` we say 1,520 and a quarter.",
        "95.0 %<!-- net.accuracy --> in 1.5 minutes<!-- net.seconds -->.",
        "An accuracy of 0.95<!-- net.accuracy -->.",
        "Convnets are from the 1980s.",
        "Better.<!-- net.accuracy > 0.9 -->",
    ],
)
def test_counts_formulas_code_and_bound_numbers_are_fine(text: str) -> None:
    assert list(prose.measured_numbers(text)) == []


def test_halves_are_rounded_up_as_people_round_them() -> None:
    assert prose.rounded(0.9885, "0.0", "%") == "98.9"
    assert prose.rounded(0.9735, "0.0", "%") == "97.4"
    assert prose.rounded(-0.0004, "0", "%") == "0"


def test_bound_numbers_become_links_and_comments_go() -> None:
    text = (
        "It **errs 71**<!-- net.errors --> times, 95.0 %<!-- net.accuracy --> right.\n"
        "Fewer.<!-- net.errors < dense.errors --> `7<!-- net.errors -->`"
    )
    assert prose.linked(text, {"net.errors": "01.html#cell-3"}.get) == (
        'It **errs <a href="01.html#cell-3" title="net.errors">71</a>** times, 95.0 % right.\n'
        "Fewer. `7<!-- net.errors -->`"
    )


def test_names_may_have_segments_that_python_cannot_read() -> None:
    expression = parse("cifar10.3x3.class > kept.01-quick-seed=1.a.lambda")
    assert expression.names == ("cifar10.3x3.class", "kept.01-quick-seed=1.a.lambda")
    assert holds(expression, {expression.names[0]: 2, expression.names[1]: 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.one < c.two", True),
        ("a.one < b.one", False),
        ("c.two < a.one", False),
        ("a.one <= b.one", True),
        ("c.two <= a.one", False),
        ("c.two > a.one", True),
        ("a.one > b.one", False),
        ("a.one > c.two", False),
        ("a.one >= b.one", True),
        ("a.one >= c.two", False),
        ("a.one == b.one", True),
        ("a.one == c.two", False),
        ("c.two == a.one", False),
        ("a.one != c.two", True),
        ("a.one != b.one", False),
        ("a.one < c.two < 3", True),
        ("0 < a.one < b.one", False),
        ("a.one < b.one < c.two", False),
        ("0 < c.two < 3 > a.one", True),
        ("0 < c.two > 3 > a.one", False),
        ("not a.one < c.two", False),
        ("not a.one > c.two", True),
        ("not a.one < b.one < c.two", True),
        *((f"a.one == {x} and c.two == {y}", x == 1 and y == 2) for x in (1, 9) for y in (2, 9)),
        *((f"a.one == {x} or c.two == {y}", x == 1 or y == 2) for x in (1, 9) for y in (2, 9)),
        ("a.one == 1 and b.one == 1 and c.two == 9", False),
        ("a.one == 9 or b.one == 9 or c.two == 2", True),
        ("a.one == 1 or b.one == 9 and c.two == 9", True),
        ("(a.one == 1 or b.one == 9) and c.two == 9", False),
        ("not (a.one == 1 and c.two == 9)", True),
        ("not a.one == 9 and c.two == 9", False),
    ],
)
def test_comparisons_are_joined_as_in_logic(text: str, expected: bool) -> None:
    assert holds(parse(text), {"a.one": 1, "b.one": 1, "c.two": 2}) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.one + c.two * 3", 7),
        ("a.one - c.two", -1),
        ("-c.two / 4", -0.5),
        ("+c.two - -a.one", 3),
        ("abs(a.one - c.two)", 1),
        ("min(c.two, a.one, 5)", 1),
        ("max(a.one, c.two, 0)", 2),
    ],
)
def test_arithmetic_is_as_usual(text: str, expected: float) -> None:
    assert value_of(parse(text), {"a.one": 1, "c.two": 2}) == expected


def test_an_infinite_value_is_refused() -> None:
    with pytest.raises(ExpressionError, match="too large"):
        value_of(parse("a.b * 1e308"), {"a.b": 10})


REPEATS = {
    "net.accuracy": ("01-quick-seed=3", "01-quick-seed=6"),
    "dense.accuracy": ("01-quick-seed=3", "01-quick-seed=6"),
    "net.errors": ("01-quick-seed=3",),
}
SEEDS = {
    "net.accuracy": 0.95,
    "dense.accuracy": 0.90,
    "net.errors": 71,
    "net.accuracy_later": 0.5,
    "kept.01-quick-seed=3.net.accuracy": 0.91,
    "kept.01-quick-seed=3.dense.accuracy": 0.90,
    "kept.01-quick-seed=3.net.errors": 80,
    "kept.01-quick-seed=6.net.accuracy": 0.97,
    "kept.01-quick-seed=6.dense.accuracy": 0.93,
}


@pytest.mark.parametrize(
    "text",
    [
        "91.0 %<!-- lowest(net.accuracy) --> to 97.0 %<!-- highest(net.accuracy) -->",
        "1.0 points<!-- lowest(net.accuracy - dense.accuracy) --> at least",
        "5.0 points<!-- highest(abs(dense.accuracy - net.accuracy)) --> at most",
        "six points<!-- highest(net.accuracy) - lowest(net.accuracy) --> apart",
        "94.3 %<!-- average(net.accuracy) --> on average, 3.3 points<!-- average(net.accuracy -"
        " dense.accuracy) --> or −3.3 points<!-- -1 * average(net.accuracy - dense.accuracy) -->",
        "ahead in all three<!-- runs(net.accuracy) --> runs"
        "<!-- lowest(net.accuracy - dense.accuracy) > 0 -->",
        "in both<!-- runs(net.errors) == 2 --> the one<!-- runs(net.errors) - 1 --> other",
        "only two<!-- runs(net.errors) --> of them counted mistakes, 70.05<!-- lowest(net.errors -"
        " net.accuracy) --> or more",
        "9 points<!-- lowest(net.accuracy + 0 * kept.01-quick-seed=3.net.accuracy) - 0.82 -->",
    ],
)
def test_prose_can_speak_of_every_seed(text: str) -> None:
    assert list(prose.faults(text, SEEDS, lacking, REPEATS)) == []
    assert prose.renewed(text, SEEDS, REPEATS) == text


def test_every_seed_counts_in_a_test() -> None:
    text = "It was far ahead.<!-- lowest(net.accuracy - dense.accuracy) > 0.02 -->"
    (fault,) = prose.faults(text, SEEDS, lacking, REPEATS)
    assert "lowest(net.accuracy - dense.accuracy) > 0.02 is false" in fault
    assert list(prose.faults(text, SEEDS, lacking)) == []  # true of the stored run


def test_a_name_that_begins_like_another_keeps_its_own_runs() -> None:
    repeats = {**REPEATS, "net.accuracy_later": ("01-quick-seed=3",)}
    values = {**SEEDS, "kept.01-quick-seed=3.net.accuracy_later": 0.6}
    text = "31.0 points<!-- lowest(net.accuracy - net.accuracy_later) --> later"
    assert list(prose.faults(text, values, lacking, repeats)) == []


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("lowest(net.accuracy", "has lowest( without its closing parenthesis"),
        ("lowest(highest(net.accuracy))", "has highest inside of lowest"),
        ("net.accuracy - highest(3)", "has highest around no record of a chapter: 3"),
        ("lowest(kept.longer-run.net.accuracy)", "has lowest around no record of a chapter"),
        ("lowest(net.accuracy, dense.accuracy)", "a number or a record's name is expected"),
        ("lowest(net.accuracy > 0.5)", "a number or a record's name is expected"),
        ("1 < runs(net.accuracy > 0.5)", "runs takes one record"),
        ("runs(net.acuracy)", "no record net.acuracy"),
        ("lowest(net.acuracy)", "no record net.acuracy"),
    ],
)
def test_a_malformed_question_about_seeds_is_refused(comment: str, said: str) -> None:
    (fault,) = prose.faults(f"5 %<!-- {comment} -->", SEEDS, lacking, REPEATS)
    assert said in fault


def test_the_book_shows_a_question_about_seeds_as_it_was_written() -> None:
    text = "95.0 %<!-- highest(net.accuracy) -->"
    said = prose.linked(text, {"every.net.accuracy": "kept.html#01-quick"}.get)
    assert said == '<a href="kept.html#01-quick" title="highest(net.accuracy)">95.0 %</a>'
    text = "in both 2<!-- runs(net.accuracy) --> runs"
    said = prose.linked(text, {"every.net.accuracy": "kept.html#01-quick"}.get)
    assert said == 'in both <a href="kept.html#01-quick" title="runs(net.accuracy)">2</a> runs'
