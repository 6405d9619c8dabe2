"""Whether a class of recurrent models is whole: each thing that tracing, probing and the pages rely on, tried out.

A class may refuse a presentation (trees, say) by raising InputError or ValueError when it is made; it has to take at
least one, and to be whole for each that it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from depthscope.core import tasks
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Batch, Encoding, collate
from depthscope.core.protocol import Shapes, Sink, steps_of

STEPS = 5
TOLERANCE = 1e-4

PRESENTATIONS = {
    "graph": ModelConfig("graph", vocabulary=2, width=16, heads=2, hidden=16, depth_embedding=STEPS),
    "tree": ModelConfig("logic", vocabulary=10, width=16, heads=2, hidden=16, depth_embedding=STEPS),
    "tokens": ModelConfig("logic", 10, 16, 2, 16, attention="full", position="rope", depth_embedding=STEPS),
    "reading": ModelConfig("logic", 10, 16, 2, 16, attention="none", depth_embedding=STEPS),
}
"""What a class is tried on: graphs along their edges; formulas as trees, as tokens, and as tokens read in turn."""

METHODS = ("prepare", "initial", "step", "readout")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        presentation: Of `PRESENTATIONS`; "" for the class itself.
        name: What was looked at.
        ok: Whether it is as it should be.
        says: What is wrong; "" if nothing is.
    """

    presentation: str
    name: str
    ok: bool
    says: str = ""


class Wrong(Exception):  # noqa: N818
    """Something is not as it should be; the message says what."""


