"""Batches in real processes: parallel, nothing twice, models handed on, everything stored."""

import json
import signal
import time
from concurrent.futures import Future
from pathlib import Path

import nbformat
import pytest

from course.catalogue import Budget, Chapter
from course.errors import CourseError
from course.notebooks import pairing
from course.running import batch
from course.running.batch import Batch
from course.running.engine import Lost
from course.running.progress import ProgressTable
from course.running.run import Progress, Run
from tests.conftest import CHAPTER, Little
from tests.support import (
    SLEEP,
    add_cards,
    kernels_of,
    run_json,
    states,
    statuses,
    wait_until_asleep,
)

MAKER = CHAPTER.replace(
    'print("the end")',
    "import os\nfrom pathlib import Path\n"
    'Path(os.environ["COURSE_MODELS"], f"thing-{profile}.txt").write_text(f"of seed {seed}")',
)
USER = CHAPTER.replace(
    'print("the end")',
    "import os\nfrom pathlib import Path\n"
    'text = Path(os.environ["COURSE_MODELS"], f"thing-{profile}.txt").read_text()\n'
    'print("used the thing", text)',
)
SHARE = CHAPTER.replace(
    'print("the end")',
    "import os, time\ntime.sleep(2)\n"
    'record("little.threads", int(os.environ["OMP_NUM_THREADS"]), "count")\n'
    'print("the card is", os.environ.get("CUDA_VISIBLE_DEVICES"))\n'
    'print("it grows:", os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH"))\n'
    'print("the order:", os.environ.get("CUDA_DEVICE_ORDER"))',
)


def test_nothing_is_run_twice_unless_code_changed_or_it_is_asked(little: Little) -> None:
    words = ["run", "--profile", "sample", "--seeds", "2"]
    answer = little.course(*words)
    assert states(answer) == ["succeeded", "succeeded"], answer.stderr
    answer = little.course(*words)
    assert states(answer) == ["reused", "reused"]
    assert "attempt 001 had the same code, data and parameters" in answer.stderr
    little.write(CHAPTER.replace("print(", "# only a comment\nprint("))
    assert states(little.course(*words)) == ["reused", "reused"]
    facts = little.root / "runs" / "01_little-sample" / "001" / "run.json"
    facts.write_text(facts.read_text(encoding="utf-8")[:100], encoding="utf-8")
    assert states(little.course(*words)) == ["succeeded", "reused"]
    little.write(CHAPTER.replace("2 + 2", "1 + 3"))
    assert states(little.course(*words)) == ["succeeded", "succeeded"]
    assert states(little.course(*words, "--fresh")) == ["succeeded", "succeeded"]
    assert sorted(path.name for path in (facts.parent.parent).iterdir()) == [
        "001",
        "002",
        "003",
        "004",
    ]


def test_each_seed_has_its_own_model_and_a_change_goes_on_to_its_users(little: Little) -> None:
    little.write(USER)
    catalogue = little.root / "notebooks" / "course.toml"
    catalogue.write_text(catalogue.read_text("utf-8") + '\nuses = ["thing"]\n', "utf-8")
    little.add("02", MAKER, 'makes = ["thing"]')
    words = ["run", "--profile", "sample", "--seeds", "2"]
    answer = little.course(*words)
    assert answer.returncode == 0, answer.stderr
    runs = little.root / "runs"
    assert "used the thing of seed 0" in (runs / "01_little-sample/001/01_little.ipynb").read_text()
    other = runs / "01_little-sample-seed=1" / "001"
    assert "used the thing of seed 1" in (other / "01_little.ipynb").read_text()
    assert not list(other.glob("models/*"))
    assert (little.root / "cache/models/thing-sample.txt").read_text() == "of seed 0"
    assert states(little.course(*words)) == ["reused"] * 4
    little.write(USER.replace("used the", "and used the"))
    assert states(little.course(*words)) == ["reused", "reused", "succeeded", "succeeded"]
    (runs / "02_little-sample/001/models/thing-sample.txt").write_text("damaged")
    source = little.root / "notebooks" / "02_little.py"
    assert states(little.course(*words)) == ["succeeded", "reused", "reused", "reused"]
    source.write_text(source.read_text().replace("of seed", "of the seed"))
    assert states(little.course(*words)) == ["succeeded"] * 4
    source.write_text(source.read_text().replace("import os\n", "import nothing\n"))
    answer = little.course(*words)
    assert answer.returncode == 1
    assert "chapter 01 skipped: 02_little-sample-seed=1 did not succeed" in answer.stderr
    assert "chapter 02 failed in cell 5: ModuleNotFoundError" in answer.stderr


