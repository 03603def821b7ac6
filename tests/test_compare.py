from typing import Any

import pytest

from course.compare import differences, text_difference


@pytest.mark.parametrize(
    ("stored", "fresh", "same"),
    [
        ("1.0000001", "1.0000002", True),
        ("1.01", "1.02", False),
        ("12 of 10,000", "13 of 10,000", False),
        ("10,000", "10000", True),
        ("100000000", "100000001", False),
        ("nan", "nan", True),
        ("1.00001", "1.00002", False),
        ("1234567.1", "1234567.2", True),
        ("1e-10", "2e-10", True),
        ("0.0000001", "0.0000002", False),
        ("2", "2.0000001", True),
        ("2.0000001", "2", True),
        ("50 %", "50.00001 %", True),
        ("shape (3, 4)", "shape (3, 5)", False),
        ("one line", "one line\ntwo", False),
        ("x1.5", "x1.6", False),
        ("-0.5", "0.5", False),
        # A comma separates thousands only between groups of three digits after one to three.
        ("[1,23]", "[12,3]", False),
        ("5,10", "51,0", False),
        ("[1,234]", "[12,34]", False),
        ("1234,567", "1,234,567", False),
        ("1,234,567.5", "1234567.5", True),
    ],
)
def test_text_without_noise(stored: str, fresh: str, same: bool) -> None:
    assert (text_difference(stored, fresh) is None) == same


def shown(**data: object) -> list[dict]:
    return [{"output_type": "display_data", "data": data, "metadata": {}}]


def record(value: float, unit: str = "") -> list[dict]:
    body = {"name": "a.b", "value": value, "unit": unit}
    return shown(**{"application/vnd.course.record+json": body})


def test_records_that_are_not_measured_are_exact() -> None:
    assert differences(record(0.99), record(0.99 + 1e-9)) == []
    assert len(differences(record(0.99), record(0.991))) == 1
    assert len(differences(record(10**8, "count"), record(10**8 + 1, "count"))) == 1


def test_a_record_of_another_name_is_a_difference() -> None:
    other = record(0.99)
    other[0]["data"]["application/vnd.course.record+json"]["name"] = "a.c"
    assert differences(record(0.99), other) == ["stored the record a.b, now a.c"]


def test_pictures_count_but_are_not_compared() -> None:
    picture, other = shown(**{"image/png": "AAAA"}), shown(**{"image/png": "BBBB"})
    assert differences(picture, other) == []
    assert "nothing" in differences(picture, [])[0]
    drawn = shown(**{"image/svg+xml": "<svg/>", "image/png": "AAAA"})
    assert differences(picture, drawn) == []


def test_html_is_compared_where_nothing_is_measured() -> None:
    one, two = (shown(**{"text/html": f"<b>{word}</b>"}) for word in ("one", "two"))
    assert differences(one, two) != []


def test_the_text_of_a_progress_line_is_not_compared() -> None:
    def training(text: str) -> list[dict]:
        body = {"model": "m", "history": {"loss": [1.0]}, "examples": 1, "seconds": [1.0]}
        return shown(**{"application/vnd.course.history+json": body, "text/plain": text})

    assert differences(training("epoch 1 of 1: 98 %"), training("epoch 1 of 1: 97 %")) == []
    assert "nothing" in differences(training("one"), [])[0]


def printed(*texts: str, name: str = "stdout") -> list[dict]:
    return [{"output_type": "stream", "name": name, "text": text} for text in texts]


def raised(name: str, value: str) -> list[dict]:
    return [{"output_type": "error", "ename": name, "evalue": value, "traceback": []}]


def test_a_stream_is_one_text_however_it_came() -> None:
    warned = printed("careful\n", name="stderr")
    assert differences(printed("1\n", "2\n") + warned, warned + printed("1\n2\n")) == []
    assert differences(printed("1\n", "2\n"), printed("3\n", "2\n")) != []


@pytest.mark.parametrize("fresh", [raised("KeyError", "a"), raised("ValueError", "b"), []])
def test_another_error_is_a_difference(fresh: list[dict]) -> None:
    assert differences(raised("ValueError", "a"), raised("ValueError", "a")) == []
    assert differences(raised("ValueError", "a"), fresh) != []


def test_an_output_of_another_kind_is_a_difference() -> None:
    assert differences(printed("1"), shown(**{"text/plain": "1"})) == [
        "stored outputs are stream stdout; now they are text/plain"
    ]


def test_where_data_lie_and_the_text_beside_a_record_are_not_compared() -> None:
    one, two = (
        shown(
            **{"application/vnd.course.data+json": {"folder": folder}, "text/plain": "400 pictures"}
        )
        for folder in ("a", "b")
    )
    assert differences(one, two) == []
    one, two = record(0.5), record(0.5)
    one[0]["data"]["text/plain"], two[0]["data"]["text/plain"] = "a", "b"
    assert differences(one, two) == []
    assert differences(shown(**{"text/plain": "a"}), shown(**{"text/plain": "b"})) != []


@pytest.mark.parametrize(("fresh", "same"), [(float("nan"), True), (0.5, False)])
def test_a_record_that_is_no_number_must_stay_none(fresh: float, same: bool) -> None:
    assert (differences(record(float("nan")), record(fresh)) == []) == same
    assert (differences(record(fresh), record(float("nan"))) == []) == same


def test_a_record_of_another_unit_is_a_difference_and_both_values_are_told() -> None:
    assert differences(record(0.5, "fraction"), record(0.5, "seconds")) != []
    assert differences(record(0.5), record(0.75)) == ["the record a.b was 0.5 and is now 0.75"]


def test_the_order_in_which_an_output_lists_its_kinds_does_not_matter() -> None:
    kinds = {"text/html": "<b>a</b>", "text/plain": "a"}
    assert differences(shown(**kinds), shown(**dict(reversed(kinds.items())))) == []


class Clerk:
    """A judge that agrees with everything, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def record(self, stored: dict[str, Any], fresh: dict[str, Any]) -> None:
        self.asked.append(("record", stored["value"], fresh["value"]))

    def training(self, cell: int, place: int, stored: Any, fresh: Any) -> None:
        self.asked.append(("training", cell, place, stored["loss"], fresh["loss"]))

    def text(self, cell: int, place: int, stored: str, fresh: str) -> None:
        self.asked.append(("text", cell, place, stored, fresh))


def test_a_measured_cell_is_judged_text_by_text_and_training_by_training() -> None:
    def measured(value: int) -> list[dict]:
        trained = shown(**{"application/vnd.course.history+json": {"loss": value}})
        text = shown(**{"text/plain": f"text {value}"})
        page = shown(**{"text/html": f"<b>{value}</b>"})
        return [*trained, *text, *page, *record(value), *trained, *text, *printed(f"out {value}")]

    clerk = Clerk()
    assert differences(measured(1), measured(2), 7, clerk) == []
    assert clerk.asked == [
        ("text", 7, 0, "out 1", "out 2"),
        ("training", 7, 0, 1, 2),
        ("text", 7, 1, "text 1", "text 2"),
        ("record", 1, 2),
        ("training", 7, 1, 1, 2),
        ("text", 7, 2, "text 1", "text 2"),
    ]
