"""A few faults of the campaign in ``benchmarks/faults.py``, which injects more than 200."""

from pathlib import Path

import pytest

from benchmarks.faults import campaign


@pytest.mark.parametrize(
    "name",
    [
        "SIGKILL to a kernel",
        "SIGSTOP, then SIGKILL to the runner",
        "corrupt cache entry",
        "two batches at once",
    ],
)
def test_a_fault_leaves_nothing_wrong(name: str, tmp_path: Path) -> None:
    assert campaign(tmp_path, [name], seed=1, lanes=1) == []
