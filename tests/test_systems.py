"""What must hold on Windows and macOS, as far as it can be tried on any system."""

import ast
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from course import keeping, machine
from course.catalogue import chapters, parameters
from course.running import plan, signals, watch
from course.running.processes import exit_name
from helpers import datasets, downloads, files, frozen, pretrained
from helpers.datasets import DataError
from tests.conftest import CHAPTER, ROOT, Answer, Little
from tests.support import run_json

Here = Callable[..., Answer]
UMLAUTS = "Käthes Kurs (2. Versuch)"
LONGEST = 260  # letters of a path on Windows, where nobody has allowed longer ones
ROOM = 60  # of them for the folder that a student clones the course into
RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789"),
}
# Of the modules os and signal, what Windows lacks.
POSIX = {
    *(
        "fork",
        "getuid",
        "geteuid",
        "getpgid",
        "killpg",
        "setsid",
        "waitid",
        "uname",
        "nice",
        "statvfs",
    ),
    *("getloadavg", "sched_getaffinity", "mkfifo", "chown", "sysconf"),
    *(
        "SIGHUP",
        "SIGKILL",
        "SIGALRM",
        "SIGUSR1",
        "SIGUSR2",
        "SIGPIPE",
        "SIGCHLD",
        "alarm",
        "setitimer",
    ),
}
POSIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "posix"}


def tracked() -> list[str]:
    """The files that git knows, with forward slashes."""
    asked = ["git", "-c", f"safe.directory={ROOT.as_posix()}", "ls-files", "-z"]
    answer = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True)
    return answer.stdout.decode().rstrip("\0").split("\0")


# Names of files -------------------------------------------------------------------------------


def test_no_two_files_have_names_that_differ_in_case_only() -> None:
    lower = [name.lower() for name in tracked()]
    assert len(lower) > 100
    assert [name for name in lower if lower.count(name) > 1] == []


def test_every_file_has_a_name_that_windows_can_store() -> None:
    for name in tracked():
        assert len(name) <= LONGEST - ROOM, name
        for part in name.split("/"):
            assert not re.search(r'[<>:"\\|?*\x00-\x1f]', part), name
            assert not part.endswith((".", " ")), name
            assert part.split(".")[0].lower() not in RESERVED, name


def test_choices_of_a_parameter_differ_in_more_than_case() -> None:
    for chapter in chapters().values():
        for parameter in parameters(chapter).values():
            lower = [choice.lower() for choice in parameter.choices]
            assert len(set(lower)) == len(lower), (chapter.name, parameter.name)


@pytest.mark.parametrize("number", chapters())
def test_a_run_with_every_parameter_changed_has_a_short_and_valid_path(number: str) -> None:
    chapter = chapters()[number]
    asked = []
    for name, each in parameters(chapter).items():
        if name == "profile":
            continue
        others = [choice for choice in each.choices if choice != each.default]
        if each.kind == "bool":
            others = [str(not each.default).lower()]
        low = f"{each.low:.0f}" if each.kind == "int" else str(each.low)
        asked.append(f"{name}={others[0] if others else low}")
    [run] = plan.plan([chapter], ["full"], asked, None)
    deepest = f"runs/gpu/{run.folder}/001/.{run.notebook}.ipynb-12345678.tmp"
    assert len(deepest) <= LONGEST - ROOM, deepest
    assert not re.search(r'[<>:"\\|?*]', run.folder) and not run.folder.endswith(".")
    kept = keeping.stem(f"{number}-full-{'-'.join(asked)}")
    assert len(kept) <= keeping.LONGEST and kept == kept.lower()


def test_long_names_of_kept_runs_stay_apart() -> None:
    long = "01-quick-" + "-".join(f"parameter_{n}=0.{n}" for n in range(20))
    assert keeping.stem(long) != keeping.stem(f"{long}1")
    assert keeping.stem(long)[:40] == long[:40]
    assert keeping.stem("01-quick-seed=3") == "01-quick-seed=3"


# Calls that Windows lacks ---------------------------------------------------------------------


def test_posix_calls_have_an_alternative() -> None:
    found = []
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "tools").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Attribute(value=ast.Name(id="os" | "signal"), attr=name) if name in POSIX:
                    guarded = f'hasattr({node.value.id}, "{name}")' in text  # type: ignore[attr-defined]
                    found += [] if guarded else [f"{path.name}: {name}"]
                case ast.Import(names=names) if {each.name for each in names} & POSIX_MODULES:
                    guarded = "sys.platform ==" in text or "os.name ==" in text
                    found += [] if guarded else [f"{path.name}: line {node.lineno}"]
    assert found == []


