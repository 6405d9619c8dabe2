"""core, probes and the offline page on a machine without the app's packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT = """
import runpy, sys
for name in ("streamlit", "plotly", "pandas", "pyarrow", "PIL"):
    sys.modules[name] = None  # as if it were not installed
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def without_the_app(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("core", "trace", "graph-house", "{graph}", "--steps", "3"),
        ("probes", "wavefront", "graph-house", "{graph}"),
        ("figures", "report", "graph-house", "{graph}", "--out", "{out}"),
    ],
    ids=lambda words: words[0],
)
def test_commands_need_none_of_the_apps_packages(tmp_path: Path, words: tuple[str, ...]) -> None:
    graph, out = tmp_path / "graph.txt", tmp_path / "page.html"
    graph.write_text("source: a\ntarget: d\na b\nb c\nc d\n")
    done = without_the_app(*(word.format(graph=graph, out=out) for word in words))
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_app_says_what_it_lacks() -> None:
    done = without_the_app("depthscope.ui.shell.serve")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install -e '.[app]'" in done.stderr
