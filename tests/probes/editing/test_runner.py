"""Edits do what they say: against a forward pass by hand, dense and over an edge list, one by one and as a batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.trace import Trace
from depthscope.probes.editing import runner as intervene
from depthscope.probes.editing.language import Edit, loads, parse
from depthscope.probes.editing.runner import Material
from depthscope.probes.instruments import do_trace
from tests.probes.hand_made import flood, untrained, wave

Change = Callable[[str, int, Tensor], Tensor]
STEPS = 6


def by_hand(model: Any, encoding: Encoding, steps: int, change: Change = lambda _, __, x: x) -> tuple[Tensor, Tensor]:
    """States (T+1, n, d) and logits (T+1,) from the block's formula, with dense matrices whatever the size.

    change(what, t, x) may change "state" h[t], and in the update that makes h[t] the attention's "scores" and
    "weights" (heads, n, n), the "gate" (n, d), and the new state, "next".
    """
    block, c = model.block, model.config
    batch = collate([encoding], sparse=False)
    context = model.prepare(batch)
    n, d, heads = encoding.n_nodes, c.width, c.heads
    bias = torch.zeros(heads, n, n) if context.bias is None else context.bias[0].expand(heads, n, n)

    def step(h: Tensor, t: int) -> Tensor:
        u = h if context.recalled is None else h + context.recalled[0]
        q, k, v = block.qkv(block.norm1(u)).view(n, 3, heads, d // heads).permute(1, 2, 0, 3)
        if context.rope is not None:
            from depthscope.core.model import rotate

            q, k = rotate(q[None], *context.rope)[0], rotate(k[None], *context.rope)[0]
        scores = change("scores", t, (q @ k.transpose(1, 2)) / (d // heads) ** 0.5 + bias)
        weights = change("weights", t, nearest_match(scores) if c.geometric else torch.softmax(scores, -1))
        y = u + block.out((weights @ v).transpose(0, 1).reshape(n, d))
        y = y + block.down(torch.nn.functional.gelu(block.up(block.norm2(y))))
        z = change("gate", t, torch.sigmoid(block.gate(torch.cat([y, h], -1))))
        return block.state_norm(z * y + (1 - z) * h)

    with torch.no_grad():
        states = [change("state", 0, context.embedding[0])]
        for t in range(1, steps + 1):
            states.append(change("state", t, change("next", t, step(states[-1], t))))
        hidden = torch.stack(states)
        logits = model.readout(hidden[:, None], batch)[0][:, 0]
    return hidden, logits


def nearest_match(scores: Tensor) -> Tensor:
    """Weights (heads, n, n) of geometric attention by its definition: key by key, away from the query, then itself."""
    heads, n, _ = scores.shape
    weights = torch.zeros_like(scores)
    for head in range(heads):
        for q in range(n):
            free = torch.ones(())
            for k in range(q - 1, -1, -1) if head < heads // 2 else range(q + 1, n):
                match = torch.sigmoid(scores[head, q, k])
                weights[head, q, k] = match * free
                free = free * (1 - match)
            weights[head, q, q] = free
    return weights


def random_graph(n: int, seed: int = 0) -> GraphInstance:
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, n, (3 * n, 2)), axis=0)
    edges = pairs[pairs[:, 0] != pairs[:, 1]]
    return GraphInstance(tuple(str(i) for i in range(n)), edges.astype(np.int64), 0, n - 1)


@pytest.fixture(scope="module", params=["dense", "edge list", "tree", "tokens", "nearest match"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, Trace]:
    kind = {"dense": "graph", "edge list": "graph"}.get(request.param, str(request.param))
    opened = untrained(tmp_path_factory.mktemp("model"), kind)
    with torch.no_grad():
        for parameter in opened.model.parameters():
            parameter.mul_(1.5)  # so that what is done is felt
    sizes = {"dense": 9, "edge list": 320}
    instance = (
        random_graph(sizes[request.param]) if request.param in sizes else tasks.get("logic").parse("((T&F)|!(T^(F|T)))")
    )
    return opened, trace.record(opened, instance, STEPS)


def pair_of(base: Trace) -> tuple[int, int]:
    """A query that attends to at least two nodes, and one of them that is not itself."""
    edges = base.encoding.edge_index
    if edges is None:
        return 2, 4
    several = np.isin(edges[0], np.flatnonzero(np.bincount(edges[0]) > 1)) & (edges[0] != edges[1])
    query, key = edges[:, several]
    first = int(np.argmin(key))  # where nodes have no names the source alone is unlike the others
    return int(query[first]), int(key[first])


def close(outcome: intervene.Outcome, row: int, expected: tuple[Tensor, Tensor]) -> None:
    assert outcome.hidden is not None
    np.testing.assert_allclose(outcome.hidden[row], expected[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(outcome.logits[row], expected[1].numpy(), atol=1e-5)


def test_the_forward_pass_by_hand_is_that_of_the_model(case: tuple[Checkpoint, Trace]) -> None:
    opened, base = case
    hidden, logits = by_hand(opened.model, base.encoding, STEPS)
    np.testing.assert_allclose(base.hidden, hidden.numpy(), atol=1e-5)
    np.testing.assert_allclose(base.logits, logits.numpy(), atol=1e-5)


@pytest.mark.slow
def test_edits_do_what_they_say(case: tuple[Checkpoint, Trace]) -> None:
    opened, base = case
    d, (q, k) = base.hidden.shape[-1], pair_of(base)
    looking = int(opened.config.geometric)  # the head that looks to the right, if each looks to one side
    vector = np.linspace(-1, 1, d)
    by_step = np.random.default_rng(1).normal(size=(STEPS + 1, d))
    mean = np.random.default_rng(2).normal(size=(STEPS + 1, d)).astype(np.float32)

    def only(what: str, steps: tuple[int, ...], do: Callable[[Tensor, int], Any]) -> Change:
        def change(name: str, t: int, x: Tensor) -> Tensor:
            if name != what or t not in steps:
                return x
            x = x.clone()
            put = do(x, t)
            return x if put is None else put

        return change

    def put(index: Any, value: Any) -> Callable[[Tensor, int], None]:
        return lambda x, t: x.__setitem__(index, value(t) if callable(value) else value)  # pyright: ignore

    def plus(index: Any, value: Callable[[int], np.ndarray]) -> Callable[[Tensor, int], None]:
        return lambda x, t: x.__setitem__(index, x[index] + torch.tensor(value(t)))

    def noise(x: Tensor, t: int) -> None:
        draw = np.random.default_rng([7, t]).standard_normal(tuple(x.shape))
        x[[0, 3]] += (0.5 * np.std(base.hidden[t], ddof=1) * torch.tensor(draw))[[0, 3]].float()  # pyright: ignore

    expected: dict[str, Change] = {
        "zero t=2 node=1,3": only("state", (2,), put([1, 3], 0.0)),
        "zero t=2..4 node=1": only("state", (2, 3, 4), put(1, 0.0)),
        "mean t=2 node=1": only("state", (2,), put(1, lambda t: torch.from_numpy(mean[t]))),
        "noise t=2..3 node=0,3 amount=.5 seed=7": only("state", (2, 3), noise),
        "swap t=2 node=0,3": only("state", (2,), lambda x, t: x[[3, 1, 2, 0, *range(4, len(x))]]),
        "add t=2 node=1 amount=2 direction=one": only("state", (2,), plus(1, lambda t: 2 * vector)),
        "add t=2..3 amount=-1 direction=many": only("state", (2, 3), plus(slice(None), lambda t: -by_step[t])),
        f"cut t=2..3 edge={q}<{k}": only("scores", (2, 3), put((slice(None), q, k), -torch.inf)),
        f"cut t=3.. edge={q}<{k} head=1": only("scores", (3, 4, 5, 6), put((1, q, k), -torch.inf)),
        f"silence t=2 edge={q}<{k} head={looking}": only("weights", (2,), put((looking, q, k), 0.0)),
        "gate t=2..3 node=1 amount=.75": only("gate", (2, 3), put(1, 0.75)),
        "gate t=2 amount=0": only("gate", (2,), put(slice(None), 0.0)),
    }
    previous: dict[int, Tensor] = {}

    def hold(name: str, t: int, x: Tensor) -> Tensor:
        if name == "next" and t in (2, 3):
            x = x.clone()
            x[[1, 2]] = previous[t - 1][[1, 2]]
        if name == "state":
            previous[t] = x
        return x

    expected["hold t=2..3 node=1,2"] = hold
    outcome = intervene.run(
        opened, base, [[parse(text)] for text in expected], Material(None, {"one": vector, "many": by_step}, mean),
        hidden=True, readout=True,
    )  # fmt: skip
    for row, change in enumerate(expected.values()):
        previous.clear()
        close(outcome, row, by_hand(opened.model, base.encoding, STEPS, change))
        assert outcome.hidden is not None
        assert np.abs(outcome.hidden[row] - base.hidden).max() > 1e-3, "an edit without an effect tests nothing"


def test_a_query_whose_matches_are_all_cut_attends_to_itself(tmp_path: Path) -> None:
    opened = untrained(tmp_path, "nearest match")
    base = trace.record(opened, tasks.get("logic").parse("((T&F)|!(T^(F|T)))"), STEPS)
    n, q = base.n_nodes, 5
    cut = Edit("cut", 2, STEPS, edges=tuple((q, k) for k in range(n) if k != q))
    run = do_trace.edited(opened, base, [cut])
    assert run.attention is not None
    alone = np.zeros((STEPS - 1, opened.config.heads, n), dtype=np.float32)
    alone[..., q] = 1
    np.testing.assert_array_equal(run.attention[1:, :, q], alone)
    assert base.attention is not None
    assert (base.attention[1:, :, q, q] < 0.9).all(), "what was cut was attended to"


def test_repeat_is_the_same_step_again(case: tuple[Checkpoint, Trace]) -> None:
    opened, base = case
    long = trace.record(opened, base.instance, STEPS + 3)
    out = intervene.run(opened, base, [[parse("repeat t=2 amount=2")], [parse("hold t=2")]], hidden=True)
    assert out.hidden is not None
    # no step embedding: a step more is the same as the run itself, further on
    np.testing.assert_allclose(out.hidden[0, 2:], long.hidden[4 : STEPS + 3], atol=1e-5)
    np.testing.assert_allclose(out.hidden[1, 2:], base.hidden[1:-1], atol=1e-5)


def test_a_step_that_is_repeated_takes_its_own_step_embedding() -> None:
    opened = checkpoint.load("graph-paper")
    base = trace.record(opened, tasks.get("graph").generate(4, 2, data="audited", seed=3)[0], 8)
    out = intervene.run(opened, base, [[parse("repeat t=3")]], hidden=True)
    model = opened.model
    with torch.no_grad():
        context = model.prepare(collate([base.encoding]))
        h = model.initial(context)
        for t in (0, 1, 2, 2, 3, 4, 5, 6, 7):
            h = model.step(h, t, context)
    assert out.hidden is not None
    np.testing.assert_allclose(out.hidden[0, -1], h[0].numpy(), atol=1e-4)


def test_a_null_edit_changes_nothing_to_the_bit(case: tuple[Checkpoint, Trace]) -> None:
    opened, base = case
    nothing = np.zeros(base.hidden.shape[-1])
    programs = [
        [],
        loads("patch t=2 node=1\npatch t=4"),
        loads("patch t=0.. node=1"),
        loads("add t=1..5 amount=3 direction=nothing"),
        loads("noise t=3 amount=0"),
        loads("swap t=2 node=1,1"),
    ]
    live = [parse("zero t=1 node=1"), parse("gate t=2.. amount=.5")]
    out = intervene.run(
        opened, base, [*programs, live], Material(base, {"nothing": nothing}), readout=True, hidden=True
    )
    assert out.readout is not None
    assert out.hidden is not None
    assert base.readout is not None
    for row in range(len(programs)):
        assert np.array_equal(out.logits[row], base.logits), programs[row]
        assert np.array_equal(out.readout[row], base.readout), programs[row]
        assert np.array_equal(out.hidden[row], base.hidden), programs[row]
    assert not np.array_equal(out.logits[-1], base.logits)


def test_before_its_step_an_edit_changes_nothing(case: tuple[Checkpoint, Trace]) -> None:
    opened, base = case
    q, k = pair_of(base)
    programs = [[parse("zero t=3")], [parse(f"cut t=3 edge={q}<{k}")], [parse("hold t=3")]]
    out = intervene.run(opened, base, programs, hidden=True)
    assert out.hidden is not None
    for row in range(3):
        assert np.array_equal(out.hidden[row, :3], base.hidden[:3])
        assert not np.array_equal(out.hidden[row, 3], base.hidden[3])


@pytest.mark.slow
def test_a_batch_is_as_one_by_one(case: tuple[Checkpoint, Trace], monkeypatch: pytest.MonkeyPatch) -> None:
    opened, base = case
    q, k = pair_of(base)
    rng = np.random.default_rng(0)
    programs: list[list[Edit]] = [
        [Edit("zero", t, nodes=(i,))] for t, i in rng.integers(0, (7, 9), (30, 2)).tolist()
    ]  # fmt: skip
    programs += [loads(f"zero t=1 node=1\ncut t=4 edge={q}<{k}"), loads("hold t=2\nmean t=3 node=0"), []]
    programs += [loads("repeat t=5"), loads(f"silence t=1.. edge={q}<{k}\ngate t=2 amount=.3 node=1")]
    means = Material(mean=np.random.default_rng(3).normal(size=base.hidden.shape).astype(np.float32))
    together = intervene.run(opened, base, programs, means, readout=True, hidden=True)
    monkeypatch.setattr(intervene, "CELLS", 1)
    told: list[tuple[int, int]] = []
    alone = intervene.run(
        opened, base, programs, means, readout=True, hidden=True,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert together.hidden is not None
    assert means.mean is not None
    np.testing.assert_array_equal(together.hidden[-4, 3, 0], means.mean[3, 0])
    for name in ("logits", "readout", "hidden"):
        np.testing.assert_allclose(getattr(together, name), getattr(alone, name), atol=1e-5)
    assert told[-1] == (len(programs) - 1, len(programs) - 1)


@pytest.mark.slow
def test_answers_alone_are_those_beside_all_states(case: tuple[Checkpoint, Trace]) -> None:
    """Where nothing but answers is kept, nodes that cannot bear on one are not computed; swaps read any node."""
    opened, base = case
    nodes = range(min(base.n_nodes, 12))
    programs: list[list[Edit]] = [[Edit("zero", t, nodes=(i,))] for t in range(STEPS + 1) for i in nodes]
    programs += [loads("noise t=1 node=0 amount=2\nzero t=4 node=1"), loads("zero t=0")]
    swaps = [[Edit("zero", 1, nodes=(i,)), Edit("swap", 5, nodes=(i, base.n_nodes - 1))] for i in nodes[:-1]]
    for some in (programs, [*programs, *swaps]):
        alone, beside = intervene.run(opened, base, some), intervene.run(opened, base, some, readout=True, hidden=True)
        np.testing.assert_allclose(alone.logits, beside.logits, atol=1e-5)
    near = intervene.Runner(opened, base, Material()).near
    if near is not None:
        cone = near.cone(STEPS).numpy()
        asked = {base.encoding.answer, *([base.encoding.source] if opened.config.readout == "pair" else [])}
        assert set(np.flatnonzero(cone[STEPS])) == asked
        query, key = near.context.batch.edge_index.numpy()  # type: ignore[union-attr]
        for t in range(STEPS):
            assert set(np.flatnonzero(cone[t])) == {*key[cone[t + 1][query]], *np.flatnonzero(cone[t + 1])}


@pytest.mark.parametrize(
    "name", ["graph-house", "graph-paper", "graph-act", "graph-house-tokens", "logic-house-tree", "logic-house-tokens",
             "logic-gru", "text-house-tokens"],
)  # fmt: skip
def test_a_full_patch_gives_the_twins_answer(name: str) -> None:
    opened = checkpoint.load(name)
    instance = tasks.get(opened.config.task).generate(3, 2, data="audited", seed=5)[0]
    steps = trace.default_steps(opened, instance) if name == "logic-gru" else 10
    base = trace.record(opened, instance, steps)
    donor = trace.record(opened, twins.find(instance).instance, steps)
    assert abs(base.logits[-1] - donor.logits[-1]) > 1e-3
    programs = [[Edit("patch", steps)]]
    programs += [[Edit("patch", t, parts=("state", "mask", "input"))] for t in range(steps + 1)]
    out = intervene.run(opened, base, programs, Material(donor=donor), readout=True)
    np.testing.assert_allclose(out.logits[:, -1], donor.logits[-1], atol=1e-4 if name == "graph-paper" else 1e-5)
    if donor.readout is not None:
        assert out.readout is not None
        scale = 1e-5 * max(1.0, float(np.abs(donor.readout[-1]).max()))
        np.testing.assert_allclose(out.readout[:, -1], np.tile(donor.readout[-1], (len(programs), 1)), atol=scale)


def test_a_full_patch_on_a_large_graph_takes_the_donors_edges() -> None:
    opened = wave()
    n = 320
    path = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    instance = GraphInstance(tuple(map(str, range(n))), path, 310, n - 1)
    other = GraphInstance(instance.names, np.delete(path, 315, axis=0), 310, n - 1)
    base, donor = trace.record(opened, instance, 14), trace.record(opened, other, 14)
    assert base.answer == 1
    assert donor.answer == 0
    programs = [
        loads("patch t=14"), loads("patch t=2 parts=state,mask,input"), loads("patch t=2 parts=mask"),
        loads("patch t=8 parts=mask"), loads("patch t=2"), loads("cut t=1.. edge=316<315"),
        loads("cut t=8.. edge=316<315"),
    ]  # fmt: skip
    out = intervene.run(opened, base, programs, Material(donor=donor))
    np.testing.assert_allclose(out.logits[:2, -1], donor.logits[-1], atol=1e-5)
    # without the edge 315 -> 316 the wave, which passes it in step 6, never comes; later on its loss is nothing
    assert (out.logits[:, -1] > 0).tolist() == [False, False, False, True, True, False, True]


def test_a_donor_may_ask_something_else() -> None:
    opened = wave()
    instance = GraphInstance(("A", "B", "C"), np.array([[0, 1]]), 0, 1)
    other = GraphInstance(("A", "B", "C"), np.array([[0, 1]]), 0, 2)
    base, donor = trace.record(opened, instance, 4), trace.record(opened, other, 4)
    out = intervene.run(opened, base, [loads("patch t=1 parts=state,mask,input")], Material(donor=donor))
    np.testing.assert_allclose(out.logits[0, 1:], donor.logits[1:], atol=1e-5)


def test_what_a_model_does_not_let_in_is_said_in_a_sentence(tmp_path: Path) -> None:
    instance = GraphInstance(("A", "B"), np.array([[0, 1]]), 0, 1)
    base = trace.record(flood(), instance, 3)
    act = checkpoint.load("graph-act")
    gru = checkpoint.load("logic-gru")
    formula = trace.record(gru, tasks.get("logic").parse("(T&F)"), 5)
    blind = trace.record(wave(), GraphInstance(("A", "B"), np.zeros((0, 2), dtype=np.int64), 0, 1), 3)
    cases: list[tuple[Checkpoint, Trace, str, str]] = [
        (flood(), base, "cut t=1 edge=1<0", "this model has no attention"),
        (flood(), base, "gate t=1 amount=1", "lets nobody into its attention and gate"),
        (gru, formula, "silence t=1 edge=1<0", "this model has no attention"),
        (gru, formula, "gate t=1 amount=1", "lets nobody into its attention and gate"),
        (act, trace.record(act, instance, 3), "gate t=1 amount=1", "no update gate to set"),
        (wave(), trace.record(wave(), instance, 3), "gate t=1 amount=1", "no update gate to set"),
        (wave(), blind, "cut t=1 edge=1<1", "nothing to attend to"),
        (wave(), blind, "patch t=1", "a patch needs a donor"),
        (wave(), blind, "add t=1 amount=1 direction=up", "there is no direction 'up'; there are: none here"),
        (wave(), blind, "zero t=4", "the run has 3 steps"),
    ]
    for opened, run, text, says in cases:
        with pytest.raises(InputError) as refused:
            intervene.run(opened, run, [[parse(text)]])
        assert says in str(refused.value), text
    states = intervene.run(flood(), base, [[parse("zero t=0 node=0")], [parse("hold t=1")], [parse("repeat t=1")]])
    assert (states.logits[:, -1] > 0).tolist() == [False, True, True]
    longer, short = trace.record(wave(), instance, 4), Material(trace.record(wave(), instance, 3))
    with pytest.raises(InputError, match="the donor has 2 nodes and 3 steps, the run has 2 and 4"):
        intervene.run(wave(), longer, [[parse("patch t=1")]], short)


def test_too_much_is_refused_before_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervene, "MAX_BYTES", 1000)
    base = trace.record(wave(), GraphInstance(("A", "B"), np.array([[0, 1]]), 0, 1), 3)
    with pytest.raises(InputError, match="fewer steps, nodes or edits"):
        intervene.run(wave(), base, [[parse("zero t=1")]] * 10, hidden=True)


def test_zeroing_the_front_stops_the_wave_and_only_there() -> None:
    """On a path the wave stands at node t after t steps: without it nothing arrives; behind it, it comes again."""
    opened = wave()
    path = np.stack([np.arange(7), np.arange(1, 8)], axis=1)
    instance = GraphInstance(tuple("ABCDEFGH"), path, 0, 7)
    base = trace.record(opened, instance, 7)
    unreached = np.array([-1.0, 1, 1, -1, 0, 0, 0, 0], dtype=np.float32) * np.sqrt(2)
    cells = [(t, i) for t in range(8) for i in range(8)]
    programs = [[Edit("mean", t, nodes=(i,))] for t, i in cells]
    out = intervene.run(opened, base, programs, Material(mean=np.tile(unreached, (8, 1))))
    for (t, i), logit in zip(cells, out.logits[:, -1], strict=True):
        assert (logit > 0) == (i != t), (t, i)
