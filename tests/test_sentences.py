"""Sentences that are true of one seed alone, found by ``benchmarks/sentences.py``."""

import nbformat
import pytest

from benchmarks import sentences


def test_a_sentence_that_another_record_contradicts_is_found() -> None:
    text = (
        "The net reads 90 %<!-- net.accuracy -->, more than half.<!-- net.accuracy > 0.5 --> "
        "It took a while.<!-- net.seconds > 3 --> Never less.<!-- lowest(net.accuracy) > 0.8 -->"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    found = sentences.tested(notebook)
    assert [comment.expression.text for comment in found] == ["net.accuracy > 0.5"]
    assert sentences.false_of(found, {"net.accuracy": 0.9}) == []
    [false] = sentences.false_of(found, {"net.accuracy": 0.4})
    assert "more than half" in false.sentence


def test_the_stored_run_contradicts_no_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert sentences.main(["01"]) == 0
    stored, *others = [line for line in capsys.readouterr().out.splitlines() if line[0] == "c"]
    assert stored.startswith("chapter 01, seed 0: ")
    held, tested = stored.split(": ")[1].split(" tested")[0].split(" of ")
    assert held == tested and int(tested) > 15
    assert len(others) >= 2
