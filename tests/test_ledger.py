"""The ledger of repeats on real data: what is due, in which order, and for how long."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from course import ledger, results
from course.catalogue import Chapter, chapters, defaults
from course.cli import main
from course.errors import CourseError
from course.ledger import Repeat
from course.notebooks.digests import digests
from course.notebooks.files import read_notebook
from helpers.datasets import PROFILES

THREE = [chapters()[number] for number in ("02", "03", "04")]


def present(chapter: Chapter) -> Repeat:
    found = digests(read_notebook(chapter.notebook), chapter.data)
    return Repeat(found["cells"], found["helpers"], "2026-01-01", "here", 100.0, 30, "passed")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of the test's own, where notebooks were stored by other helpers than there are."""
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    notebooks = {chapter.notebook: read_notebook(chapter.notebook) for chapter in THREE}
    for notebook in notebooks.values():
        notebook.metadata["course"] = {**notebook.metadata["course"], "helpers": "other"}
    monkeypatch.setattr(ledger, "read_notebook", notebooks.__getitem__)
    return tmp_path


def numbers(wanted: list[Chapter]) -> list[str]:
    return [chapter.number for chapter in wanted]


def test_a_chapter_is_due_until_a_good_repeat_of_its_present_code() -> None:
    chapter = THREE[0]
    assert ledger.due([chapter]) == [chapter]
    for entry, late in [
        (replace(present(chapter), outcome="failed", failed=(3,)), True),
        (replace(present(chapter), helpers="older"), True),
        (replace(present(chapter), cells="older"), True),
        (present(chapter), False),
    ]:
        ledger.write({chapter.number: entry})
        assert (ledger.due([chapter]) == [chapter]) == late


def test_what_a_chapter_never_repeated_takes_is_what_its_quick_run_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()  # the kept runs of the course
    runs = results.kept_runs()
    others = [run for run in runs if run.chapter == "08" and run.named]
    assert others and max(run.seconds for run in others) > 3000
    monkeypatch.setattr(ledger, "read", dict)
    quick = [run.seconds for run in runs if run.file.startswith("chapters/08-quick")]
    assert ledger._expected()(chapters()["08"]) in quick


def test_a_stored_run_by_the_present_code_is_a_repeat() -> None:
    chapter = THREE[0]
    notebook = ledger.read_notebook(chapter.notebook)
    notebook.metadata["course"] |= digests(notebook, chapter.data)
    assert ledger.due([chapter]) == []
    notebook.metadata["course"]["cells"] = "older"
    assert ledger.due([chapter]) == [chapter]


def test_what_was_stored_after_a_failed_repeat_of_other_cells_is_not_due() -> None:
    chapter = THREE[0]
    notebook = ledger.read_notebook(chapter.notebook)
    notebook.metadata["course"] |= digests(notebook, chapter.data)
    failed = replace(present(chapter), outcome="failed", failed=(3,))
    ledger.write({chapter.number: failed})
    assert ledger.due([chapter]) == [chapter]
    for part in ("cells", "helpers"):
        ledger.write({chapter.number: replace(failed, **{part: "older"})})
        assert ledger.due([chapter]) == []


def test_the_longest_overdue_comes_first() -> None:
    old = replace(present(THREE[0]), helpers="older")
    ledger.write({"02": replace(old, date="2026-01-03"), "04": replace(old, date="2026-01-02")})
    assert numbers(ledger.due(THREE)) == ["03", "04", "02"]


def run(minutes: float | None, outcome: bool = True) -> tuple[int, list[str]]:
    """Repeat in a time that a test decides: 100 seconds per chapter, as recorded."""
    now, held = [0.0], []

    def hold(chapter: Chapter) -> bool:
        held.append(chapter.number)
        now[0] += 100
        if outcome:
            ledger.write({chapter.number: present(chapter)})
        return outcome

    return ledger.repeat(THREE, minutes, hold, lambda: now[0]), held


def test_chapters_that_do_not_fit_are_not_started_but_one_always_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger.write({c.number: replace(present(c), helpers="older") for c in THREE})
    assert run(1) == (0, ["02"])
    assert "1 of 3 chapters repeated; still due: 03, 04" in capsys.readouterr().out
    assert run(4.1) == (0, ["03"])
    assert run(4.2) == (0, ["04"])
    assert run(None) == (0, [])


def test_enough_minutes_repeat_all(capsys: pytest.CaptureFixture[str]) -> None:
    ledger.write({c.number: replace(present(c), helpers="older") for c in THREE})
    assert run(6) == (0, ["02", "03", "04"])
    assert "still due: none" in capsys.readouterr().out


