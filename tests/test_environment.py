"""The tool that makes the Python environment, with an installer that only pretends."""

import ast
import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import psutil
import pytest

from helpers.places import ROOT
from tests.support import put_in_path

TOOL = ROOT / "tools" / "environment.py"
LOCK = (
    "uv==1.0 \\\n    --hash=sha256:00\n    # via convnet-course\n"
    "keras==3.0 \\\n    --hash=sha256:11\n"
)


class Installer:
    """Take the place of every command that the tool calls, and note what was asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps: list[str] = []
        self.commands: list[str] = []
        self.fails: set[str] = set()
        self.interrupted_at = ""

    def __call__(self, words: list[object], log: Path, more: object = None) -> bool:
        said = " ".join(map(str, words))
        if " -m venv " in said:
            step = "venv"
            python = Path(str(words[-1])) / (
                "Scripts/python.exe" if os.name == "nt" else "bin/python"
            )
            python.parent.mkdir(parents=True, exist_ok=True)
            python.unlink(missing_ok=True)
            python.symlink_to(sys.executable)
        elif "--editable" in said:
            step = "course"
        elif "uv.lock" in said:
            step = "uv itself"
        else:
            step = ("uv " if " -m uv " in said else "pip ") + Path(str(words[-1])).name
            assert "--require-hashes" in words
        self.steps.append(step)
        self.commands.append(said)
        log.write_text(f"the log of {step}", encoding="utf-8")
        if step == self.interrupted_at:
            raise KeyboardInterrupt
        return step not in self.fails


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    root = tmp_path / "a course with ümlauts"
    root.mkdir()
    for lock in ("requirements.lock", "requirements-dev.lock"):
        (root / lock).write_text(LOCK, encoding="utf-8")
    (root / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("environment", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", root)
    return module


@pytest.fixture
def installer(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Installer:
    made = Installer(tool.ROOT)
    monkeypatch.setattr(tool, "call", made)
    monkeypatch.setattr(tool, "sources_of_packages", lambda python: {})
    return made


def test_an_environment_is_made_once(tool: ModuleType, installer: Installer) -> None:
    assert tool.main([]) == 0
    assert installer.steps == ["venv", "uv itself", "uv requirements.lock", "course"]
    assert tool.main([]) == 0
    assert len(installer.steps) == 4


def test_an_environment_of_another_python_is_named(
    tool: ModuleType, installer: Installer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main([]) == 0
    assert "has Python" not in capsys.readouterr().out
    tool.python_of(tool.ROOT / ".venv").unlink()
    python = put_in_path(tool.ROOT / ".venv" / "bin", "python", "#!/bin/sh\necho 3.99\n")
    assert python
    assert tool.main([]) == 0
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    said = f".venv has Python 3.99, not {here}: delete it to have it made with {here}."
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("forbidden", [True, False])
def test_packages_are_compiled_at_once_only_where_python_may_not_do_it_later(
    tool: ModuleType, installer: Installer, forbidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", forbidden)
    assert tool.main([]) == 0
    [command] = [said for said in installer.commands if said.endswith("requirements.lock")]
    assert ("--compile-bytecode" in command) == forbidden


def test_uv_is_installed_by_the_hash_that_the_lock_gives(tool: ModuleType) -> None:
    assert tool.pin("requirements.lock", "uv") == "uv==1.0 \\\n    --hash=sha256:00\n"


def test_the_tests_packages_come_on_top_of_the_course(
    tool: ModuleType, installer: Installer
) -> None:
    tool.main([])
    installer.steps.clear()
    assert tool.main(["dev"]) == 0
    assert installer.steps == ["uv itself", "uv requirements-dev.lock", "course"]
    assert tool.main([]) == 0
    assert len(installer.steps) == 3, "the larger environment serves to run the course as well"


def test_another_lock_makes_a_new_environment(tool: ModuleType, installer: Installer) -> None:
    tool.main([])
    installer.steps.clear()
    (tool.ROOT / "requirements.lock").write_text(LOCK + "jax==1.0 \\\n", encoding="utf-8")
    assert tool.main([]) == 0
    assert installer.steps[0] == "venv"


def test_another_pyproject_installs_only_the_course_again(
    tool: ModuleType, installer: Installer
) -> None:
    tool.main([])
    installer.steps.clear()
    (tool.ROOT / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    assert tool.main([]) == 0
    assert installer.steps == ["course"]


def test_line_ends_of_windows_are_no_other_lock(tool: ModuleType, installer: Installer) -> None:
    tool.main([])
    path = tool.ROOT / "requirements.lock"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert tool.main([]) == 0
    assert len(installer.steps) == 4


@pytest.mark.parametrize("step", ["uv requirements.lock", "course"])
def test_a_half_made_environment_is_made_again(
    tool: ModuleType, installer: Installer, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    installer.interrupted_at = step
    assert tool.main([]) == 130
    assert "Stopped; the same command starts again." in capsys.readouterr().err
    installer.interrupted_at = ""
    installer.steps.clear()
    assert tool.main([]) == 0
    assert installer.steps == ["venv", "uv itself", "uv requirements.lock", "course"]


def test_an_environment_whose_python_is_gone_is_made_again(
    tool: ModuleType, installer: Installer
) -> None:
    tool.main([])
    tool.python_of(tool.ROOT / ".venv").unlink()
    installer.steps.clear()
    assert tool.main([]) == 0
    assert installer.steps[0] == "venv"


def test_an_environment_that_was_moved_is_made_again(
    tool: ModuleType, installer: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs in it begin with the path of the Python with which they were installed."""
    tool.main([])
    elsewhere = tool.ROOT.with_name("the same course")
    tool.ROOT.rename(elsewhere)
    monkeypatch.setattr(tool, "ROOT", elsewhere)
    installer.steps.clear()
    assert tool.main([]) == 0
    assert installer.steps[0] == "venv"
    installer.steps.clear()
    assert tool.main([]) == 0
    assert installer.steps == []


