"""What was written to the docs of before `depthscope` was a package runs with a note, or is refused in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from depthscope.core.cli import main
from depthscope.core.old_imports import RENAMED, now

ROOT = Path(__file__).parents[2]

SCRIPT = """
from core.protocol import Shapes
from core import checkpoint, tasks, trace, recipes
from core.lessons import Lessons
from core.train import loss_and_answer
from probes import patch

import depthscope.core.protocol
import depthscope.core.tasks
import depthscope.probes.instruments.patch

assert Shapes is depthscope.core.protocol.Shapes
assert tasks.get("graph") is depthscope.core.tasks.get("graph")
assert patch is depthscope.probes.instruments.patch
assert depthscope.core.protocol.__spec__.name == "depthscope.core.protocol"
print(recipes.get("graph", "house").batches, trace.__name__, checkpoint.__name__)
"""

ADAPTER = """
import torch
from torch import nn

from core.encoding import SOURCE
from core.protocol import Shapes


class Neighbours(nn.Module):
    def __init__(self, config):
        if config.attention != "edges":
            raise ValueError("Neighbours reads edges")
        super().__init__()
        d = config.width
        self.config = config
        self.shapes = Shapes(width=d, heads=0, gate=False)
        self.token = nn.Embedding(config.vocabulary, d)
        self.source = nn.Parameter(torch.randn(d))
        self.keep, self.send = nn.Linear(d, d), nn.Linear(d, d)
        self.head = nn.Linear(d, 1)

    def prepare(self, batch):
        return batch

    def initial(self, batch):
        is_source = (batch.roles & SOURCE) > 0
        return torch.tanh(self.token(batch.token_ids) + is_source[..., None] * self.source)

    def step(self, state, t, batch, sink=None):
        sent = self.send(state)
        if batch.edge_index is None:
            taken = batch.allowed.to(sent) @ sent
        else:
            query, key = batch.edge_index
            flat = sent.flatten(0, 1)
            taken = torch.zeros_like(flat).index_add(0, query, flat[key]).view_as(sent)
        return torch.tanh(self.keep(state) + taken)

    def readout(self, state, batch):
        node = self.head(state).squeeze(-1)
        rows = torch.arange(len(batch), device=state.device)
        return node[..., rows, batch.answer], node
"""
"""The example of docs/adapters.md as it was."""


def run(*words: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(path), str(ROOT)))}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.slow
def test_a_script_of_before_runs_with_a_note() -> None:
    done = run("-c", SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["800", "depthscope.core.trace", "depthscope.core.checkpoint"]
    assert done.stderr.count("note:") == 1
    assert "write `from depthscope.core.protocol import ...`" in done.stderr


@pytest.mark.slow
def test_an_adapter_of_before_is_whole(tmp_path: Path) -> None:
    (tmp_path / "neighbours.py").write_text(ADAPTER)
    done = run("-m", "core", "check", "neighbours:Neighbours", "--task", "graph", path=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "neighbours:Neighbours is whole" in done.stdout
    assert "write `from depthscope.core.encoding import ...`" in done.stderr


@pytest.mark.slow
def test_what_is_no_more_is_one_sentence() -> None:
    done = run("-c", "from figures.drawing import choose")
    assert done.returncode == 1
    assert "there is no figures.drawing any more; write `from depthscope.figures...`" in done.stderr


@pytest.mark.slow
def test_no_note_without_a_former_name() -> None:
    done = run("-m", "core", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_new_name_is_there() -> None:
    assert all(now(old) is not None for old in (*RENAMED, "core.encoding", "core.about", "probes.wavefront"))
    assert now("core.nothing") is None


def test_without_a_checkout_an_adapter_of_before_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the wheel there is no `core` to import: as here, where none is found."""
    (tmp_path / "older.py").write_text("from core.protocol import Shapes\n")

    class NoCore:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "core":
                raise ModuleNotFoundError("No module named 'core'", name="core")

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [NoCore, *sys.meta_path])
    assert main(["check", "older:Model"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "write `from depthscope.core... import ...`" in err
