"""The wheel holds all that the commands need: installed without the checkout, they run from any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
GRAPH = "source: a\ntarget: d\na b\nb c\nc d\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of the wheel, as pip would put them beside the other packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / done.stdout.split()[-1]) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, folder: Path, *words: str) -> str:
    """What `depthscope WORDS` prints in a folder that is not the checkout."""
    # -P keeps the working folder off the path; what is asked for first is found first, before an editable install
    command = [sys.executable, "-P", "-m", "depthscope", *words]
    environment = {**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_commands_run_from_another_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text(GRAPH)
    listed = json.loads(run(installed, tmp_path, "list", "--json"))
    assert [row["name"] for row in listed] == sorted(p.parent.name for p in ROOT.glob("checkpoints/*/config.json"))
    traced = json.loads(run(installed, tmp_path, "trace", "graph-house", "graph.txt", "--steps", "8", "--json"))
    assert (traced["label"], traced["answer"], len(traced["logits"])) == (1, 1, 9)
    measured = "--difficulty", "1,3", "--steps", "4", "--instances", "4", "--json"
    assert json.loads(run(installed, tmp_path, "frontier", "graph-house", *measured))["difficulty"] == [1, 3]
    run(installed, tmp_path, "report", "graph-house", "graph.txt", "--steps", "8", "--out", "page.html")
    assert "<html" in (tmp_path / "page.html").read_text()[:200]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.txt", "page.html"]


def test_it_holds_what_the_app_shows(installed: Path) -> None:
    package = installed / "depthscope"
    pages = sorted(path.name for path in (ROOT / "pages").glob("*.py"))
    assert sorted(path.name for path in (package / "pages").glob("*.py")) == pages
    for file in ("app.py", ".streamlit/config.toml", "docs/glossary.md", "docs/instruments/wavefront.md"):
        assert (package / file).read_bytes() == (ROOT / file).read_bytes()
    for folder in ("static", "core", "probes", "figures", "ui"):
        assert not (package / folder).is_symlink()
        held = {p.relative_to(package) for p in (package / folder).rglob("*") if "__pycache__" not in p.parts}
        due = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if "__pycache__" not in p.parts}
        assert held == due


def test_what_the_app_trains_lies_with_the_user(installed: Path, tmp_path: Path) -> None:
    code = "from depthscope.ui.checkpoints import training_run; print(training_run.RUNS)"
    environment = {**os.environ, "PYTHONPATH": str(installed), "DEPTHSCOPE_HOME": str(tmp_path / "mine")}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == str(tmp_path / "mine" / "runs" / "app")