@pytest.mark.parametrize("step", ["uv itself", "uv requirements.lock"])
def test_pip_takes_over_where_uv_cannot(
    tool: ModuleType, installer: Installer, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    installer.fails = {step}
    assert tool.main([]) == 0
    assert installer.steps[-2:] == ["pip requirements.lock", "course"]
    assert "trying pip" in capsys.readouterr().out


def test_a_failure_ends_with_what_pip_said(
    tool: ModuleType, installer: Installer, capsys: pytest.CaptureFixture[str]
) -> None:
    installer.fails = {"uv itself", "pip requirements.lock"}
    assert tool.main([]) == 1
    said = capsys.readouterr().err
    assert "The packages of requirements.lock cannot be installed" in said
    assert "the log of pip requirements.lock" in said
    assert not (tool.ROOT / ".venv" / ".ready").exists()


def test_a_second_process_waits_for_the_first(
    tool: ModuleType, installer: Installer, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tool.ROOT / ".venv"
    second = threading.Thread(target=tool.main, args=([],))
    said = ""
    with tool.alone(folder):
        second.start()
        while "waiting for it" not in said:
            time.sleep(0.05)
            said += capsys.readouterr().out
        assert installer.steps == []
        tool.install(folder, "requirements.lock")
    second.join(timeout=30)
    assert not second.is_alive()
    assert installer.steps.count("venv") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a lock with the process that took it")
def test_a_step_that_outlives_the_tool_keeps_others_waiting(
    tool: ModuleType, tmp_path: Path
) -> None:
    folder, log = tool.ROOT / ".venv", tmp_path / "log"
    step = "import sys; sys.stdin.read()"
    holder = (
        "import importlib.util, os, pathlib, sys\n"
        f"spec = importlib.util.spec_from_file_location('environment', {str(TOOL)!r})\n"
        "tool = importlib.util.module_from_spec(spec); spec.loader.exec_module(tool)\n"
        f"with tool.alone(pathlib.Path({str(folder)!r})):\n"
        "    print('locked', flush=True)\n"
        f"    tool.call([sys.executable, '-c', {step!r}], pathlib.Path({str(log)!r}))\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdin is not None and first.stdout is not None
    assert first.stdout.readline() == "locked\n"
    while not psutil.Process(first.pid).children():
        time.sleep(0.05)
    first.kill()
    first.wait()
    with folder.with_name(".venv.lock").open("w") as file:
        assert not tool._take(file.fileno()), "the step goes on, so the lock must hold"
        first.stdin.close()  # The step reads the end of its input and ends.
        while not tool._take(file.fileno()):
            time.sleep(0.05)
    first.stdout.close()


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 10, 2), (3, 14, 0)])
def test_a_python_that_does_not_fit_is_named(
    tool: ModuleType,
    installer: Installer,
    version: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tool.sys, "version_info", version)
    assert tool.main([]) == 1
    said = capsys.readouterr().err
    assert f"needs Python 3.11, 3.12 or 3.13, and {sys.executable} is 3.{version[1]}" in said
    assert "make PYTHON=python3.12 run" in said
    assert installer.steps == []


