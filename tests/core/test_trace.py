"""Recording: the traced run is the plain run, and keeps what it says it keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from depthscope.core import kinds as adapters, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import collate
from depthscope.core.errors import InputError
from depthscope.core.tasks import get
from depthscope.core.tasks.graph import TASK as graph  # noqa: N811
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.training.recipes import RECIPES


def small(config: ModelConfig, kind: str = adapters.DEFAULT) -> Checkpoint:
    torch.manual_seed(0)
    model = adapters.make(kind, replace(config, width=32, mlp_width=32)).eval()
    return Checkpoint("small", model, model.config, "none", {}, {}, "0" * 64, 1, None, kind)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.task}-{r.name}")
def test_a_trace_is_the_plain_run(recipe) -> None:
    checkpoint = small(recipe.model, recipe.kind)
    shapes = checkpoint.model.shapes
    instances = get(recipe.task).generate(3, 4)
    for instance, kept in zip(instances, trace.record_batch(checkpoint, instances, 9), strict=True):
        alone = trace.record(checkpoint, instance, 9)
        batch = collate([alone.encoding])
        with torch.inference_mode():
            answers, nodes = checkpoint.model(batch, 9, every_step=True)
        np.testing.assert_allclose(alone.logits[1:], answers[:, 0].numpy(), atol=1e-5)
        np.testing.assert_allclose(kept.logits, alone.logits, atol=1e-5)  # padding changes nothing
        np.testing.assert_allclose(kept.hidden, alone.hidden, atol=1e-5)
        if nodes is not None:
            assert kept.readout is not None
            np.testing.assert_allclose(kept.readout[1:], nodes[:, 0].numpy(), atol=1e-5)
        assert (kept.attention is not None, kept.gate is not None) == (shapes.heads > 0, shapes.gate)
        if kept.gate is not None and recipe.kind == adapters.DEFAULT:
            assert ((kept.gate > 0) & (kept.gate < 1)).all()
        if kept.attention is None:
            continue
        np.testing.assert_allclose(kept.attention.sum(-1), 1, atol=1e-5)
        if kept.encoding.edge_index is not None:  # nothing attends off the edges
            allowed = np.zeros((kept.n_nodes, kept.n_nodes), dtype=bool)
            allowed[tuple(kept.encoding.edge_index)] = True
            assert (kept.attention[:, :, ~allowed] == 0).all()


def test_more_steps_only_add_steps() -> None:
    checkpoint = small(RECIPES[2].model)
    instance = graph.generate(3, 1)[0]
    short, long = (trace.record(checkpoint, instance, steps) for steps in (4, 9))
    assert np.array_equal(short.hidden, long.hidden[:5])
    assert np.array_equal(short.logits, long.logits[:5])


def test_attention_over_an_edge_list_is_dense_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = small(RECIPES[2].model)
    instances = graph.generate(4, 4)
    dense = trace.record_batch(checkpoint, instances, 7)
    monkeypatch.setattr("depthscope.core.encoding.SPARSE_ABOVE", 1)
    for a, b in zip(dense, trace.record_batch(checkpoint, instances, 7), strict=True):
        np.testing.assert_allclose(a.hidden, b.hidden, atol=1e-5)
        np.testing.assert_allclose(a.logits, b.logits, atol=1e-5)
        assert b.edge_index is not None
        assert a.attention is not None
        assert b.attention is not None
        query, key = b.edge_index
        np.testing.assert_allclose(a.attention[:, :, query, key], b.attention, atol=1e-5)


def test_gate_is_the_mean_of_what_the_block_computes() -> None:
    checkpoint = small(replace(RECIPES[2].model, state_norm=False, gate_bias=-30.0))
    kept = trace.record(checkpoint, graph.generate(2, 1)[0], 3)
    assert kept.gate is not None
    assert kept.gate.max() < 1e-9  # a shut gate
    np.testing.assert_allclose(kept.hidden[-1], kept.hidden[0], atol=1e-5)  # keeps the state


def test_commitment_is_the_first_step_of_the_last_sign() -> None:
    kept = trace.record(small(RECIPES[2].model), graph.generate(2, 1)[0], 5)
    for signs, due in (([1, 1, 1, 1, 1, 1], 0), ([-1, 1, -1, 1, 1, 1], 3), ([1, 1, 1, 1, 1, -1], 5)):
        assert replace(kept, logits=np.array(signs, dtype=np.float32)).commitment_step == due


def test_what_would_not_fit_is_refused_with_what_would() -> None:
    checkpoint = small(RECIPES[2].model)
    edges = np.stack([np.arange(99_999), np.arange(1, 100_000)], axis=1)
    path = GraphInstance(tuple(map(str, range(100_000))), edges, 0, 99_999)
    with pytest.raises(InputError, match="at most"):
        trace.record(checkpoint, path, 5000)
    with pytest.raises(InputError, match="steps should be"):
        trace.record(checkpoint, graph.generate(2, 1)[0], 0)


def test_shapes_that_disagree_are_named() -> None:
    kept = trace.record(small(RECIPES[2].model), graph.generate(2, 1)[0], 5)
    with pytest.raises(ValueError, match=r"logits has shape \(3,\).*should be \(6,\)"):
        replace(kept, logits=kept.logits[:3])
