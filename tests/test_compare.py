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