def test_a_shorter_chapter_fits_behind_one_that_does_not() -> None:
    older = {c.number: replace(present(c), helpers="older") for c in THREE}
    ledger.write(older | {"03": replace(older["03"], seconds=1000.0)})
    assert run(6) == (0, ["02", "04"])


def kept_run(chapter: Chapter, seconds: float, profile: str) -> SimpleNamespace:
    parameters = defaults(chapter.number, profile if profile in PROFILES else "quick")[1]
    return SimpleNamespace(
        chapter=chapter.number,
        seconds=seconds,
        profile=profile,
        parameters=parameters,
        backend=results.BACKEND,
        named=False,
        cells="the present ones",
        seed=parameters["seed"],
        started="2026-01-01",
    )


@pytest.mark.parametrize(
    ("profile", "started"), [("quick", ["02", "03", "04"]), ("sample", ["02"]), (None, ["02"])]
)
def test_a_chapter_without_an_entry_takes_as_long_as_its_kept_run_or_five_minutes(
    profile: str | None, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [kept_run(chapter, 60.0, str(profile)) for chapter in THREE]
    monkeypatch.setattr(results, "kept_runs", lambda: kept if profile else [])
    assert run(6) == (0, started)


def test_the_recorded_time_counts_more_than_that_of_the_kept_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = [kept_run(chapter, 900.0, "quick") for chapter in THREE]
    monkeypatch.setattr(results, "kept_runs", lambda: kept)
    ledger.write({c.number: replace(present(c), helpers="older") for c in THREE})
    assert run(6) == (0, ["02", "03", "04"])


def test_a_chapter_that_does_not_hold_is_a_fault_and_stays_due(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(None, outcome=False) == (1, ["02", "03", "04"])
    said = capsys.readouterr()
    assert "still due: 02, 03, 04" in said.out and "02, 03, 04" in said.err


def test_entries_of_other_chapters_stay() -> None:
    ledger.write({"02": present(THREE[0])})
    ledger.enter("03", 12.34, 30, [4, 2], "a machine", ("cells", "helpers"))
    assert set(ledger.read()) == {"02", "03"}
    entry = ledger.read()["03"]
    assert (entry.failed, entry.outcome) == ((2, 4), "failed")
    assert (entry.seconds, entry.compared, entry.machine) == (12.3, 30, "a machine")


def test_the_ledger_is_in_the_order_of_the_chapters() -> None:
    for chapter in reversed(THREE):
        ledger.write({chapter.number: present(chapter)})
    assert list(ledger.read()) == numbers(THREE)


def test_a_repeat_is_dated_in_universal_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        ledger.enter("03", 1.0, 30, [], "a machine", ("cells", "helpers"))
    time.tzset()
    date = datetime.fromisoformat(ledger.read()["03"].date)
    assert abs(date - datetime.now(UTC)) < timedelta(hours=1)


@pytest.mark.parametrize("text", ["", "[]", '{"02": {}}'])
def test_a_damaged_ledger_is_one_sentence(text: str, folder: Path) -> None:
    (folder / "regression.json").write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=r"regression\.json isn't a ledger"):
        ledger.read()


def test_the_command_names_what_it_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("02", "03"):
        ledger.write({number: present(chapters()[number])})
    assert main(["regression", "02", "03", "--minutes", "20"]) == 0
    assert "0 of 2 chapters repeated; still due: none" in capsys.readouterr().out


def test_what_a_repeat_runs_is_the_code_that_it_is_entered_for() -> None:
    ledger.enter("03", 1.0, 30, [], "a machine", ("cells", "helpers"))
    assert (ledger.read()["03"].cells, ledger.read()["03"].helpers) == ("cells", "helpers")


@pytest.mark.parametrize(("code", "held"), [(0, True), (1, False)])
def test_a_chapter_holds_if_pytest_found_no_difference(
    code: int, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ended(command: list[str], **_: object) -> SimpleNamespace:
        asked.append(command)
        return SimpleNamespace(returncode=code)

    monkeypatch.setattr("subprocess.run", ended)
    assert ledger._pytest(THREE[0]) == held
    assert asked[0][-2:] == ["--nbval", str(THREE[0].notebook)]


@pytest.mark.parametrize("code", [2, 3, 4, 5, -9])
def test_no_chapter_is_accused_where_pytest_broke(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: SimpleNamespace(returncode=code))
    with pytest.raises(CourseError, match=f"Chapter 02 could not be repeated.* with {code} "):
        ledger.repeat([THREE[0]], None)


@pytest.mark.parametrize("missing", ["pytest", "nbval"])
def test_without_pytest_no_chapter_is_accused(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else name)
    with pytest.raises(CourseError, match=r"needs pytest and nbval.*environment\.py dev"):
        ledger.repeat([THREE[0]], minutes=1)
