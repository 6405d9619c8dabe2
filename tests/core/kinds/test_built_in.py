"""The kinds of models that are not the house's own: ACT, fixed depth, and a GRU that reads token by token."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from depthscope.core import kinds as adapters, tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import collate
from depthscope.core.errors import InputError
from depthscope.core.kinds import check
from depthscope.core.kinds.act import AdaptiveComputation
from depthscope.core.kinds.fixed_depth import FixedDepth
from depthscope.core.kinds.gru import TokenReader
from depthscope.core.protocol import Sink
from depthscope.core.training import train
from depthscope.core.training.batches import Lessons
from depthscope.core.training.recipes import RECIPES

CONFIGS = dict(check.PRESENTATIONS)

READS = {
    "depth-recurrent": ("graph", "tree", "tokens"),
    "act": ("graph", "tree", "tokens"),
    "fixed-depth": ("graph", "tree", "tokens"),
    "gru": ("reading",),
}
CASES = [(kind, name) for kind, names in READS.items() for name in names]


def shaken(kind: str, config: ModelConfig) -> Any:
    """A model in eval mode whose parameters are all away from their start."""
    torch.manual_seed(3)
    model = adapters.make(kind, config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
        model.token.weight[0] = 0
    return model.eval()


def checkpoint_of(kind: str, config: ModelConfig) -> Checkpoint:
    return Checkpoint(kind, shaken(kind, config), config, "", {}, {}, "", 0, None, kind)


def encodings_of(config: ModelConfig) -> list[Any]:
    task = tasks.get(config.task)
    return [task.encode(x, config) for difficulty in (2, 4) for x in task.generate(difficulty, 2)]


@pytest.mark.parametrize("kind", adapters.BUILT_IN)
def test_every_kind_is_whole(kind: str) -> None:
    findings = check.check(adapters.find(kind))
    assert {x.presentation for x in findings} - {""} == set(READS[kind])
    assert not [x for x in findings if not x.ok]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_one_step_twice_is_two_steps(kind: str, name: str) -> None:
    config = CONFIGS[name]
    model, batch = shaken(kind, config), collate(encodings_of(config))
    with torch.inference_mode():
        context = model.prepare(batch)
        state = model.initial(context)
        for steps in (1, 2):
            state = model.step(state, steps - 1, context)
            assert torch.equal(model(batch, steps)[0], model.readout(state, batch)[0])
            assert torch.equal(model.answer(state, batch), model.readout(state, batch)[0])
        every = model(batch, 4, every_step=True)[0]
        torch.testing.assert_close(every[1], model.readout(state, batch)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_trace_is_the_plain_run_and_padding_changes_nothing(kind: str, name: str) -> None:
    config = CONFIGS[name]
    opened = checkpoint_of(kind, config)
    task = tasks.get(config.task)
    instances = task.generate(2, 2) + task.generate(4, 2)
    for instance, kept in zip(instances, trace.record_batch(opened, instances, 9), strict=True):
        alone = trace.record(opened, instance, 9)
        with torch.inference_mode():
            answers = opened.model(collate([alone.encoding]), 9, every_step=True)[0][:, 0]
        np.testing.assert_allclose(alone.logits[1:], answers.numpy(), atol=1e-5)
        np.testing.assert_allclose(kept.logits, alone.logits, atol=1e-5)
        np.testing.assert_allclose(kept.hidden, alone.hidden, atol=1e-5)
        for room in (kept.attention, kept.gate):
            if room is not None:
                assert ((room >= 0) & (room <= 1 + 1e-6)).all()


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_every_weight_has_a_say(kind: str, name: str) -> None:
    config = CONFIGS[name]
    model, batch = shaken(kind, config), collate(encodings_of(config))
    answer, node = model(batch, 12)
    loss = answer.square().sum() + (0 if node is None else node.square().sum())
    (loss + (model.penalty(states(model, batch, 12), batch) if kind == "act" else 0)).backward()
    silent = [k for k, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert not silent


def states(model: Any, batch: Any, steps: int) -> torch.Tensor:
    context = model.prepare(batch)
    state = model.initial(context)
    for t in range(steps):
        state = model.step(state, t, context)
    return state


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", [r for r in RECIPES if r.kind != adapters.DEFAULT], ids=lambda r: f"{r.task}-{r.name}"
)
def test_their_recipes_learn(recipe: Any) -> None:
    """Twenty batches on one lesson bring the loss down."""
    run = train.Run(replace(recipe, batch_size=4, warmup=0.0, bfloat16=False), train.Path("unused"), 0, "cpu", 1)
    lesson = run.lessons.draw(0, 2)
    run.lessons.draw = lambda *_: lesson  # pyright: ignore[reportAttributeAccessIssue]
    losses = [run.learn()[0] for _ in range(20)]
    assert losses[-1] < losses[0]


# ACT


def halting(probability: float) -> AdaptiveComputation:
    """A model that halts with the same probability at every node and step."""
    model = shaken("act", CONFIGS["graph"])
    with torch.no_grad():
        model.halt.weight.zero_()
        model.halt.bias.fill_(math.log(probability / (1 - probability)))
    return model


@pytest.mark.parametrize(
    ("probability", "weights"),
    [
        (0.3, [0.3, 0.3, 0.3, 0.1, 0, 0]),
        (0.995, [1.0, 0, 0, 0, 0, 0]),
        (0.6, [0.6, 0.4, 0, 0, 0, 0]),
        (0.1, [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),
    ],
)
def test_forced_halting_gives_known_weights(probability: float, weights: list[float]) -> None:
    model = halting(probability)
    batch = collate(encodings_of(CONFIGS["graph"]))
    d = model.config.width
    with torch.inference_mode():
        context = model.prepare(batch)
        s, state = model.initial(context)[..., :d], model.initial(context)
        total, left = torch.zeros_like(s), 1.0
        for t, weight in enumerate(weights):
            if left > 1e-6:  # the plain block, while anything is left
                s = model.block(s, t, context)
            total, left = total + weight * s, left - weight
            state = model.step(state, t, context)
            torch.testing.assert_close(state[..., :d], s, rtol=0, atol=1e-5)
            torch.testing.assert_close(model.read(state), total + left * s, rtol=0, atol=1e-5)
        assert (left < 1e-6) == (probability != 0.1)
        spent = [w for w in weights if w]
        due = 1 - probability * (len(spent) - 1)  # the remainder of Graves: 1 less all before the last
        assert float(model.penalty(state, batch)) == pytest.approx(due, abs=1e-5)


def test_a_halted_node_changes_no_more_and_its_gate_is_shut() -> None:
    model = halting(0.6)
    batch = collate(encodings_of(CONFIGS["graph"]))
    gate = torch.empty(batch.token_ids.shape)
    with torch.inference_mode():
        context = model.prepare(batch)
        kept = [model.initial(context)]
        for t in range(4):
            kept.append(model.step(kept[-1], t, context, Sink(gate=gate)))
            assert bool((gate > 0).all()) == (t < 2)
    assert not torch.equal(kept[1], kept[2])
    assert torch.equal(kept[2], kept[3])
    assert torch.equal(kept[3], kept[4])


def test_ponder_cost_asks_for_fewer_steps() -> None:
    """A step against the gradient of the remainder raises the probability of halting."""
    model, batch = halting(0.3), collate(encodings_of(CONFIGS["graph"]))
    model.penalty(states(model, batch, 3), batch).backward()
    assert model.halt.bias.grad is not None
    assert float(model.halt.bias.grad) < 0


# Fixed depth


def test_blocks_share_no_weights_and_steps_past_the_last_change_nothing() -> None:
    config = CONFIGS["graph"]
    model = shaken("fixed-depth", config)
    assert len({p.data_ptr() for p in model.parameters()}) == len(list(model.parameters()))
    batch = collate(encodings_of(config))
    with torch.inference_mode():
        every = model(batch, config.depth_embedding + 4, every_step=True)[0]
        assert not torch.equal(every[config.depth_embedding - 2], every[config.depth_embedding - 1])
        for later in every[config.depth_embedding :]:
            assert torch.equal(later, every[config.depth_embedding - 1])
        sink = Sink(torch.ones(4, config.heads, *batch.token_ids.shape[1:] * 2), torch.ones(batch.token_ids.shape))
        context = model.prepare(batch)
        model.step(model.initial(context), config.depth_embedding, context, sink)
        assert sink.attention is not None
        assert not sink.attention.any()
    assert model.steps_for(batch) == config.depth_embedding
    assert model.notes(config.depth_embedding) == ()
    assert "change nothing" in model.notes(config.depth_embedding + 1)[0]


def test_equal_blocks_are_the_weight_tied_model() -> None:
    config = CONFIGS["graph"]
    model = shaken("fixed-depth", config)
    tied = shaken("depth-recurrent", replace(config, depth_embedding=0))
    for block in model.later:
        block.load_state_dict(model.block.state_dict())
    tied.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("later.")})
    batch = collate(encodings_of(config))
    with torch.inference_mode():
        assert torch.equal(model(batch, 5)[0], tied(batch, 5)[0])


@pytest.mark.parametrize("blocks", [0, 257])
def test_a_depth_that_makes_no_sense(blocks: int) -> None:
    with pytest.raises(InputError, match="from 1 to 256"):
        FixedDepth(replace(CONFIGS["graph"], depth_embedding=blocks))


# GRU


def test_the_reader_is_torchs_gru() -> None:
    config = CONFIGS["reading"]
    model = shaken("gru", config)
    gru = torch.nn.GRU(config.width, config.width, batch_first=True)
    gru.load_state_dict({f"{k}_l0": v for k, v in model.cell.state_dict().items()})
    for encoding in encodings_of(config):
        batch = collate([encoding])
        n = encoding.n_nodes
        with torch.inference_mode():
            e = model.token(batch.token_ids)
            hidden = gru(e[:, 1:], e[:, 0][None])[0][0]  # (n - 1, d), started at the embedding of [CLS]
            kept = trace.run(model, batch, n + 1).hidden[:, 0]
        for t in range(n + 2):
            read = min(t, n - 1)
            torch.testing.assert_close(kept[t, 0], hidden[read - 1] if read else e[0, 0], rtol=0, atol=1e-6)
            torch.testing.assert_close(kept[t, 1 : read + 1], hidden[:read], rtol=0, atol=1e-6)
            assert torch.equal(kept[t, read + 1 :], e[0, read + 1 :])


def test_the_gate_shows_where_the_head_is() -> None:
    config = CONFIGS["reading"]
    kept = trace.record(checkpoint_of("gru", config), tasks.get("logic").parse("((T&F)|!T)"))
    assert kept.steps == 10  # one a token
    assert kept.attention is None
    assert kept.gate is not None
    np.testing.assert_array_equal(kept.gate[:, 1:], np.eye(10))
    assert ((kept.gate[:, 0] > 0) & (kept.gate[:, 0] < 1)).all()
    assert "one token a step" in kept.notes[0]


def test_a_reader_is_trained_on_all_tokens_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = next(r for r in RECIPES if r.kind == "gru")
    lesson = Lessons(replace(recipe, batch_size=4), 0).draw(0, 3)[0]
    run = train.Run(replace(recipe, batch_size=4), train.Path("unused"), 0, "cpu", 1)
    seen: list[int] = []
    monkeypatch.setattr(TokenReader, "step", lambda self, state, t, *_: seen.append(t) or state * 1.0)
    run.lessons.draw = lambda *_: (lesson, 3, 3)  # pyright: ignore[reportAttributeAccessIssue]
    run.learn()
    assert seen == list(range(lesson.batch.token_ids.shape[1] - 1))


@pytest.mark.parametrize("change", [{"attention": "full"}, {"attention": "edges"}, {"readout": "pair"}])
def test_configs_that_a_reader_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="without attention"):
        TokenReader(replace(CONFIGS["reading"], **change))


@pytest.mark.parametrize("kind", ["depth-recurrent", "act", "fixed-depth"])
def test_attention_none_is_for_readers(kind: str) -> None:
    with pytest.raises(InputError, match="attends along edges or in full"):
        adapters.make(kind, CONFIGS["reading"])