def test_threads_and_cards_are_shared_out(little: Little) -> None:
    add_cards(little, 2)
    little.backend_sees("GPU:0", "GPU:1")
    little.write(SHARE)
    words = ["run", "--profile", "sample", "--seeds", "3", "--threads", "1", "--jobs", "3"]
    answer = little.course(*words)
    assert answer.returncode == 0, answer.stderr
    seeds = ("", "-seed=1", "-seed=2")
    runs = [little.root / "runs" / f"01_little-sample{seed}" / "001" for seed in seeds]
    assert sorted(run_json(run)["gpu"] for run in runs) == ["0", "0", "1"]
    for run in runs:
        facts = run_json(run)
        assert facts["records"][-1] == {"name": "little.threads", "unit": "count", "value": 1}
        shown = (run / "01_little.ipynb").read_text("utf-8")
        assert f"the card is {facts['gpu']}" in shown
        assert "it grows: true" in shown
        assert "the order: PCI_BUS_ID" in shown
    little.backend_sees()
    planned = little.course(*words, "--dry-run").stdout
    assert planned.count("run     01_little") == 3, "another device is another run"


def test_a_killed_batch_goes_on_where_it_stopped(little: Little) -> None:
    waits = SLEEP.replace("time.sleep(60)", "time.sleep(60 if seed == 1 else 0)")
    little.write(waits)
    process = little.start("run", "--profile", "sample", "-p", "seed=0,1", "--jobs", "1")
    until = time.monotonic() + 40
    good = little.root / "runs" / "01_little-sample" / "001" / "run.json"
    while time.monotonic() < until and statuses(little).get("01_little-sample/001") != "succeeded":
        time.sleep(0.1)
    while time.monotonic() < until and len(kernels_of(little)) < 2:
        time.sleep(0.1)
    process.kill()
    process.communicate(timeout=120)
    while time.monotonic() < until and kernels_of(little):
        time.sleep(0.1)
    assert not kernels_of(little)
    assert json.loads(good.read_text("utf-8"))["status"] == "succeeded"
    process = little.start("run", "--profile", "sample", "-p", "seed=0,1", "--jobs", "1")
    wait_until_asleep(little)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "01_little-sample: reused" in errors
    assert statuses(little) == {
        "01_little-sample/001": "succeeded",
        "01_little-sample-seed=1/001": "lost",
        "01_little-sample-seed=1/002": "cancelled",
    }


class Broken:
    """An engine whose second run raises whatever it likes."""

    threads, fingerprint, description = 1, "a machine", "one at a time"

    def __init__(self) -> None:
        self.error: Exception = TypeError("'int' object is not subscriptable")

    def has_room(self, running: int) -> bool:
        return True

    def submit(self, run: Run, folder: Path, limit: float) -> "Future[Run]":
        future: Future[Run] = Future()
        if run.seed == 1:
            future.set_exception(self.error)
        else:
            run.status = "succeeded"
            future.set_result(run)
        return future

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass


def planned(seed: int) -> Run:
    return Run(
        chapter="01",
        notebook="01_convnet_basics",
        profile="sample",
        parameters={"profile": "sample", "seed": seed},
        seed=seed,
        folder=f"01_convnet_basics-sample-seed={seed}",
        budget=Budget(30, 800),
        backend="tensorflow",
    )


@pytest.mark.parametrize(
    "error", [TypeError("'int' object is not subscriptable"), OSError(5, "Input/output error")]
)
def test_an_exception_of_one_run_is_the_failure_of_that_run(
    error: Exception, tmp_path: Path
) -> None:
    engine = Broken()
    engine.error = error
    runs = [planned(seed) for seed in range(3)]
    outcomes = Batch(runs, tmp_path, engine, ProgressTable(3)).execute()
    assert [outcomes[run.folder].state for run in runs] == ["succeeded", "failed", "succeeded"]
    facts = run_json(tmp_path / runs[1].folder / "001")
    assert facts["error"]["error"] == type(error).__name__
    assert "Traceback" in facts["tail"][0]


class Scripted(Broken):
    """An engine whose runs end as a test says, attempt by attempt."""

    def __init__(self, *ends: str) -> None:
        super().__init__()
        self.ends = list(ends)
        self.begun: list[str] = []
        self.limits: list[float] = []

    def submit(self, run: Run, folder: Path, limit: float) -> "Future[Run]":
        self.begun.append(f"{folder.parent.name[-1]}/{folder.name}")
        self.limits.append(limit)
        future: Future[Run] = Future()
        end = self.ends.pop(0)
        if end == "lost":
            future.set_exception(Lost("the worker is gone"))
        else:
            run.status = end
            future.set_result(run)
        return future


@pytest.mark.parametrize(
    ("ends", "states", "begun"),
    [
        (["lost", "succeeded", "succeeded"], ["succeeded"] * 2, ["0/001", "0/002", "1/001"]),
        (["lost", "lost", "succeeded"], ["lost", "succeeded"], ["0/001", "0/002", "1/001"]),
        (["failed", "succeeded"], ["failed", "succeeded"], ["0/001", "1/001"]),
    ],
)
def test_a_run_whose_worker_died_is_tried_once_more(
    ends: list[str], states: list[str], begun: list[str], tmp_path: Path
) -> None:
    engine = Scripted(*ends)
    engine.has_room = lambda running: running == 0  # type: ignore[method-assign]
    runs = [planned(seed) for seed in range(2)]
    outcomes = Batch(runs, tmp_path, engine, ProgressTable(2)).execute()
    assert [outcomes[run.folder].state for run in runs] == states
    assert engine.begun == begun


