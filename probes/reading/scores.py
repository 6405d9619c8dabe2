"""How well a probe reads, at every step: balanced accuracy, its interval, and the controls beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading.nodes import Sample
from depthscope.probes.reading.regression import LinearProbe

MAX_STEPS = 1000
"""Of stored scores."""

CONTROLS = {"untrained": "untrained", "embedding": "h[0]", "features": "features", "control_task": "control task"}
"""What stands beside every accuracy, and its heading in the table."""

SHOWN = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24)
"""Steps in the table, beside the last; --json has them all."""

CROSSED = (1, 2, 4, 8, 12, 16, 24)
"""Steps in the table of probes read at other steps, beside the last."""


@dataclass(frozen=True)
class StepScores:
    """Scores on one set of nodes; every array is (T+1,), NaN where a class has no node.

    Attributes:
        title: Which nodes these are.
        accuracy: Balanced accuracy; one in the number of classes is what the majority class gets.
        selectivity: Accuracy less that of the control task.
        controls: Balanced accuracy on the same nodes of "untrained", "embedding", "features" and "control_task".
        n_test: Nodes scored.
        n_instances: Instances they come from.
    """

    title: str
    accuracy: Estimate
    selectivity: np.ndarray
    controls: dict[str, np.ndarray]
    n_test: int
    n_instances: int

    def __post_init__(self) -> None:
        for name, values in {"selectivity": self.selectivity, **self.controls}.items():
            if values.shape != self.accuracy.shape:
                raise ValueError(f"{name} has shape {values.shape}, but accuracy has shape {self.accuracy.shape}")

    def table(self) -> str:
        """Accuracy at some of the steps, the controls beside it."""
        lines = [f"{self.title}: {self.n_test:,} nodes of {self.n_instances:,} instances"]
        lines.append(f"{'step':>6}{'accuracy':>22}" + "".join(f"{x:>14}" for x in CONTROLS.values()))
        last = len(self.accuracy) - 1
        for t in (*(t for t in SHOWN if t < last), last):
            if not np.isnan(self.accuracy.value[t]):
                beside = "".join(f"{self.controls[name][t]:14.3f}" for name in CONTROLS)
                lines.append(f"{t:>6}{f'{self.accuracy[t]}':>22}{beside}")
        return "\n".join(lines)


@dataclass(frozen=True)
class AcrossSteps:
    """The probe fitted at one step on the states of another: balanced accuracy, (T+1, T+1), axes (fitted, read).

    Row 4 that stays high to the right says that the concept stays written as it was at step 4.

    Attributes:
        title: Which nodes these are.
        accuracy: Balanced accuracy; NaN where a class has no node, or the probe is a constant.
        untrained: The same of an untrained network and its own probes.
    """

    title: str
    accuracy: Estimate
    untrained: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, (len(self.accuracy),) * 2, "accuracy", "untrained")

    def table(self) -> str:
        """The probe of one step on the states of another, an untrained network's in brackets."""
        last = len(self.accuracy) - 1
        some = [*(t for t in CROSSED if t < last), last]
        lines = [
            f"the probe of one step (rows) on the states of another (columns), untrained in brackets; {self.title}"
        ]
        lines.append(" " * 6 + "".join(f"{t:>14}" for t in some))
        for t in some:
            cells = (f"{self.accuracy.value[t, u]:.3f} ({self.untrained[t, u]:.3f})" for u in some)
            lines.append(f"{t:>6}" + "".join(f"{cell:>14}" for cell in cells))
        return "\n".join(lines).replace("nan (nan)", "      -  ")


