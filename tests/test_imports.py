"""The house's one rule: imports point down only."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"app", "ui", "pages", "figures", "probes", "core", "benchmarks"}
BELOW = {  # what each part may import of ours, itself included
    "core": {"core"},
    "probes": {"core", "probes"},
    "figures": {"core", "probes", "figures"},
    "ui": {"core", "probes", "figures", "ui"},
    "pages": {"core", "probes", "figures", "ui"},
    "app": {"core", "probes", "figures", "ui"},
    "benchmarks": {"core", "probes", "figures", "ui", "benchmarks"},
}
NEVER = {  # libraries a part knows nothing of
    "core": {"streamlit", "plotly", "sklearn", "matplotlib"},
    "probes": {"streamlit", "plotly", "matplotlib"},
    "figures": {"streamlit"},
}
NO_PICKLE = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}


def sources() -> list[Path]:
    found = [path for part in OURS for path in (ROOT / part).rglob("*.py")]
    return sorted(found + [path for part in OURS if (path := ROOT / f"{part}.py").is_file()])


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def first(name: str) -> str:
    """The library a module is of, or our part: ours are parts of `depthscope`, by that name alone."""
    top, *rest = name.split(".")
    assert top not in OURS - {"benchmarks"}, f"import depthscope.{name}: the parts are one package"
    return rest[0] if top == "depthscope" and rest else top


def imports(path: Path) -> set[str]:
    """First names of all modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {first(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [node.module] if node.module != "depthscope" else [f"depthscope.{a.name}" for a in node.names]
            found |= {first(name or "") for name in names}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
                found.add(first(str(node.args[0].value)))
    return found


def identity(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources(), ids=identity)
def test_imports_point_down(path: Path) -> None:
    part, found = part_of(path), imports(path)
    assert not (found & OURS) - BELOW[part]
    assert not found & NEVER.get(part, set())
    assert not found & NO_PICKLE


def test_the_parts_are_there() -> None:
    parts = {part_of(path) for path in sources()}
    assert "core" in parts
    assert parts <= set(BELOW)


@pytest.mark.slow
def test_only_the_import_reads_pt_files() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert (
                called != "torch.save" or path == ROOT / "benchmarks" / "robustness" / "fuzz" / "files.py"
            )  # to fuzz the import
            assert options.get("allow_pickle", "False") == "False", path
            if called == "torch.load":
                assert path == ROOT / "core" / "exchange" / "paper_import.py"
                assert options["weights_only"] == "True"


def test_a_name_of_ours_is_not_one_of_the_standard_library() -> None:
    assert not OURS & sys.stdlib_module_names
