"""Settings of the tests of core, and checkpoints with random weights to run them on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from depthscope.core import checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.model import DepthRecurrentTransformer

torch.set_num_threads(1)  # the models are tiny: more threads only wait for each other

CONFIGS = {
    "graph": ModelConfig("graph", vocabulary=2, width=16, heads=2, mlp_width=24),
    "logic": ModelConfig("logic", vocabulary=10, width=16, heads=2, mlp_width=24),
    "tokens": ModelConfig("logic", vocabulary=10, width=16, heads=2, mlp_width=24, attention="full", position="rope"),
    "paper": ModelConfig(
        "graph",
        vocabulary=27,
        width=16,
        heads=2,
        mlp_width=24,
        readout="pair",
        identity="vocabulary",
        depth_embedding=5,
    ),
}


def untrained(folder: Path, kind: str) -> Path:
    """Writes a checkpoint with random weights."""
    torch.manual_seed(11)
    model = DepthRecurrentTransformer(CONFIGS[kind])
    training = {"difficulty": [1, 5], "steps": [5, 12], "seed": 11, "data": "audited"}
    checkpoint.save(folder, model, name=kind, recipe="untrained", training=training, metrics={"loss": 1.5}, card="# Hi")
    return folder


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of untrained checkpoints by kind; not to be written to."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {kind: untrained(root / kind, kind) for kind in CONFIGS}
