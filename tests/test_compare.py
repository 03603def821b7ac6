import pytest

from course.compare import EXACT, MEASURED, Tolerance, differences, text_difference, tolerance_of


@pytest.mark.parametrize(
    ("stored", "fresh", "tolerance", "same"),
    [
        ("1.0000001", "1.0000002", EXACT, True),
        ("1.01", "1.02", EXACT, False),
        ("12 of 10,000", "13 of 10,000", MEASURED, False),
        ("99.21 %", "98.90 %", MEASURED, True),
        ("99.21 %", "94.25 %", MEASURED, False),
        ("loss 2.5e-3", "loss 2.6e-3", Tolerance(0.1, 0), True),
        ("nan", "nan", EXACT, True),
        ("shape (3, 4)", "shape (3, 5)", MEASURED, False),
        ("one line", "one line\ntwo", EXACT, False),
        ("x1.5", "x1.6", MEASURED, False),
        ("-0.5", "0.5", MEASURED, False),
    ],
)
def test_text(stored: str, fresh: str, tolerance: Tolerance, same: bool) -> None:
    assert (text_difference(stored, fresh, tolerance) is None) == same


def record(value: float) -> list[dict]:
    body = {"name": "a.b", "value": value, "unit": ""}
    data = {"application/vnd.course.record+json": body, "text/plain": f"a.b = {value}"}
    return [{"output_type": "display_data", "data": data, "metadata": {}}]


def test_the_claim_goes_before_the_cell() -> None:
    narrow = {"a.b": Tolerance(0.0, 0.001)}
    assert differences(record(0.99), record(0.98), MEASURED, {}) == []
    assert len(differences(record(0.99), record(0.98), MEASURED, narrow)) == 1


def test_pictures_count_but_are_not_compared() -> None:
    picture = {"output_type": "display_data", "data": {"image/png": "AAAA"}, "metadata": {}}
    other = {"output_type": "display_data", "data": {"image/png": "BBBB"}, "metadata": {}}
    assert differences([picture], [other], EXACT, {}) == []
    assert "nothing" in differences([picture], [], EXACT, {})[0]


def test_html_is_compared_where_nothing_is_measured() -> None:
    def shown(text: str) -> list[dict]:
        data = {"text/html": f"<b>{text}</b>", "text/plain": "a table"}
        return [{"output_type": "display_data", "data": data, "metadata": {}}]

    assert differences(shown("one"), shown("two"), EXACT, {}) != []
    assert differences(shown("one"), shown("two"), MEASURED, {}, measured=True) == []


def test_a_cell_sets_its_own_tolerance() -> None:
    metadata = {"tags": ["measured"], "nbval": {"relative": 0.5}}
    assert tolerance_of(metadata) == Tolerance(0.5, MEASURED.absolute)
    assert tolerance_of({}) == EXACT
