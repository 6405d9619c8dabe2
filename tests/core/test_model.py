"""The model: what it must not depend on, and that each of its mechanisms can be switched by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import MAX_OFFSET, NEVER, SOURCE, TARGET, Batch, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.model import DepthRecurrentTransformer, log_odds, rotate, within
from depthscope.core.protocol import RecurrentModel, Sink

GRAPH = ModelConfig("graph", vocabulary=27, width=32, heads=4, mlp_width=48)
LOGIC = ModelConfig("logic", vocabulary=10, width=32, heads=4, mlp_width=48, attention="full", position="rope")
PAPER: dict[str, Any] = {"recall": False, "state_norm": False, "depth_embedding": 5, "activation": "relu"}

VARIANTS = {
    "house": GRAPH,
    "no recall": replace(GRAPH, recall=False),
    "no state norm": replace(GRAPH, state_norm=False),
    "no gate": replace(GRAPH, gate_bias=None),
    "layer scale": replace(GRAPH, layer_scale=1e-2),
    "depth embedding": replace(GRAPH, depth_embedding=5),
    "relu": replace(GRAPH, activation="relu"),
    "names": replace(GRAPH, identity="vocabulary"),
    "random names": replace(GRAPH, identity="random"),
    "paper": replace(GRAPH, readout="pair", identity="vocabulary", **PAPER),
    "answer alone": replace(GRAPH, readout="cls"),
    "tokens": LOGIC,
    "tokens, no positions": replace(LOGIC, position="none"),
    "tokens, bracket and distance bias": replace(LOGIC, bracket_bias=True, distance_bias=True),
    "equal tokens": replace(GRAPH, identity="vocabulary", equal_bias=True),
    "tokens, distance and equal bias": replace(LOGIC, distance_bias=True, equal_bias=True),
    "offsets": replace(GRAPH, task="text", readout="offset", equal_bias=True),
    "tokens, nearest match": replace(LOGIC, position="none", geometric=True, bracket_bias=True),
    "tokens, nearest match, offsets": replace(LOGIC, task="text", readout="offset", equal_bias=True, geometric=True),
    "tokens, offsets": replace(LOGIC, task="text", readout="offset", equal_bias=True),
    "tokens, sum": replace(LOGIC, task="text", readout="sum", equal_bias=True),
    "tokens, answer alone": replace(LOGIC, readout="cls", layer_scale=1e-2),
    "tokens, paper": replace(LOGIC, readout="cls", layer_scale=1e-2, **PAPER),
}


def model_of(config: ModelConfig) -> DepthRecurrentTransformer:
    """A model in eval mode whose parameters are all away from their start, zeros and ones included."""
    torch.manual_seed(3)
    model = DepthRecurrentTransformer(config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
        model.token.weight[0] = 0
    return model.eval()


def encoding(config: ModelConfig, n: int, seed: int = 0) -> Encoding:
    """An instance of n nodes with random edges or tokens."""
    rng = np.random.default_rng([seed, n])
    graph = config.task == "graph"
    ids = (
        np.ones(n, dtype=np.int64) if config.identity == "none" and graph else 1 + rng.permutation(9)[np.arange(n) % 9]
    )
    mask = (rng.random((n, n)) < 0.25) | np.eye(n, dtype=bool)
    roles = np.zeros(n, dtype=np.int64)
    source, answer = (0, n - 1) if graph else (0, 0)
    if graph:
        roles[source] |= SOURCE
        roles[answer] |= TARGET
    never = np.full(n, NEVER)
    return Encoding(
        interface=config.interface,
        labels=tuple(map(str, range(n))),
        token_ids=ids,
        roles=roles,
        edge_index=np.stack(np.nonzero(mask)) if config.attention == "edges" else None,
        answer=answer,
        source=source,
        value=np.ones(n, dtype=np.int8),
        true_from=never,
        known_from=never,
        instance_node=np.arange(n),
        bracket=rng.integers(0, 4, n) if config.task == "logic" else None,
        entity=rng.integers(0, 4, n) if config.task == "text" else None,
        asked=int(rng.integers(-3, 4)) if config.task == "text" else 1,
    )


def reordered(given: Encoding, order: np.ndarray) -> Encoding:
    """The same instance, its node order[i] now at place i."""
    place = np.argsort(order)
    edges = place[given.edge_index] if given.edge_index is not None else None
    rows = {k: getattr(given, k)[order] for k in ("token_ids", "roles", "value", "true_from", "known_from")}
    answer, source = int(place[given.answer]), int(place[given.source])
    return replace(given, **rows, edge_index=edges, answer=answer, source=source)


def answers(model: DepthRecurrentTransformer, batch: Batch, steps: int = 7) -> Tensor:
    """Logits at every step, (T, B)."""
    with torch.inference_mode():
        return model(batch, steps, every_step=True)[0]


@pytest.fixture(params=list(VARIANTS.values()), ids=list(VARIANTS))
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return request.param


def test_one_step_twice_is_two_steps(config: ModelConfig) -> None:
    model = model_of(config)
    batch = collate([encoding(config, n) for n in (5, 8)])
    with torch.inference_mode():
        context = model.prepare(batch)
        once = model.step(model.initial(context), 0, context)
        twice = model.step(once, 1, context)
        for steps, state in ((1, once), (2, twice)):
            assert torch.equal(model(batch, steps)[0], model.readout(state, batch)[0])


def test_every_step_is_the_last_of_a_shorter_run(config: ModelConfig) -> None:
    model = model_of(config)
    batch = collate([encoding(config, n) for n in (5, 8)])
    every = answers(model, batch)
    assert every.shape == (7, 2)
    with torch.inference_mode():
        for steps in (1, 4, 7):
            torch.testing.assert_close(model(batch, steps)[0], every[steps - 1], rtol=0, atol=1e-6)


def test_padding_changes_nothing(config: ModelConfig) -> None:
    model = model_of(config)
    small, large = encoding(config, 6), encoding(config, 17)
    alone = answers(model, collate([small]))
    together = answers(model, collate([small, large]))
    torch.testing.assert_close(together[:, :1], alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(together[:, 1:], answers(model, collate([large])), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, config in VARIANTS.items() if config.attention == "edges"])
def test_an_edge_list_gives_what_the_mask_gives(name: str) -> None:
    config = VARIANTS[name]
    model = model_of(config)
    encodings = [encoding(config, n) for n in (6, 17, 1)]
    dense, sparse = (answers(model, collate(encodings, sparse=s)) for s in (False, True))
    torch.testing.assert_close(sparse, dense, rtol=0, atol=1e-5)


def test_the_order_of_nodes_changes_nothing() -> None:
    for config in (GRAPH, VARIANTS["names"], VARIANTS["paper"]):
        model, given = model_of(config), encoding(config, 12)
        order = np.random.default_rng(4).permutation(12)
        due = answers(model, collate([given]))
        for sparse in (False, True):
            got = answers(model, collate([reordered(given, order)], sparse=sparse))
            torch.testing.assert_close(got, due, rtol=0, atol=1e-5)


def test_the_order_of_tokens_matters_only_with_positions() -> None:
    order = np.array([0, 3, 1, 2, 4])
    for position in ("rope", "none"):
        config = replace(LOGIC, position=position)
        model, given = model_of(config), encoding(config, 5)
        moved = reordered(given, order)
        same = torch.allclose(answers(model, collate([given])), answers(model, collate([moved])), atol=1e-5)
        assert same == (position == "none")


def test_names_change_nothing() -> None:
    model, given = model_of(GRAPH), encoding(GRAPH, 7)
    renamed = replace(given, labels=tuple("gfedcba"))
    assert torch.equal(answers(model, collate([given])), answers(model, collate([renamed])))


def test_log_odds_of_a_class_against_all_others() -> None:
    classes = torch.randn(2, 5, 2 * MAX_OFFSET + 2, dtype=torch.float64)
    asked = torch.tensor([-12, 3])
    share = classes.softmax(-1)
    own = torch.stack([share[0, :, 0], share[1, :, 15]])
    torch.testing.assert_close(log_odds(classes, asked[:, None], -MAX_OFFSET), torch.log(own / (1 - own)))


def test_a_sum_affirms_what_lies_within_its_margin_however_far_out() -> None:
    config = replace(LOGIC, task="text", readout="sum")
    batch = collate([replace(encoding(config, n), asked=asked) for n, asked in ((4, -9), (6, -9), (6, 2), (6, 2))])
    said = torch.zeros(4, 6, 3)
    said[0, :, 0] = -9 / 4  # the last two are padding, and count for nothing
    said[1, :, 0] = -7 / 6
    said[2:, 1:3, 0] = 1.75
    said[3, batch.answer[3], 1:] = torch.tensor([1.0, np.log(4)])  # a margin of 2, four times as sharp
    assert within(said, batch).tolist() == pytest.approx([1.0, -1.0, -0.5, 2.0])
    with pytest.raises(ValueError, match="which one is asked"):
        within(said, replace(batch, asked=None))


def test_a_fresh_sum_is_of_nothing() -> None:
    config = replace(LOGIC, task="text", readout="sum")
    model = DepthRecurrentTransformer(config)
    batch = collate([replace(encoding(config, n), asked=asked) for n, asked in ((4, 0), (9, 3))])
    with torch.inference_mode():
        assert model(batch, 3)[0].tolist() == pytest.approx([1.0, -2.0])


def test_offsets_are_for_texts() -> None:
    for readout in ("offset", "sum"):
        with pytest.raises(InputError, match=f"readout '{readout}' is for texts"):
            replace(LOGIC, readout=readout)


def test_a_readout_per_node_does_not_see_the_target() -> None:
    model, given = model_of(GRAPH), encoding(GRAPH, 7)
    other = replace(given, answer=3, roles=np.where(np.arange(7) == 3, TARGET, given.roles & SOURCE))
    with torch.inference_mode():
        nodes = [model(collate([e]), 4)[1] for e in (given, other)]
    assert torch.equal(nodes[0], nodes[1])


def test_readouts(config: ModelConfig) -> None:
    model = model_of(config)
    batch = collate([encoding(config, n) for n in (5, 8)])
    with torch.inference_mode():
        answer, node = model(batch, 3)
    assert answer.shape == (2,)
    assert config.reads_nodes == (config.readout not in ("cls", "sum"))
    assert (node is not None) == config.reads_nodes
    if node is not None:
        assert node.shape == (2, 8)
        assert torch.equal(node[torch.arange(2), batch.answer], answer)


def test_every_weight_has_a_say(config: ModelConfig) -> None:
    model = model_of(config)
    answer, node = model(collate([encoding(config, n) for n in (9, 8)]), 6)
    (answer.square().sum() + (0 if node is None else node.square().sum())).backward()
    used = {name: p.grad is not None and bool(p.grad.abs().sum() > 0) for name, p in model.named_parameters()}
    if config.readout != "pair" and model.role is not None and model.role.grad is not None:
        assert torch.all(model.role.grad[1] == 0)  # the target's role
    assert all(used.values()), [name for name, has in used.items() if not has]


def test_a_switched_off_mechanism_has_no_weights() -> None:
    house = set(DepthRecurrentTransformer(GRAPH).state_dict())
    for switch, weights in (
        ({"recall": False}, {"block.recall.weight"}),
        ({"state_norm": False}, {"block.state_norm.weight", "block.state_norm.bias"}),
        ({"gate_bias": None}, {"block.gate.weight", "block.gate.bias"}),
    ):
        assert house - set(DepthRecurrentTransformer(replace(GRAPH, **switch)).state_dict()) == weights
    added = set(DepthRecurrentTransformer(replace(GRAPH, layer_scale=1e-4, depth_embedding=3)).state_dict()) - house
    assert added == {"block.scale1", "block.scale2", "block.depth.weight"}


def test_a_gate_that_is_shut_keeps_the_state() -> None:
    config = replace(GRAPH, state_norm=False)
    model = model_of(config)
    assert model.block.gate is not None
    with torch.no_grad():
        model.block.gate.weight.zero_()
        model.block.gate.bias.fill_(-100)
    with torch.inference_mode():
        context = model.prepare(collate([encoding(config, 6)]))
        state = model.initial(context)
        torch.testing.assert_close(model.step(state, 0, context), state)


def test_steps_past_the_depth_embedding_use_its_last_row() -> None:
    config = replace(GRAPH, depth_embedding=3)
    model = model_of(config)
    with torch.inference_mode():
        context = model.prepare(collate([encoding(config, 6)]))
        state = model.initial(context)
        after = [model.step(state, t, context) for t in (1, 2, 3, 50)]
    assert not torch.equal(after[0], after[1])
    assert torch.equal(after[1], after[2])
    assert torch.equal(after[1], after[3])


def test_what_a_sink_keeps(config: ModelConfig) -> None:
    model: RecurrentModel = model_of(config)
    encodings = [encoding(config, n) for n in (5, 8)]
    for sparse in {False, config.attention == "edges"}:
        batch = collate(encodings, sparse=sparse)
        shape = (4, batch.edge_index.shape[1]) if batch.edge_index is not None else (2, 4, 8, 8)
        sink = Sink(torch.full(shape, -1.0), torch.full((2, 8), -1.0) if model.shapes.gate else None)
        with torch.inference_mode():
            context = model.prepare(batch)
            state = model.initial(context)
            kept, bare = model.step(state, 0, context, sink), model.step(state, 0, context)
        torch.testing.assert_close(kept, bare, rtol=0, atol=1e-5)
        assert sink.attention is not None
        assert bool(((sink.attention >= 0) & (sink.attention <= 1 + 1e-6)).all())
        if not sparse:
            torch.testing.assert_close(sink.attention.sum(-1), torch.ones(2, 4, 8))
            blocked = ~batch.allowed if batch.allowed is not None else ~batch.valid[:, None].expand(2, 8, 8)
            if config.geometric:  # what pads the batch has nobody but itself
                blocked = blocked & batch.valid[:, :, None]
            assert bool((sink.attention.transpose(0, 1)[:, blocked] == 0).all())
        if sink.gate is not None:
            assert bool(((sink.gate > 0) & (sink.gate < 1)).all())


def test_a_gate_that_is_given_is_the_gate_that_is_kept(config: ModelConfig) -> None:
    model = model_of(config)
    if not model.shapes.gate:
        assert model.block.gate is None
        return
    batch = collate([encoding(config, n) for n in (5, 8)])
    forced, sink = torch.full((2, 8), 0.25).index_fill(1, torch.tensor([0]), torch.nan), Sink(gate=torch.empty(2, 8))
    with torch.inference_mode():
        context = replace(model.prepare(batch), gate=forced)
        state = model.initial(context)
        assert torch.equal(model.step(state, 0, context, sink), model.step(state, 0, context))
        assert sink.gate is not None
        assert bool((sink.gate[:, 1:] == 0.25).all())


def test_rotary_positions_are_relative() -> None:
    model = model_of(LOGIC)
    table = model.rope(40, torch.device("cpu"))
    assert table is not None
    q, k = torch.randn(2, 8)
    at = [rotate(x.expand(1, 1, 40, 8), *table)[0, 0] for x in (q, k)]
    scores = at[0] @ at[1].T
    for shift in (1, 7, 30):
        torch.testing.assert_close(scores[shift:, shift:], scores[:-shift, :-shift], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 30}, "multiple"),
        ({"width": 0}, "width"),
        ({"heads": True}, "heads"),
        ({"readout": "all"}, "readout should be one of"),
        ({"vocabulary": 10**9}, "vocabulary"),
        ({"depth_embedding": -1}, "depth_embedding"),
    ],
)
def test_configs_that_make_no_sense(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        replace(GRAPH, **change)
