"""Whether a class of recurrent models is whole: each thing that tracing, probing and the pages rely on, tried out.

A class may refuse a presentation (trees, say) by raising InputError or ValueError when it is made; it has to take at
least one, and to be whole for each that it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from depthscope.core import tasks
from depthscope.core.config import ModelConfig
from depthscope.core.encoding import Batch, collate
from depthscope.core.kinds.findings import Finding, Wrong, by_docstring, first_line, of_error, tried
from depthscope.core.protocol import Shapes, Sink, steps_of

STEPS = 5
TOLERANCE = 1e-4


def _small(task: str, vocabulary: int, **settings: Any) -> ModelConfig:
    return ModelConfig(task, vocabulary, width=16, heads=2, mlp_width=16, depth_embedding=STEPS, **settings)


PRESENTATIONS = (
    ("graph", _small("graph", 2)),
    ("tree", _small("logic", 10)),
    ("tokens", _small("logic", 10, attention="full", position="rope")),
    ("reading", _small("logic", 10, attention="none")),
)
"""What a class is tried on: graphs along their edges; formulas as trees, as tokens, and as tokens read in turn."""

METHODS = ("prepare", "initial", "step", "readout")


def check(adapter: type[nn.Module], task: str | None = None) -> list[Finding]:
    """Tries a class on small instances.

    Args:
        adapter: The class; called with a ModelConfig.
        task: Name of the task; None tries all that it can be tried on.

    Raises:
        InputError: If there is no such task.
    """
    if task is not None:
        tasks.get(task)
    among = [(name, config) for name, config in PRESENTATIONS if task in (None, config.task)]
    missing = [method for method in METHODS if not callable(getattr(adapter, method, None))]
    findings = [
        Finding("", method, method not in missing, "the class has no such method" if method in missing else "")
        for method in METHODS
    ]
    if missing:
        return findings
    refused = []
    for name, config in among:
        try:
            torch.manual_seed(0)
            model: Any = adapter(config)  # pyright: ignore[reportCallIssue]
        except ValueError as error:  # InputError is one
            refused.append(f"{name}: {first_line(error)}")
        except Exception as error:
            findings.append(of_error(name, "made with a ModelConfig", error))
        else:
            trial = Trial(model.eval(), config, adapter)
            findings += [tried(name, what, partial(test, trial)) for what, test in TESTS.items() if trial.takes(test)]
    if len(refused) == len(among):
        says = "it refuses every config it was tried with: " + "; ".join(refused)
        findings.append(Finding("", "reads something", False, says))
    return findings


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


def _last(model: Any, batch: Batch) -> Tensor:
    """The state after all steps."""
    return _run(model, batch, STEPS)[-1]


class Trial:
    """A model of the class under one presentation, and small instances of it; a test is called by its docstring."""

    def __init__(self, model: Any, config: ModelConfig, adapter: type[nn.Module]) -> None:
        self.model, self.config, self.adapter = model, config, adapter
        task = tasks.get(config.task)
        drawn = task.generate(2, 2) + task.generate(4, 2)
        self.encodings = [task.encode(x, config) for x in drawn]
        self.batch = collate(self.encodings)
        self.b, self.n = self.batch.token_ids.shape

    def takes(self, test: Callable[[Trial], None]) -> bool:
        """Whether a test is for this presentation."""
        return test is not Trial.edge_list or self.config.attention == "edges"

    def about(self) -> None:
        """Config, shapes and parameters."""
        if self.model.config != self.config:
            raise Wrong("`config` should be the ModelConfig that the class was made with")
        if not isinstance(self.model.shapes, Shapes):
            raise Wrong("`shapes` should be a depthscope.core.protocol.Shapes")
        if next(self.model.parameters(), None) is None:
            raise Wrong("the model has no parameters, so nothing says on which device it is")

    def states(self) -> None:
        """States of the right shape, and finite."""
        for t, state in enumerate(_run(self.model, self.batch, STEPS)):
            _shaped(state, (self.b, self.n, self.model.shapes.width), f"the state after {t} steps")

    def readouts(self) -> None:
        """Readout of one state and of many."""
        kept = torch.stack(_run(self.model, self.batch, STEPS))
        for given, lead in ((kept[-1], ()), (kept, (STEPS + 1,))):
            answer, node = self.model.readout(given, self.batch)
            _shaped(answer, (*lead, self.b), f"the answer's logit of states {tuple(given.shape)}")
            if node is not None:
                _shaped(node, (*lead, self.b, self.n), f"the nodes' logits of states {tuple(given.shape)}")
        many, one = (self.model.readout(x, self.batch)[0] for x in (kept, kept[-1]))
        _same(many[-1], one, "the last of many read out at once, and read out alone")

    def deterministic(self) -> None:
        """Deterministic in eval mode."""
        first, second = (_last(self.model, self.batch) for _ in range(2))
        _same(first, second, "two runs in eval mode", 0.0)

    def alone(self) -> None:
        """A step depends on its state and t alone."""
        kept = _run(self.model, self.batch, STEPS)
        again = _run(self.model, self.batch, STEPS, start=kept[2].clone(), at=2)
        _same(again[-1], kept[-1], "a run, and its second half from the kept state of step 2", 0.0)

    def untouched(self) -> None:
        """A step leaves its input as it is."""
        context = self.model.prepare(self.batch)
        state = self.model.initial(context).clone()
        before = state.clone()
        self.model.step(state, 0, context)
        _same(state, before, "the state given to `step`, before and after", 0.0)

    def padding(self) -> None:
        """Padding changes nothing."""
        together = _last(self.model, self.batch)
        answers = self.model.readout(together, self.batch)[0]
        for i, encoding in enumerate(self.encodings):
            single = collate([encoding])
            state = _last(self.model, single)
            answer = self.model.readout(state, single)[0]
            _same(together[i : i + 1, : encoding.n_nodes], state, "the states of an instance with others, and alone")
            _same(answers[i : i + 1], answer, "an answer with others in the batch, and alone")

    def edge_list(self) -> None:
        """An edge list gives what the mask gives."""
        both = (collate(self.encodings, sparse=False), collate(self.encodings, sparse=True))
        dense, sparse = (self.model.readout(_last(self.model, batch), batch)[0] for batch in both)
        _same(sparse, dense, "answers with `edge_index`, as large graphs have it, and with `allowed`")

    def traced(self) -> None:
        """A traced step is the plain step, and fills the sink."""
        both = (self.batch, collate(self.encodings, sparse=True))
        for given in both if self.batch.allowed is not None else both[:1]:
            edges, heads = given.edge_index, self.model.shapes.heads
            size = (self.b, heads, self.n, self.n) if edges is None else (heads, edges.shape[1])
            sink = Sink(
                torch.full(size, torch.nan) if heads else None,
                torch.full((self.b, self.n), torch.nan) if self.model.shapes.gate else None,
            )
            context = self.model.prepare(given)
            state = self.model.initial(context)
            for t in (0, 1, 2 * STEPS):
                kept, plain = self.model.step(state, t, context, sink), self.model.step(state, t, context)
                _same(kept, plain, "a step with a sink, and without")
                for name, room in (("attention", sink.attention), ("gate", sink.gate)):
                    if room is not None and not bool(torch.isfinite(room).all()):
                        unwritten = f"step {t} leaves part of sink.{name} unwritten"
                        raise Wrong(f"{unwritten}, though `shapes` says that it has one")

    def asked(self) -> None:
        """Steps_for and notes, where there are any."""
        for read in (self.encodings[0], self.batch):
            steps = steps_of(self.model, read, 1)
            if steps < 1:
                raise Wrong(f"`steps_for` should give a whole number from 1 (got {steps})")
        if any(not isinstance(note, str) for note in getattr(self.model, "notes", lambda _: ())(STEPS)):
            raise Wrong("`notes` should give sentences")

    def saved(self) -> None:
        """Weights survive a file."""
        content = safetensors.torch.save({k: v.contiguous() for k, v in self.model.state_dict().items()})
        with torch.device("meta"):
            again: Any = self.adapter(self.config)  # pyright: ignore[reportCallIssue]
        again.load_state_dict(safetensors.torch.load(content), assign=True)
        lost = [k for k, v in (*again.named_parameters(), *again.named_buffers()) if v.is_meta]
        if lost:
            raise Wrong(f"{lost[0]!r} is not in the state_dict, so that a saved model would lack it")
        copied, original = (_last(model, self.batch) for model in (again.eval(), self.model))
        _same(copied, original, "a model, and its copy from a file", 0.0)


TESTS = by_docstring(
    Trial.about, Trial.states, Trial.readouts, Trial.deterministic, Trial.alone, Trial.untouched, Trial.padding,
    Trial.edge_list, Trial.traced, Trial.asked, Trial.saved,
)  # fmt: skip
"""What is looked at, in this order."""
