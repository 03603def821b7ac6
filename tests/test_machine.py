"""What is known of this machine and its graphics cards; every card here is made up."""

import importlib.metadata
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace

import pytest

from course import gpu, machine
from course.catalogue import find
from course.errors import CourseError
from tests.conftest import Answer, Little
from tests.support import CARD, NVML, add_cards


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cached = (machine.environment, machine.installed_cards, machine.cards)
    cached += (machine.ask_backend, machine.fingerprint)
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


def fake_driver(monkeypatch: pytest.MonkeyPatch, count: int, hangs: float = 0) -> ModuleType:
    text = NVML.replace("{count}", str(count)).replace("{hangs}", str(hangs))
    module = ModuleType("pynvml")
    exec(text.replace("{used}", "0"), module.__dict__)
    monkeypatch.setitem(__import__("sys").modules, "pynvml", module)
    return module


def test_without_its_library_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    assert machine.installed_cards() == ()
    assert machine.used_bytes("0") is None


def test_without_a_driver_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake_driver(monkeypatch, 1)

    def absent() -> None:
        raise module.NVMLError("NVML Shared Library Not Found")

    monkeypatch.setattr(module, "nvmlInit", absent)
    assert machine.installed_cards() == ()


def test_a_driver_that_hangs_has_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, 1, hangs=3600)
    monkeypatch.setattr(machine, "DRIVER_SECONDS", 0.1)
    assert machine.installed_cards() == ()
    assert machine.used_bytes("0") is None


def test_a_hanging_driver_holds_up_no_command(little: Little) -> None:
    add_cards(little, hangs=3600)
    source = little.root / "src" / "course" / "machine.py"
    patient = source.read_text(encoding="utf-8")
    assert "DRIVER_SECONDS = 10.0" in patient
    source.write_text(patient.replace("DRIVER_SECONDS = 10.0", "DRIVER_SECONDS = 0.1"), "utf-8")
    answer = little.course("run", "--profile", "sample", "--dry-run")
    assert answer.returncode == 0, answer.stderr


def test_a_backend_that_hangs_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ASK", "import time; time.sleep(3600)")
    monkeypatch.setattr(machine, "BACKEND_SECONDS", 0.2)
    with pytest.raises(CourseError, match="Keras did not list its devices"):
        machine.ask_backend()


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, ["0", "1"]),
        ("1", ["1"]),
        ("1, 0", ["1", "0"]),
        ("0,-1,1", ["0"]),
        ("0,7,1", ["0"]),
        ("7", []),
        ("", []),
        ("-1", []),
        ("GPU-bb", ["GPU-bb"]),
        ("MIG-cc", ["MIG-cc"]),
    ],
)
def test_only_visible_cards_count(
    visible: str | None, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_driver(monkeypatch, 2)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [card.index for card in machine.cards()] == found
    assert len(machine.installed_cards()) == 2


def test_a_card_is_named_with_driver_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, 1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [str(card) for card in machine.cards()] == [CARD]
    assert str(machine.Card("0", "NVIDIA GB10", "580.82.09", float("inf"))).endswith("[N/A]")


def test_an_unknown_backend_is_refused(
    here: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    answer = here("run", "--profile", "sample")
    assert answer.returncode == 2
    assert 'KERAS_BACKEND is "theano"' in answer.stderr


def test_a_card_too_small_for_a_chapter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def there(*cards: machine.Card) -> None:
        monkeypatch.setattr(machine, "cards", lambda: cards)

    monkeypatch.setattr(machine, "ask_backend", lambda: machine.Backend("tensorflow", ("GPU:0",)))
    large = machine.Card("0", "NVIDIA H100 80GB HBM3", "570.86.15", 81559)
    small = machine.Card("1", "NVIDIA T400", "570.86.15", 2048)
    there(small)
    with pytest.raises(CourseError, match=r"Chapter 03 needs [\d,]+ MB of GPU memory.*2,147"):
        gpu.check_device(find(["03"]), "full")
    there(large, small)
    with pytest.raises(CourseError, match="NVIDIA T400 has 2,147"):
        gpu.check_device(find(["03"]), "full")
    there(large)
    gpu.check_device(find(["03"]), "full")
    there(machine.Card("0", "NVIDIA GB10", "580.82.09", float("inf")))
    gpu.check_device(find(["03"]), "full")


def test_a_backend_may_come_in_another_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"tensorflow_cpu": "2.21.0"}

    def version(name: str) -> str:
        if name not in found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    named = {"tensorflow": ["tensorflow_cpu"]}
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: named)
    assert machine._version("tensorflow") == "2.21.0 (tensorflow_cpu)"
    with pytest.raises(CourseError, match="keras is not installed"):
        machine._version("keras")


def test_a_package_and_a_driver_make_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def on(card: str) -> machine.Environment:
        device = machine.Device("a processor", 2, (card,))
        return machine.Environment("3.11.7", "tensorflow", {}, "", device)

    installed = [SimpleNamespace(name="scikit-learn", version="1.8.0")]
    monkeypatch.setattr(machine.importlib.metadata, "distributions", lambda: installed)
    found = []
    for card, version in (("570.86.15", "1.8.0"), ("580.82.09", "1.8.0"), ("580.82.09", "1.8.1")):
        here = on(f"A card, {card}, 8 MiB")
        monkeypatch.setattr(machine, "environment", lambda here=here: here)
        installed[0].version = version
        machine.fingerprint.cache_clear()
        found.append(machine.fingerprint())
    machine.fingerprint.cache_clear()
    assert found[0].startswith("A card, 570.86.15 with packages ")
    assert len(set(found)) == 3
    monkeypatch.undo()


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert machine.cores() == 1
    monkeypatch.delattr(machine.os, "sched_getaffinity")
    assert machine.cores() == machine.os.cpu_count()


@pytest.mark.parametrize(("devices", "cards"), [((), 0), (("GPU:0", "GPU:1"), 2)])
def test_only_cards_that_the_backend_sees_are_recorded_and_shared_out(
    devices: tuple[str, ...],
    cards: int,
    here: Callable[..., Answer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_driver(monkeypatch, 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "ask_backend", lambda: machine.Backend("tensorflow", devices))
    monkeypatch.setattr(machine, "cores", lambda: 8)
    assert len(machine.environment().device.gpus) == len(machine.gpus()) == cards
    answer = here("run", "--profile", "sample", "--seeds", "3", "--dry-run")
    assert f"3 runs, {cards or 3} at a time" in answer.stdout
