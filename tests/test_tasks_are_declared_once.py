"""Nobody outside a task's folder asks which task it is: no condition, no `match`, no dictionary's key, no class of it.

The table of layouts and the paper's importer may name tasks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthscope.core import tasks

ROOT = Path(__file__).parent.parent
PARTS = ("app.py", "pages", "core", "probes", "figures", "ui", "benchmarks")
NAMES = frozenset(tasks.BUILT_IN)
CLASSES = frozenset({"GraphInstance", "LogicInstance", "TextInstance"})

MAY = (  # as data: the paper's importer; inputs made to be broken or timed
    "core/exchange/paper_import.py",
    "benchmarks/robustness/fuzz",
    "benchmarks/speed/scale.py",
    "benchmarks/tables/turned_facts.py",
)


def sources(*endings: str) -> list[Path]:
    """Files outside the folders of the tasks."""
    found = []
    for part in PARTS:
        path = ROOT / part
        found += [path] if path.is_file() else [file for end in endings for file in path.rglob(f"*.{end}")]
    inside = tuple(f"core/tasks/{name}/" for name in NAMES)
    named = {file.relative_to(ROOT).as_posix(): file for file in found}
    return [file for name, file in sorted(named.items()) if not name.startswith((*inside, *MAY))]


def identity(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _named(node: ast.expr | None) -> Iterator[ast.Constant]:
    """Names of tasks among the literals of an expression, those of tuples, lists and sets in it too."""
    for part in [] if node is None else ast.walk(node):
        if isinstance(part, ast.Constant) and part.value in NAMES:
            yield part


def questions(text: str) -> Iterator[tuple[int, str]]:
    """Line and kind of each place in Python where a task is named."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            if "task" in ast.unparse(node).lower() or isinstance(node.ops[0], ast.In | ast.NotIn):
                yield from ((part.lineno, "a condition") for part in _named(node))
        elif isinstance(node, ast.MatchValue):
            yield from ((part.lineno, "a match") for part in _named(node.value))
        elif isinstance(node, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
            if set(keys) & (NAMES - {"text"}) or keys == ["text"]:  # beside others "text" is a word of plotly
                yield node.lineno, "a dictionary's key"
        elif isinstance(node, ast.Name | ast.Attribute | ast.alias):
            name = {ast.Name: "id", ast.Attribute: "attr", ast.alias: "name"}[type(node)]
            if getattr(node, name) in CLASSES:
                yield getattr(node, "lineno", 0), "an instance's class"


def questions_in_javascript(text: str) -> Iterator[tuple[int, str]]:
    """Line and kind of each place in JavaScript where a task is named."""
    name = "|".join(sorted(NAMES))
    patterns = {
        "a condition": rf"""task\s*[!=]==?\s*["'](?:{name})["']|["'](?:{name})["']\s*[!=]==?\s*[\w.]*task""",
        "a match": rf"""case\s+["'](?:{name})["']\s*:""",
        "a dictionary's key": rf"""^\s*["']?(?:{name})["']?\s*:\s*[\[{{"'(]""",
    }
    for kind, pattern in patterns.items():
        for found in re.finditer(pattern, text, re.MULTILINE):
            yield text.count("\n", 0, found.start()) + 1, kind


@pytest.mark.parametrize("path", sources("py"), ids=identity)
def test_no_python_asks_which_task_it_is(path: Path) -> None:
    assert not list(questions(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sources("js"), ids=identity)
def test_no_javascript_asks_which_task_it_is(path: Path) -> None:
    assert not list(questions_in_javascript(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        'x = 1 if instance.task == "graph" else 2',
        'if (task, data) == ("text", "paper"): pass',
        'if task in ("graph", "logic"): pass',
        'match task:\n    case "logic":\n        pass',
        'WORDS = {"graph": "graphs", "text": "texts"}',
        "isinstance(instance, GraphInstance)",
        "from depthscope.core.tasks.text.instance import TextInstance",
    ],
)
def test_a_question_is_seen(text: str) -> None:
    assert list(questions(text))


@pytest.mark.parametrize(
    "text",
    ['if (p.meta.task === "text") draw();', "const TOOLS = {\n  graph: [\n  ],\n};", 'switch (t) { case "logic": }'],
)
def test_a_question_in_javascript_is_seen(text: str) -> None:
    assert list(questions_in_javascript(text))


@pytest.mark.parametrize(
    "text", ['recipes.get("graph", "house")', 'title = {"text": "steps", "side": "right"}', 'put("text", {x: 1})']
)
def test_data_is_no_question(text: str) -> None:
    assert not list(questions(text.replace("{x: 1}", "x")))


def test_the_lists_name_files_that_are_there() -> None:
    assert all((ROOT / path).exists() for path in MAY)
