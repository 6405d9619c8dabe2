"""Large graphs: worked through in parts, kept in files, written row by row; the numbers are those of a small one."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from depthscope.core import attention, model, tasks, trace
from depthscope.core.attention import edge_attention
from depthscope.core.checkpoint import Checkpoint, load
from depthscope.core.cli import main
from depthscope.core.encoding import collate
from depthscope.core.errors import InputError
from depthscope.core.exchange import npz as export
from depthscope.core.files import buffers
from depthscope.core.tasks.graph.instance import GraphInstance

STEPS = 7
ABOUT = {"checkpoint", "version"}


def graph(n: int = 420, degree: int = 3) -> GraphInstance:
    """A chain with random edges beside it, and a hub that many point to."""
    rng = np.random.default_rng(0)
    chain = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    hub = np.stack([np.arange(60, 260), np.full(200, 50)], axis=1)
    edges = np.unique(np.concatenate([chain, hub, rng.integers(0, n, (degree * n, 2))]), axis=0)
    return GraphInstance(tuple(map(str, range(n))), edges[edges[:, 0] != edges[:, 1]], 0, n - 1)


@pytest.fixture
def checkpoint(saved: dict[str, Path]) -> Checkpoint:
    return load(saved["graph"])


def close(found: Any, due: Any) -> None:
    np.testing.assert_allclose(found, due, atol=1e-5)


def maps() -> int:
    """Files of recordings that this process still holds."""
    return sum("depthscope-" in line or "/#" in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_attention_in_parts_is_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = graph()
    edges = np.concatenate([instance.edges[:, ::-1], np.repeat(np.arange(instance.n_nodes), 2).reshape(-1, 2)])
    edges = torch.from_numpy(edges[np.lexsort(edges.T[::-1])].T.copy())
    q, k, v = torch.randn(3, instance.n_nodes, 2, 4)
    bias, scale = torch.randn(2, edges.shape[1], 2)
    whole, parts = torch.empty(2, 2, edges.shape[1])
    with torch.inference_mode():
        due = edge_attention(q, k, v, edges, whole, bias, scale)
        monkeypatch.setattr(attention, "EDGES_AT_ONCE", 100)  # the hub alone has more
        found = edge_attention(q, k, v, edges, parts, bias, scale)
        torch.testing.assert_close(found, due)
        torch.testing.assert_close(parts, whole)
        mixed = torch.randperm(edges.shape[1])
        torch.testing.assert_close(edge_attention(q, k, v, edges[:, mixed], None, bias[mixed], scale[mixed]), due)


def test_nodes_in_parts_are_all_nodes(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    due = trace.record(checkpoint, graph(), STEPS)
    monkeypatch.setattr(model, "NODES_AT_ONCE", 100)
    found = trace.record(checkpoint, graph(), STEPS)
    for name in trace.KEPT:
        close(getattr(found, name), getattr(due, name))


def test_a_trace_in_files_is_the_trace_and_goes_with_it(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    due = trace.record(checkpoint, graph(), STEPS)
    monkeypatch.setattr(trace, "MEMORY_BYTES", 1000)
    monkeypatch.setattr(trace, "READ_BYTES", 2 * due.hidden[0].nbytes)  # two steps are read out together
    before = maps()
    found = trace.record(checkpoint, graph(), STEPS)
    assert maps() >= before + 3
    assert not list(tmp_path.iterdir())  # they have no names: nothing stays when the process is killed
    for name in (*trace.KEPT, "logits"):
        close(getattr(found, name), getattr(due, name))
    buffers.forget(found.hidden)
    close(found.hidden, due.hidden)
    del found
    assert maps() == before


def test_what_is_not_kept_takes_no_room(checkpoint: Checkpoint) -> None:
    due = trace.record(checkpoint, graph(), STEPS)
    found = trace.record(checkpoint, graph(), STEPS, keep=["readout"])
    assert found.hidden.shape == (STEPS + 1, due.n_nodes, 0)
    assert (found.attention, found.edge_index, found.gate) == (None, None, None)
    close(found.readout, due.readout)
    assert np.array_equal(found.logits, due.logits)
    encodings = [due.encoding]
    sizes = [trace.size_in_bytes(checkpoint, encodings, STEPS, [name]) for name in trace.KEPT]
    assert sum(sizes) == trace.size_in_bytes(checkpoint, encodings, STEPS)
    held = sum(getattr(due, name).nbytes for name in trace.KEPT)
    assert abs(sum(sizes) / held - 1) < 0.01


def test_batches_on_edges_keep_each_its_own(checkpoint: Checkpoint) -> None:
    pair = [graph(400), graph(350, 2)]
    for alone, together in zip(
        (trace.record(checkpoint, x, STEPS) for x in pair), trace.record_batch(checkpoint, pair, STEPS), strict=True
    ):
        close(alone.edge_index, together.edge_index)
        close(alone.attention, together.attention)


def test_a_refusal_says_what_takes_the_room(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "MEMORY_BYTES", 1000)
    monkeypatch.setattr(buffers, "FREE_BYTES", 1 << 60)
    with pytest.raises(InputError, match=r"GiB .*disk for temporary files.*free some space.*keep less of it \(--keep"):
        trace.record(checkpoint, graph(), STEPS)
    monkeypatch.setattr(buffers, "FREE_BYTES", 0)
    monkeypatch.setattr(trace, "DISK_BYTES", 4 * graph().n_nodes * checkpoint.config.width * (STEPS - 1))
    with pytest.raises(InputError, match=r"over the limit of 0\.0; run at most [1-9]\d* steps, keep less"):
        trace.record(checkpoint, graph(), STEPS)


def test_a_disk_that_fills_meanwhile_is_a_sentence(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: int) -> None:
        raise OSError(errno.ENOSPC, "")

    before = maps()
    monkeypatch.setattr(trace, "MEMORY_BYTES", 1000)
    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(InputError, match=r"recording .* temporary files, cannot be written: the disk is full"):
        trace.record(checkpoint, graph(), STEPS)
    assert maps() == before


def test_the_file_is_written_row_by_row(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = trace.record(checkpoint, graph(), STEPS)
    monkeypatch.setattr(export, "WRITTEN_AT_ONCE", 5000)
    export.save_npz(kept, tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz", allow_pickle=False) as found:
        for name in export.ARRAYS:
            assert np.array_equal(found[name], getattr(kept, name))
            assert found[name].dtype == getattr(kept, name).dtype
        assert found["tokens"].tolist() == list(kept.encoding.labels)
        assert (str(found["concept"]), int(found["asked"])) == ("reached", 1)


def test_the_command_keeps_what_is_named(
    saved: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "big.txt", tmp_path / "t.npz"
    file.write_text(tasks.get("graph").render(graph()))
    command = ["trace", str(saved["graph"]), str(file), "--steps", str(STEPS), "--json"]
    assert main([*command, "--out", str(out), "--keep", "readout,gate"]) == 0
    kept = json.loads(capsys.readouterr().out)
    with np.load(out, allow_pickle=False) as found:
        assert set(found) == {"readout", "gate", "logits", "truth", "known", "tokens", "concept", "asked", *ABOUT}
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == kept
    assert main([*command, "--out", str(out), "--keep", "states"]) == 2
    assert "--keep takes hidden, attention, gate, readout" in capsys.readouterr().err
    assert main([*command, "--keep", "gate"]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.slow
def test_a_thousand_steps_along_a_chain(checkpoint: Checkpoint) -> None:
    n = 1001
    chain = GraphInstance(tuple(map(str, range(n))), np.stack([np.arange(n - 1), np.arange(1, n)], axis=1), 0, n - 1)
    kept = trace.record(checkpoint, chain, 1000)
    assert kept.attention is not None
    assert kept.attention.shape == (1000, 2, 2 * n - 1)
    assert (kept.truth[:, -1] == 1).sum() == 1  # the last step alone
    batch = collate([kept.encoding])
    with torch.inference_mode():
        np.testing.assert_allclose(kept.logits[-1], checkpoint.model(batch, 1000)[0].item(), atol=1e-4)