# Modules whose function `open` returns no text.
NO_TEXT = ("Image", "os", "tarfile")


def without_encoding(text: str) -> list[int]:
    """The lines of a source that open a text in whichever encoding a system prefers."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(attr="read_text" | "write_text" as name)):
                mode, position = "", {"read_text": 0, "write_text": 1}[name]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="open")) if (
                owner in NO_TEXT
            ):
                continue
            case ast.Call(func=ast.Attribute(attr="open")):
                mode, position = _mode(node, 0), 2
            case ast.Call(func=ast.Name(id="open" | "fdopen") | ast.Attribute(attr="fdopen")):
                mode, position = _mode(node, 1), 3
            case _:
                continue
        named = {each.arg for each in node.keywords}
        a_lock = ".lock" in ast.unparse(node.func)  # nobody writes into it
        if not ("b" in mode or "encoding" in named or len(node.args) > position or a_lock):
            found.append(node.lineno)
    return found


def _mode(call: ast.Call, position: int) -> str:
    """The mode in which a call opens a file."""
    given = [each.value for each in call.keywords if each.arg == "mode"]
    match [*given, *call.args[position : position + 1]]:
        case [ast.Constant(value=str(mode)), *_]:
            return mode
    return ""


def test_text_is_read_and_written_in_the_same_encoding_everywhere() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    for path in [*sources, *(ROOT / "notebooks").glob("*.py")]:
        assert without_encoding(path.read_text(encoding="utf-8")) == [], path.name


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("path.read_text()", True),
        ('path.read_text("utf-8")', False),
        ("path.write_text(text)", True),
        ('path.write_text(text, encoding="utf-8")', False),
        ("path.open()", True),
        ('(folder / "log.txt").open("w")', True),
        ('path.open(mode="a", newline="")', True),
        ('path.open("w", encoding="utf-8")', False),
        ('path.open("rb")', False),
        ('folder.with_name(f"{folder.name}.lock").open("w")', False),
        ("open(name)", True),
        ('open(name, "w")', True),
        ('open(name, "w", encoding="utf-8")', False),
        ('open(name, mode="wb")', False),
        ('os.fdopen(handle, "w")', True),
        ('fdopen(handle, "w")', True),
        ('os.fdopen(handle, "wb")', False),
        ("os.open(os.devnull, os.O_WRONLY)", False),
        ("Image.open(path)", False),
        ('tarfile.open(source, "r:*")', False),
    ],
)
def test_a_text_without_an_encoding_is_noticed(call: str, found: bool) -> None:
    assert without_encoding(call) == ([1] if found else [])


def test_a_batch_stops_in_order_where_there_is_no_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = signal.getsignal(signal.SIGINT)
    for name in ("SIGTERM", "SIGHUP"):
        monkeypatch.delattr(signal, name, raising=False)
    try:
        with signals.stop_signals() as seen, pytest.raises(signals.Stopped), seen.interrupting():
            signal.raise_signal(signal.SIGINT)
        assert seen.seen == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, usual)


def test_a_run_gets_a_group_of_its_own_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "os", SimpleNamespace(name="nt"))
    assert list(watch._own_group()) == ["creationflags"]


def test_how_a_process_ended_has_a_name_on_windows() -> None:
    assert exit_name(0xC0000005) == "exit code 3221225477"  # an access violation


def test_cores_are_counted_where_they_cannot_be_assigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(machine.os, "sched_getaffinity", raising=False)
    assert machine.cores() >= 1


@pytest.mark.parametrize("mirror", [r"C:\lab\mirror", "D:/mirror", r"\\server\share\mirror"])
def test_a_folder_of_windows_is_no_address(mirror: str) -> None:
    with pytest.raises(DataError, match=r"has no readable manifest.toml \(FileNotFoundError"):
        downloads.read_manifest(mirror)


# Files that are in use ------------------------------------------------------------------------


def in_use() -> Iterator[Path]:
    """Files that this process holds open or mapped; Windows refuses to move or delete them."""
    process = psutil.Process()
    yield from (Path(each.path) for each in process.open_files())
    yield from (Path(each.path) for each in process.memory_maps())


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Refuse to move what is in use, as Windows does; return what was moved."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / UMLAUTS))
    monkeypatch.delenv("COURSE_MIRROR", raising=False)
    moved: list[Path] = []

    def watched(name: str) -> Callable[[Path, Path], Path]:
        original = getattr(Path, name)

        def move(source: Path, target: Path) -> Path:
            resolved = source.resolve()
            held = [path for path in in_use() if path == resolved or resolved in path.parents]
            if held:
                raise PermissionError(13, "The file is in use by this process", str(held[0]))
            moved.append(source)
            return original(source, target)

        return move

    for name in ("replace", "rename"):
        monkeypatch.setattr(Path, name, watched(name))
    return moved


def test_features_are_put_in_place_after_they_were_unmapped(strict: list[Path]) -> None:
    base = pretrained.load("mobilenet", 32, weights="random")
    prefix, _ = frozen.cut(base, "conv_pw_1_relu")
    pictures = np.zeros((3, 32, 32, 3), "uint8")
    first = np.array(frozen.features(prefix, pictures))
    assert [path.suffix for path in strict] == [".partial", ".tmp"]
    np.testing.assert_array_equal(frozen.features(prefix, pictures), first)


def test_prepared_data_and_converted_weights_are_put_in_place_when_closed(
    strict: list[Path], tmp_path: Path
) -> None:
    data = datasets.load("mnist", "sample")
    assert len(data.train[0]) == 4000
    assert len(strict) == 1
    pretrained.load("efficientnet_lite0", 32)
    files.write_atomically(tmp_path / "text", "text")
    assert len(strict) == 4


# Runs on such machines ------------------------------------------------------------------------


def moved(little: Little, root: Path) -> Little:
    """The same checkout in another folder."""
    root.parent.mkdir(parents=True, exist_ok=True)
    little.root.rename(root)
    there = Little(root)
    there.environment["PYTHONIOENCODING"] = "cp1252"
    return there


SAYS = CHAPTER.replace('print("the end")', 'print("Grüße 漢")\nraise KeyError("kein Schlüssel 漢")')


def test_a_folder_with_umlauts_and_a_console_without_them(little: Little, tmp_path: Path) -> None:
    deep = tmp_path / UMLAUTS / ("long " * 9 + "folder") / ("longer " * 20 + "folder")
    there = moved(little, deep)
    assert len(str(there.root)) > LONGEST
    there.write(SAYS)
    answer = subprocess.run(
        there.command("run", "--profile", "sample"),
        cwd=there.root,
        env=there.environment,
        capture_output=True,
        encoding="cp1252",
        timeout=120,
    )
    assert answer.returncode == 1, answer.stderr
    assert "chapter 01 failed in cell 5: KeyError: 'kein Schlüssel \\u6f22'" in answer.stderr
    facts = run_json(there.root / "runs" / "01_little-sample" / "001")
    assert facts["error"]["message"] == "'kein Schlüssel 漢'"
    assert "Grüße 漢" in facts["tail"]


def test_line_ends_of_windows_change_nothing(little: Little, here: Here) -> None:
    assert here("sync").returncode == 0
    checked = here("check")
    [before] = plan.plan([chapters()["01"]], ["sample"], [], None)
    plan.set_key(before, "this machine", {})
    kinds = (".py", ".ipynb", ".toml", ".md")
    texts = [path for path in little.root.rglob("*") if path.suffix in kinds]
    for path in texts:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    plan.chapter_digests.cache_clear()
    [after] = plan.plan([chapters()["01"]], ["sample"], [], None)
    plan.set_key(after, "this machine", {})
    assert after.key == before.key
    assert here("check") == checked
    run = here("run", "--profile", "sample", "--dry-run")
    assert run.returncode == 0, run.stderr


def test_git_gives_every_system_the_same_line_ends() -> None:
    attributes = (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "* text=auto eol=lf" in attributes


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")]
)
def test_a_folder_that_cannot_be_written_is_one_sentence(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    assert here("sync").returncode == 0
    original = Path.mkdir

    def mkdir(path: Path, *words: object, **named: object) -> None:
        if path.name == "runs" or "cache" in path.parts:
            raise error
        original(path, *words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", mkdir)
    answer = here("run", "--profile", "sample")
    assert answer.returncode == 2
    assert answer.stderr == (
        f"course: Cannot write into runs ({error.strerror}): make room or use another --out.\n"
    )
    with pytest.raises(DataError, match=rf"Cannot write the data into .*{error.strerror}"):
        datasets.prepared("mnist", "sample")


def test_a_chapter_that_cannot_be_replaced_is_one_sentence(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("course.notebooks.files.tempfile.mkstemp", refuse)
    answer = here("sync")
    assert answer.returncode == 2
    assert re.fullmatch(
        r"course: .*01_little\.\w+ cannot be written: Permission denied\.\n", answer.stderr
    )