def check(adapter: type[nn.Module], task: str | None = None) -> list[Finding]:
    """Tries a class on small instances.

    Args:
        adapter: The class; called with a ModelConfig.
        task: "graph" or "logic"; None tries both.

    Raises:
        InputError: If there is no such task.
    """
    if task is not None:
        tasks.get(task)
    names = [name for name, config in PRESENTATIONS.items() if task in (None, config.task)]
    missing = [method for method in METHODS if not callable(getattr(adapter, method, None))]
    found = [
        Finding("", method, method not in missing, "" if method not in missing else "the class has no such method")
        for method in METHODS
    ]
    if missing:
        return found
    refused = []
    for name in names:
        try:
            torch.manual_seed(0)
            model: Any = adapter(PRESENTATIONS[name])  # pyright: ignore[reportCallIssue]
        except ValueError as error:  # InputError is one
            refused.append(f"{name}: {_first_line(error)}")
            continue
        except Exception as error:
            found.append(Finding(name, "made with a ModelConfig", False, _said(error)))
            continue
        found += [_tried(name, what, test) for what, test in _tests(model.eval(), PRESENTATIONS[name], adapter)]
    if len(refused) == len(names):
        found.append(
            Finding("", "reads something", False, "it refuses every config it was tried with: " + "; ".join(refused))
        )
    return found


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _said(error: BaseException) -> str:
    return _first_line(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {_first_line(error)}"


def _tried(presentation: str, name: str, test: Callable[[], None]) -> Finding:
    try:
        with torch.inference_mode():
            test()
    except Exception as error:  # it is the user's code that is run
        return Finding(presentation, name, False, _said(error))
    return Finding(presentation, name, True)


def _same(a: Tensor, b: Tensor, what: str, tolerance: float = TOLERANCE) -> None:
    if a.shape != b.shape:
        raise Wrong(f"{what}: the shapes differ, {tuple(a.shape)} and {tuple(b.shape)}")
    if a.numel() and not float((a - b).abs().max()) <= tolerance:
        raise Wrong(f"{what}: they differ by {float((a - b).abs().max()):.2g}")


def _shaped(x: Any, shape: tuple[int, ...], what: str) -> None:
    if not isinstance(x, Tensor) or tuple(x.shape) != shape:
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise Wrong(f"{what} should be a tensor of shape {shape} (got {got})")
    if not bool(torch.isfinite(x).all()):
        raise Wrong(f"{what} holds numbers that are not finite")


def _run(model: Any, batch: Batch, steps: int, start: Tensor | None = None, at: int = 0) -> list[Tensor]:
    """States from step `at` on, the start state included."""
    context = model.prepare(batch)
    states = [model.initial(context) if start is None else start]
    for t in range(at, steps):
        states.append(model.step(states[-1], t, context))
    return states


def _tests(model: Any, config: ModelConfig, adapter: type[nn.Module]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Name and test of each thing that is looked at."""
    drawn = tasks.get(config.task).generate(2, 2) + tasks.get(config.task).generate(4, 2)
    encodings: list[Encoding] = [tasks.get(config.task).encode(x, config) for x in drawn]
    batch = collate(encodings)
    b, n = batch.token_ids.shape

    def about() -> None:
        if model.config != config:
            raise Wrong("`config` should be the ModelConfig that the class was made with")
        if not isinstance(model.shapes, Shapes):
            raise Wrong("`shapes` should be a depthscope.core.protocol.Shapes")
        if next(model.parameters(), None) is None:
            raise Wrong("the model has no parameters, so nothing says on which device it is")

    def states() -> None:
        for t, state in enumerate(_run(model, batch, STEPS)):
            _shaped(state, (b, n, model.shapes.width), f"the state after {t} steps")

    def readouts() -> None:
        kept = torch.stack(_run(model, batch, STEPS))
        for given, lead in ((kept[-1], ()), (kept, (STEPS + 1,))):
            answer, node = model.readout(given, batch)
            _shaped(answer, (*lead, b), f"the answer's logit of states {tuple(given.shape)}")
            if node is not None:
                _shaped(node, (*lead, b, n), f"the nodes' logits of states {tuple(given.shape)}")
        answer, node = model.readout(kept, batch)
        _same(answer[-1], model.readout(kept[-1], batch)[0], "the last of many read out at once, and read out alone")

    def deterministic() -> None:
        _same(_run(model, batch, STEPS)[-1], _run(model, batch, STEPS)[-1], "two runs in eval mode", 0.0)

    def alone() -> None:
        kept = _run(model, batch, STEPS)
        again = _run(model, batch, STEPS, start=kept[2].clone(), at=2)
        _same(again[-1], kept[-1], "a run, and its second half from the kept state of step 2", 0.0)

    def untouched() -> None:
        context = model.prepare(batch)
        state = model.initial(context).clone()
        before = state.clone()
        model.step(state, 0, context)
        _same(state, before, "the state given to `step`, before and after", 0.0)

    def padding() -> None:
        together = _run(model, batch, STEPS)[-1]
        answers = model.readout(together, batch)[0]
        for i, encoding in enumerate(encodings):
            single = collate([encoding])
            state = _run(model, single, STEPS)[-1]
            _same(together[i : i + 1, : encoding.n_nodes], state, "the states of an instance with others, and alone")
            _same(answers[i : i + 1], model.readout(state, single)[0], "an answer with others in the batch, and alone")

    def edge_list() -> None:
        dense, sparse = (
            model.readout(_run(model, given, STEPS)[-1], given)[0]
            for given in (collate(encodings, sparse=False), collate(encodings, sparse=True))
        )
        _same(sparse, dense, "answers with `edge_index`, as large graphs have it, and with `allowed`")

    def traced() -> None:
        for given in (batch, collate(encodings, sparse=True)) if batch.allowed is not None else (batch,):
            edges, heads = given.edge_index, model.shapes.heads
            size = (b, heads, n, n) if edges is None else (heads, edges.shape[1])
            sink = Sink(
                torch.full(size, torch.nan) if heads else None,
                torch.full((b, n), torch.nan) if model.shapes.gate else None,
            )
            context = model.prepare(given)
            state = model.initial(context)
            for t in (0, 1, 2 * STEPS):
                kept, plain = model.step(state, t, context, sink), model.step(state, t, context)
                _same(kept, plain, "a step with a sink, and without")
                for name, room in (("attention", sink.attention), ("gate", sink.gate)):
                    if room is not None and not bool(torch.isfinite(room).all()):
                        raise Wrong(
                            f"step {t} leaves part of sink.{name} unwritten, though `shapes` says that it has one"
                        )

    def asked() -> None:
        for read in (encodings[0], batch):
            steps = steps_of(model, read, 1)
            if steps < 1:
                raise Wrong(f"`steps_for` should give a whole number from 1 (got {steps})")
        if any(not isinstance(note, str) for note in getattr(model, "notes", lambda _: ())(STEPS)):
            raise Wrong("`notes` should give sentences")

    def saved() -> None:
        content = safetensors.torch.save({k: v.contiguous() for k, v in model.state_dict().items()})
        with torch.device("meta"):
            again: Any = adapter(config)  # pyright: ignore[reportCallIssue]
        again.load_state_dict(safetensors.torch.load(content), assign=True)
        lost = [k for k, v in (*again.named_parameters(), *again.named_buffers()) if v.is_meta]
        if lost:
            raise Wrong(f"{lost[0]!r} is not in the state_dict, so that a saved model would lack it")
        _same(
            _run(again.eval(), batch, STEPS)[-1],
            _run(model, batch, STEPS)[-1],
            "a model, and its copy from a file",
            0.0,
        )

    yield "config, shapes and parameters", about
    yield "states of the right shape, and finite", states
    yield "readout of one state and of many", readouts
    yield "deterministic in eval mode", deterministic
    yield "a step depends on its state and t alone", alone
    yield "a step leaves its input as it is", untouched
    yield "padding changes nothing", padding
    if config.attention == "edges":
        yield "an edge list gives what the mask gives", edge_list
    yield "a traced step is the plain step, and fills the sink", traced
    yield "steps_for and notes, where there are any", asked
    yield "weights survive a file", saved