@pytest.mark.parametrize(
    ("version", "system", "processor"),
    [
        ((3, 12, 1), "linux", "x86_64"),
        ((3, 11, 1), "win32", "x86_64"),
        ((3, 11, 1), "linux", "arm64"),
    ],
)
def test_the_lock_for_graphics_cards_fits_one_python_on_one_system(
    tool: ModuleType,
    installer: Installer,
    version: tuple[int, ...],
    system: str,
    processor: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tool.ROOT / "requirements-gpu.lock").write_text(LOCK, encoding="utf-8")
    fitting = SimpleNamespace(version_info=(3, 11, 1), platform="linux")
    for facts, machine in (
        ({"platform": system, "version_info": version}, processor),
        ({}, "x86_64"),
    ):
        found = SimpleNamespace(**{**vars(sys), **vars(fitting), **facts})
        monkeypatch.setattr(tool, "sys", found)
        monkeypatch.setattr(tool.platform, "machine", lambda machine=machine: machine)
        if facts:
            with pytest.raises(tool.Stop, match=f"Python 3.11 on Linux .*{version[1]} on {system}"):
                tool.check_python("gpu")
        else:
            tool.check_python("gpu")
    assert tool.main(["gpu"]) == 0
    assert installer.steps == ["venv", "uv itself", "uv requirements-gpu.lock", "course"]
    assert (tool.ROOT / ".venv-gpu" / ".ready").exists()
    assert not (tool.ROOT / ".venv").exists()


def test_a_lock_without_uv_is_named(tool: ModuleType) -> None:
    (tool.ROOT / "requirements.lock").write_text(LOCK.replace("uv==", "uvloop=="), "utf-8")
    with pytest.raises(tool.Stop, match="does not pin uv: renew the locks"):
        tool.pin("requirements.lock", "uv")


def test_an_older_python_understands_the_tool() -> None:
    ast.parse(TOOL.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_a_python_without_pip_is_told_what_to_install(
    tool: ModuleType,
    installer: Installer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found: Callable[[str], object] = lambda name: None if name == "ensurepip" else object()  # noqa: E731
    monkeypatch.setattr(tool.importlib.util, "find_spec", found)
    assert tool.main([]) == 1
    assert "python3-venv" in capsys.readouterr().err


@pytest.mark.parametrize(
    "message", ["[Errno 28] No space left on device", "There is not enough space on the disk."]
)
def test_a_full_disk_is_one_sentence(tool: ModuleType, tmp_path: Path, message: str) -> None:
    with pytest.raises(tool.Stop, match="make room and repeat the command"):
        tool.call([sys.executable, "-c", f"raise SystemExit({message!r})"], tmp_path / "log")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.ROOT.chmod(0o500)
    assert tool.main([]) == 1
    assert "check the permissions" in capsys.readouterr().err


def test_the_index_of_pips_configuration_is_passed_on(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://packages.example/simple\n"
        f"find-links =\n    /no/such/folder\n    {tmp_path}\n"
        "extra-index-url =\n    https://one.example/simple\n    https://two.example/simple\n"
    )
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    found = tool.sources_of_packages(Path(sys.executable))
    assert found["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
    assert found["UV_FIND_LINKS"] == str(tmp_path)
    assert found["UV_INDEX"] == "https://one.example/simple https://two.example/simple"


def test_an_unknown_kind_shows_the_usage(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["everything"]) == 2
    assert "python tools/environment.py dev" in capsys.readouterr().err