@dataclass(frozen=True)
class ProbeScores(Result):
    """Scores of the probes of one checkpoint and concept, fitted at each of the steps 0..T.

    Attributes:
        concept: Name of the concept.
        data: "audited" or "paper", the instances fitted and scored on.
        meaning: What a reading is the probability of.
        n_train: Nodes the probes were fitted on.
        constant: Steps whose probe is a constant, since all nodes to fit on were of one class.
        tests: "held_out" (as difficult as those fitted on), "harder", and parts of them.
        across: Every step's probe on the states of every other step.
    """

    concept: str
    data: str
    meaning: str
    n_train: int
    constant: tuple[int, ...]
    tests: dict[str, StepScores]
    across: AcrossSteps

    def table(self) -> str:
        """Balanced accuracy at some of the steps, the controls beside it, for each set of nodes."""
        fitted = f"fitted on {self.n_train:,} nodes of {self.data} instances"
        parts = [f"{self.checkpoint}: {self.meaning!r}, balanced accuracy; {fitted}"]
        if self.constant:
            parts.append(f"one class alone at steps {', '.join(map(str, self.constant))}: a constant, not a probe")
        return "\n\n".join([*parts, *(test.table() for test in self.tests.values()), self.across.table()])


def parsed(stored: Mapping[str, Any]) -> ProbeScores:
    """What `ProbeScores.to_json` wrote, or an earlier release: with ends beside the accuracy, or without a matrix.

    Raises:
        ValueError, KeyError, TypeError, OverflowError: If it is anything else.
    """
    _check(stored, dict, "scores")
    _check(stored["tests"], dict, "tests")
    tests = {}
    for name, test in stored["tests"].items():
        for part, kind in (("title", str), ("controls", dict), ("n_test", int), ("n_instances", int)):
            _check(_check(test, dict, name)[part], kind, part)
        controls = {key: _array(values) for key, values in test["controls"].items()}
        if controls.keys() != CONTROLS.keys():
            raise ValueError("other controls than those there are")
        tests[name] = StepScores(
            title=test["title"],
            accuracy=_estimate(test, test["n_test"]),
            selectivity=_array(test["selectivity"]),
            controls=controls,
            n_test=test["n_test"],
            n_instances=test["n_instances"],
        )
    texts, counts = ("checkpoint", "sha256", "concept", "data", "meaning"), ("seed", "n_train")
    for name in (*texts, *counts):
        _check(stored[name], str if name in texts else int, name)
    for t in _check(stored["constant"], list, "constant"):
        _check(t, int, "constant")
    if not tests:
        raise ValueError("no nodes were scored")
    rows = len(next(iter(tests.values())).accuracy)
    if rows > MAX_STEPS:
        raise ValueError("more steps than any probes are fitted at")
    across = AcrossSteps("", Estimate.none(rows, rows), np.full((rows, rows), np.nan))
    if square := stored.get("across"):
        title = _check(_check(square, dict, "across")["title"], str, "title")
        n = next((test.n_test for test in tests.values() if test.title == title), 0)
        across = AcrossSteps(title, _estimate(square, n), _array(square["untrained"]))
    return ProbeScores(
        **{name: stored[name] for name in (*texts, *counts)},
        steps=rows - 1,
        constant=tuple(stored["constant"]),
        tests=tests,
        across=across,
    )


def _estimate(stored: Mapping[str, Any], n: int) -> Estimate:
    """An accuracy of n nodes: an estimate, or a list with its ends beside it."""
    accuracy = stored["accuracy"]
    parts = accuracy if isinstance(accuracy, dict) else {**stored, "value": accuracy}
    value, low, high = (_array(parts[name]) for name in ("value", "low", "high"))
    return Estimate(value, low, high, n)


