"""A trace as a file and as a table: what is written is read back, and what is none is refused in one sentence."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.encoding import NOTHING
from depthscope.core.errors import InputError
from depthscope.core.exchange.npz import ARRAYS, save_npz
from depthscope.core.files.digests import sealed
from depthscope.core.trace import Trace


@pytest.fixture(params=["graph", "logic", "tokens", "paper"])
def recorded(request: pytest.FixtureRequest, saved: dict[str, Path]) -> Trace:
    opened = checkpoint.load(saved[request.param])
    return trace.record(opened, tasks.get(opened.config.task).generate(2, 1)[0], 5)


def rewritten(path: Path, **changes: Any) -> Path:
    """The same file with some arrays changed, or taken away by None."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return path


def test_what_is_written_is_read_back(recorded: Trace, tmp_path: Path) -> None:
    save_npz(recorded, tmp_path / "t.npz")
    result = Trace.load(tmp_path / "t.npz")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(result, name), getattr(recorded, name))
    assert (result.checkpoint, result.instance) == (recorded.checkpoint, None)
    assert result.encoding.labels == recorded.encoding.labels
    assert result.encoding.asked == recorded.encoding.asked
    assert (result.answer, result.steps, result.commitment_step) == (recorded.answer, 5, recorded.commitment_step)
    for found, due in zip(result.encoding.truth(5), (recorded.truth, recorded.known), strict=True):
        np.testing.assert_array_equal(found, due)


def test_a_file_of_before_versions(saved: dict[str, Path], tmp_path: Path) -> None:
    """As files were written before they named their version and checkpoint."""
    opened = checkpoint.load(saved["graph"])
    kept = trace.record(opened, tasks.get("graph").generate(2, 1)[0], 3, ("readout",))
    save_npz(kept, tmp_path / "t.npz")
    result = Trace.load(rewritten(tmp_path / "t.npz", version=None, checkpoint=None))
    assert (result.checkpoint, result.hidden.shape) == ("", (4, kept.n_nodes, 0))
    assert result.attention is None
    assert result.gate is None
    np.testing.assert_array_equal(np.asarray(result.readout), np.asarray(kept.readout))
    table: Any = result.frame()
    assert table["change"].isna().all()


def test_what_is_no_trace(recorded: Trace, tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    for changes, says in (
        ({"version": np.array(2)}, "is of version 2, and this program reads up to 1"),
        ({"logits": None}, "lacks logits"),
        ({"logits": np.zeros(3)}, "is no trace"),
        ({"tokens": np.array(["a"])}, "is no trace"),
        ({"truth": np.zeros(0)}, "is no trace"),
        ({"version": np.array("x")}, "no npz that can be read"),
    ):
        save_npz(recorded, path)
        with pytest.raises(InputError, match=says):
            Trace.load(rewritten(path, **changes))
    np.savez(path, logits=np.array([object()]))
    with pytest.raises(InputError, match="no npz that can be read"):
        Trace.load(path)
    for content in (b"", b"PK", b"nonsense" * 100, b"\x93NUMPY\x01\x00v\x00"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="no npz that can be read"):
            Trace.load(path)
    with pytest.raises(InputError, match="there is no file"):
        Trace.load(tmp_path / "none.npz")


def test_a_table_has_a_row_a_step_and_node(recorded: Trace) -> None:
    table: Any = recorded.frame()
    n = recorded.n_nodes
    assert list(table.columns) == ["step", "node", "token", "readout", "gate", "truth", "known", "change"]
    assert len(table) == 6 * n
    row = table.iloc[3 * n + 1]
    assert (row["step"], row["node"], row["token"]) == (3, 1, recorded.encoding.labels[1])
    assert row["known"] == recorded.known[3, 1]
    assert row["change"] == pytest.approx(np.linalg.norm(recorded.hidden[3, 1] - recorded.hidden[2, 1]), rel=1e-5)
    if recorded.gate is not None:
        assert row["gate"] == recorded.gate[2, 1]
    assert table["readout"].isna().all() == (recorded.readout is None)
    np.testing.assert_array_equal(table["truth"].isna(), (recorded.truth == NOTHING).ravel())
    assert table[table["step"] == 0][["gate", "change"]].isna().all().all()


def test_without_pandas_it_is_one_sentence(recorded: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        recorded.frame()


@pytest.mark.parametrize("version", [2, "1", None])
def test_a_checkpoint_of_a_later_version_is_refused(saved: dict[str, Path], tmp_path: Path, version: Any) -> None:
    folder = shutil.copytree(saved["graph"], tmp_path / "copy")
    settings = json.loads((folder / "config.json").read_text())
    assert settings["version"] == checkpoint.VERSION == 1
    (folder / "config.json").write_text(json.dumps(sealed({**settings, "version": version}, {})))
    with pytest.raises(InputError, match="this program reads up to 1"):
        checkpoint.load(folder)
    settings.pop("version")
    (folder / "config.json").write_text(json.dumps(sealed(settings, {})))
    assert checkpoint.load(folder).config.task == "graph"


def test_a_shipped_checkpoint_names_no_version_and_opens() -> None:
    settings, _ = checkpoint.read_settings(checkpoint.CHECKPOINTS / "graph-house")
    assert settings.get("version", 1) == 1