@pytest.mark.parametrize(("timeout", "limit"), [(None, 4 * 30), (7.0, 7.0)])
def test_a_run_is_ended_after_four_budgets_unless_a_time_is_given(
    timeout: float | None, limit: float, tmp_path: Path
) -> None:
    engine = Scripted("succeeded")
    Batch([planned(0)], tmp_path, engine, ProgressTable(1), timeout=timeout).execute()
    assert engine.limits == [limit]


def test_a_chapter_that_was_edited_meanwhile_keeps_no_other_from_being_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = []

    def store(chapter: Chapter, executed: object, helpers: str) -> None:
        if not stored:
            stored.append("refused")
            raise CourseError("notebooks/01.py changed while it ran")
        stored.append(chapter.number)

    monkeypatch.setattr(pairing, "store", store)
    monkeypatch.setattr(nbformat, "read", lambda path, as_version: None)
    monkeypatch.setattr(batch, "_publish_models", lambda run, folder: None)
    runs = [planned(seed) for seed in range(2)]
    engine, table = Scripted("succeeded", "succeeded"), ProgressTable(2)
    outcomes = Batch(runs, tmp_path, engine, table, keep=True).execute()
    first, second = (outcomes[run.folder] for run in runs)
    assert (first.state, first.good) == ("not stored", False)
    assert first.reason == "notebooks/01.py changed while it ran"
    assert second.good and stored == ["refused", "01"]


def test_a_run_that_just_began_has_no_cell_yet(capsys: pytest.CaptureFixture[str]) -> None:
    table, run = ProgressTable(1), planned(0)
    table.start(run)
    table.update(run.folder, Progress(None, 0, 11.0, 3e8))
    table.logged[run.folder] -= 60
    table.refresh()
    table.update(run.folder, Progress(3, 20, 12.0, 3e8))
    table.logged[run.folder] -= 60
    table.refresh()
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("seed=0: starting, 11 s, 300 MB")
    assert second.endswith("seed=0: cell 3 of 20, 12 s, 300 MB")


@pytest.mark.parametrize("end", ["failed", "succeeded"])
def test_a_run_waits_for_those_whose_models_it_uses(end: str, tmp_path: Path) -> None:
    engine = Scripted(end, "succeeded")
    user, maker = planned(0), planned(1)
    user.after = [maker.folder]
    outcomes = Batch([user, maker], tmp_path, engine, ProgressTable(2)).execute()
    assert engine.begun == (["1/001"] if end == "failed" else ["1/001", "0/001"])
    assert outcomes[user.folder].good == (end == "succeeded")
    if end == "failed":
        assert outcomes[user.folder].reason == f"skipped: {maker.folder} did not succeed"


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").write_text("not a folder", encoding="utf-8")
    run = planned(0)
    run.parameters.pop("seed")
    monkeypatch.setattr("course.running.plan.has_usual_parameters", lambda run: True)

    class Maker(Broken):
        def submit(self, run: Run, folder: Path, limit: float) -> "Future[Run]":
            (folder / "models").mkdir()
            (folder / "models" / "thing-sample.txt").write_text("a model", encoding="utf-8")
            return super().submit(run, folder, limit)

    with pytest.raises(CourseError, match=r"cannot be written into .*cache/models \(File exists"):
        Batch([run], tmp_path / "runs", Maker(), ProgressTable(1)).execute()


def test_an_attempt_that_never_began_harms_no_other(little: Little) -> None:
    little.add("02", CHAPTER)
    empty = little.root / "runs" / "02_little-sample" / "001"
    assert little.course("run", "01", "--profile", "sample").returncode == 0
    empty.mkdir(parents=True)
    answer = little.course("run", "01", "--profile", "sample")
    assert answer.returncode == 0, answer.stderr
    assert not empty.exists()
    (little.root / "runs" / "report.html").unlink()
    assert "report.html" in little.course("run", "01", "--profile", "sample").stdout
    assert (little.root / "runs" / "report.html").exists()


def test_a_model_that_cannot_be_read_is_named(little: Little) -> None:
    little.write(MAKER)
    little.add("02", USER, 'uses = ["thing"]')
    catalogue = little.root / "notebooks" / "course.toml"
    text = catalogue.read_text(encoding="utf-8")
    catalogue.write_text(text.replace("data = []", 'data = []\nmakes = ["thing"]', 1), "utf-8")
    assert little.course("run", "01", "--profile", "sample").returncode == 0
    for model in little.root.rglob("thing-sample.txt"):
        model.unlink()
        model.symlink_to("nowhere")
    answer = little.course("run", "02", "--profile", "sample")
    assert answer.returncode != 0
    assert "thing-sample.txt" in answer.stderr
    assert "Cannot write into" not in answer.stderr
    assert "Traceback" not in answer.stderr
