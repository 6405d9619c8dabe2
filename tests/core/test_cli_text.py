"""The command line on texts: questions, questions without an answer, and what is said about them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from depthscope.core import checkpoint
from depthscope.core.cli import main
from depthscope.core.config import ModelConfig
from depthscope.core.model import DepthRecurrentTransformer

TEXT = "Ada is the parent of Bob. Bob is the parent of Cy. Dan is the child of Eve.\n"
CONFIGS = {
    "facts": ModelConfig("text", vocabulary=54, width=16, heads=2, mlp_width=24, readout="offset", equal_bias=True),
    "words": ModelConfig(
        "text", vocabulary=54, width=16, heads=2, mlp_width=24, attention="full", position="rope", readout="cls",
        identity="vocabulary",
    ),
}  # fmt: skip

Captured = pytest.CaptureFixture[str]


@pytest.fixture(params=CONFIGS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    training = {"difficulty": [1, 5], "steps": [5, 12], "seed": 11, "data": "audited"}
    model = DepthRecurrentTransformer(CONFIGS[request.param])
    checkpoint.save(
        tmp_path / "ckpt", model, name="text", recipe="untrained", training=training, metrics={}, card="# Hi"
    )
    return tmp_path / "ckpt"


def test_a_question_is_answered_and_kept(saved: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "family.txt").write_text(TEXT + "query: Ada is the grandparent of Cy")
    command = ["trace", str(saved), str(tmp_path / "family.txt"), "--out", str(tmp_path / "x.npz")]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["task"], found["label"], found["steps"]) == ("text", 1, 12)
    assert found["question"] == "Is Ada the grandparent of Cy?"
    assert len(found["logits"]) == 13
    kept = np.load(tmp_path / "x.npz", allow_pickle=False)
    assert kept["concept"] == "offset"
    assert kept["truth"].shape == kept["known"].shape == (13, len(kept["tokens"]))
    last = dict(zip(kept["tokens"].tolist(), kept["truth"][-1].tolist(), strict=True))
    assert (last["Ada"], last["Bob"], last["Cy"]) == (0, 1, 2)
    assert main(command) == 0
    assert "'Is Ada the grandparent of Cy?': label 1" in capsys.readouterr().out


def test_a_question_without_an_answer_has_no_label_and_a_sentence(
    saved: Path, tmp_path: Path, capsys: Captured
) -> None:
    lines = [
        TEXT + "Is Ada the parent of Eve?",
        TEXT + "Is Ada the sibling of Zoe?",
        TEXT + "Is Ada the parent of Bob?",
    ]
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"input": line}) + "\n" for line in lines))
    assert main(["trace", str(saved), str(path), "--steps", "3"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [x["label"] for x in found] == [None, None, 1]
    assert "No facts join Ada and Eve" in found[0]["notes"][0]
    (tmp_path / "one.txt").write_text(lines[1])
    assert main(["trace", str(saved), str(tmp_path / "one.txt")]) == 0
    out = capsys.readouterr().out
    assert "label unknown" in out
    assert "No facts join Ada and Zoe" in out


def test_a_mistake_names_its_line(saved: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "one.txt"
    path.write_text(TEXT + "Cy is the parent of Ada.\nIs Ada the parent of Bob?")
    assert main(["trace", str(saved), str(path)]) == 2
    assert 'line 2: "Cy is the parent of Ada" contradicts' in capsys.readouterr().err
    path.write_text(TEXT + "Is Ada the granparent of Bob?")
    assert main(["trace", str(saved), str(path)]) == 2
    assert "line 2, column 12: 'granparent' is not a relation; did you mean grandparent?" in capsys.readouterr().err