def _check(value: Any, kind: type, name: str) -> Any:
    """The value, if it is of the kind."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name} should be a {kind.__name__}")
    return value


def _array(values: Any) -> np.ndarray:
    """Numbers in a row, or rows of them; None becomes NaN."""
    array = np.array(_check(values, list, "numbers"), dtype=np.float64)
    if not array.ndim or np.isinf(array).any():
        raise ValueError("numbers that are none")
    return array


def score(
    title: str,
    mask: np.ndarray,
    nodes: Sample,
    predicted: np.ndarray,
    by_controls: dict[str, np.ndarray],
    memorised: list[tuple[np.ndarray, np.ndarray]],
    seed: int,
) -> StepScores:
    """Scores on some of the nodes that no probe was fitted on.

    Args:
        title: Which nodes.
        mask: (N,) bool, which nodes.
        nodes: N nodes.
        predicted: (T+1, N), what the probe says: bool, or one of the concept's values.
        by_controls: The same of each control.
        memorised: What the probe of each control task says and what its labels are, (T+1, N) both.
        seed: Of the bootstrap.
    """
    truth, instance = nodes.truth[:, mask], nodes.instance[mask]
    accuracy = balanced_accuracy(predicted[:, mask], truth, nodes.group[instance], seed)
    controls = {name: _accuracy(x[:, mask], truth) for name, x in by_controls.items()}
    by_rote = [_accuracy(x[:, mask], labels[:, mask]) for x, labels in memorised]
    fair = [x for x in by_rote if np.isfinite(x).all()]  # all coins of the identities here may have fallen alike
    controls["control_task"] = np.mean(fair, axis=0) if fair else np.full(accuracy.shape, np.nan)
    return StepScores(
        title=title,
        accuracy=accuracy,
        selectivity=accuracy.value - controls["control_task"],
        controls=controls,
        n_test=int(mask.sum()),
        n_instances=len(np.unique(instance)),
    )


def across(
    title: str,
    nodes: Sample,
    trained: tuple[LinearProbe, np.ndarray],
    untrained: tuple[LinearProbe, np.ndarray],
    seed: int,
) -> AcrossSteps:
    """Tries the probe of each step on the states of every other.

    Args:
        title: Which nodes these are.
        nodes: N nodes that no probe was fitted on.
        trained: The probes and the nodes' states, (T+1, N, d).
        untrained: The same of an untrained network.
        seed: Of the bootstrap.
    """
    group, rows = nodes.group[nodes.instance], len(nodes.truth)
    predicted = [
        [probe.says(probe.logits_of(t, hidden)) for t in range(rows)] for probe, hidden in (trained, untrained)
    ]  # of each model, fitted and read at each step
    estimates = [balanced_accuracy(x, nodes.truth, group, seed) for x in predicted[0]]
    square = np.array([(x.value, x.low, x.high) for x in estimates]).transpose(1, 0, 2)
    blank = np.array([_accuracy(x, nodes.truth) for x in predicted[1]])
    square[:, trained[0].constant], blank[untrained[0].constant] = np.nan, np.nan
    value, low, high = square.round(4)
    return AcrossSteps(title, Estimate(value, low, high, len(group)), blank.round(4))


def balanced_accuracy(predicted: np.ndarray, truth: np.ndarray, group: np.ndarray, seed: int = 0) -> Estimate:
    """Mean over the classes of the share of their nodes that is right.

    Args:
        predicted: (S, N) bool, or whole numbers.
        truth: (S, N) likewise.
        group: (N,) nodes of one group are drawn together by the bootstrap.
        seed: Of the bootstrap.

    Returns:
        (S,) over the classes that have a node; NaN where fewer than two have.
    """
    statistic, groups = _balanced(predicted, truth, group)
    by_group = Estimate.of(statistic, np.arange(groups), np.random.default_rng(seed))
    return replace(by_group, n=truth.shape[1])


def _accuracy(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The same without an interval, (S,)."""
    statistic, _ = _balanced(predicted, truth, np.zeros(truth.shape[1]))
    return statistic(np.ones((1, 1)))[0]


def _balanced(
    predicted: np.ndarray, truth: np.ndarray, group: np.ndarray
) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """Balanced accuracy, (R, S), of G groups drawn so often, (R, G); and G. Nodes are counted by group once."""
    names, which = np.unique(group, return_inverse=True)
    member = csr_array((np.ones(len(which)), (which, np.arange(len(which)))), shape=(len(names), len(which)))
    counts = [
        [member @ np.ascontiguousarray(x.T, dtype=np.float64) for x in ((predicted == v) & (truth == v), truth == v)]
        for v in np.unique(truth)
    ]  # of each class, right and there, (G, S)

    def statistic(drawn: np.ndarray) -> np.ndarray:
        drawn = drawn.astype(np.float64)
        total, present = np.zeros((len(drawn), len(truth))), np.zeros((len(drawn), len(truth)))
        for of_class in counts:
            right, there = (drawn @ x for x in of_class)
            total += np.divide(right, there, out=np.zeros_like(right), where=there > 0)
            present += there > 0
        return np.divide(total, present, out=np.full_like(total, np.nan), where=present > 1)

    return statistic, len(names)
