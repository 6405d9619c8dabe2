"""How well a probe reads, at every step: balanced accuracy, its interval, and the controls beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from depthscope.core.files.strict_json import dumps
from depthscope.probes.reading.nodes import Sample
from depthscope.probes.reading.regression import LinearProbe

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""

MAX_STEPS = 1000
"""Of stored scores."""

CONTROLS = {"untrained", "embedding", "features", "control_task"}
"""What stands beside every accuracy."""


@dataclass(frozen=True)
class StepScores:
    """Scores on one set of nodes; every array is (T+1,), NaN where a class has no node.

    Attributes:
        title: Which nodes these are.
        accuracy: Balanced accuracy; one in the number of classes is what the majority class gets.
        low: Lower end of its 95% interval, by bootstrap over groups of instances.
        high: Upper end.
        selectivity: Accuracy less that of the control task.
        controls: Balanced accuracy on the same nodes of "untrained", "embedding", "features" and "control_task".
        n_test: Nodes scored.
        n_instances: Instances they come from.
    """

    title: str
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    selectivity: np.ndarray
    controls: dict[str, np.ndarray]
    n_test: int
    n_instances: int

    def __post_init__(self) -> None:
        arrays = {"low": self.low, "high": self.high, "selectivity": self.selectivity, **self.controls}
        for name, values in arrays.items():
            if values.shape != self.accuracy.shape:
                raise ValueError(f"{name} has shape {values.shape}, but accuracy has shape {self.accuracy.shape}")


@dataclass(frozen=True)
class AcrossSteps:
    """The probe fitted at one step on the states of another: balanced accuracy, (T+1, T+1), axes (fitted, read).

    Row 4 that stays high to the right says that the concept stays written as it was at step 4.

    Attributes:
        title: Which nodes these are.
        accuracy: Balanced accuracy; NaN where a class has no node, or the probe is a constant.
        low: Lower end of its 95% interval, by bootstrap over groups of instances.
        high: Upper end.
        untrained: The same of an untrained network and its own probes.
    """

    title: str
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    untrained: np.ndarray

    def __post_init__(self) -> None:
        rows = len(self.accuracy)
        for name in ("accuracy", "low", "high", "untrained"):
            if getattr(self, name).shape != (rows, rows):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, but {(rows, rows)} is due")


@dataclass(frozen=True)
class ProbeScores:
    """Scores of the probes of one checkpoint and concept.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        concept: Name of the concept.
        data: "audited" or "paper", the instances fitted and scored on.
        meaning: What a reading is the probability of.
        seed: Of instances, nodes, control labels and the untrained network.
        n_train: Nodes the probes were fitted on.
        constant: Steps whose probe is a constant, since all nodes to fit on were of one class.
        tests: "held_out" (as difficult as those fitted on), "harder", and parts of them.
        across: Every step's probe on the states of every other step.
    """

    checkpoint: str
    sha256: str
    concept: str
    data: str
    meaning: str
    seed: int
    n_train: int
    constant: tuple[int, ...]
    tests: dict[str, StepScores]
    across: AcrossSteps

    def to_json(self, indent: int | None = None) -> str:
        """Strict JSON; what is not defined is null."""
        return dumps(asdict(self), indent=indent)


def parsed(stored: Mapping[str, Any]) -> ProbeScores:
    """What `ProbeScores.to_json` wrote; scores of before there was a matrix have one of NaN.

    Raises:
        ValueError, KeyError, TypeError: If it is anything else.
    """
    _check(stored, dict, "scores")
    _check(stored["tests"], dict, "tests")
    tests = {}
    for name, test in stored["tests"].items():
        for part, kind in (("title", str), ("controls", dict), ("n_test", int), ("n_instances", int)):
            _check(_check(test, dict, name)[part], kind, part)
        rows = {key: _array(test[key]) for key in ("accuracy", "low", "high", "selectivity")}
        controls = {key: _array(values) for key, values in test["controls"].items()}
        if set(controls) != CONTROLS:
            raise ValueError("other controls than those there are")
        tests[name] = StepScores(
            **rows, title=test["title"], controls=controls, n_test=test["n_test"], n_instances=test["n_instances"]
        )
    texts, counts = ("checkpoint", "sha256", "concept", "data", "meaning"), ("seed", "n_train")
    for name in (*texts, *counts):
        _check(stored[name], str if name in texts else int, name)
    for t in _check(stored["constant"], list, "constant"):
        _check(t, int, "constant")
    if not tests:
        raise ValueError("no nodes were scored")
    n = len(next(iter(tests.values())).accuracy)
    if n > MAX_STEPS:
        raise ValueError("more steps than any probes are fitted at")
    square = stored.get("across") or {"title": "", **dict.fromkeys(("accuracy", "low", "high", "untrained"))}
    _check(_check(square, dict, "across")["title"], str, "title")
    cells = {k: np.full((n, n), np.nan) if v is None else _array(v) for k, v in square.items() if k != "title"}
    return ProbeScores(
        **{name: stored[name] for name in (*texts, *counts)},
        constant=tuple(stored["constant"]),
        tests=tests,
        across=AcrossSteps(title=square["title"], **cells),
    )


def _check(value: Any, kind: type, name: str) -> Any:
    """The value, if it is of the kind."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name} should be a {kind.__name__}")
    return value


def _array(values: Any) -> np.ndarray:
    """Numbers in a row, or rows of them; None becomes NaN."""
    found = np.array(_check(values, list, "numbers"), dtype=np.float64)
    if not found.ndim or np.isinf(found).any():
        raise ValueError("numbers that are none")
    return found


def score(
    title: str,
    mask: np.ndarray,
    nodes: Sample,
    said: np.ndarray,
    said_by: dict[str, np.ndarray],
    memorised: list[tuple[np.ndarray, np.ndarray]],
    seed: int,
) -> StepScores:
    """Scores on some of the nodes that no probe was fitted on.

    Args:
        title: Which nodes.
        mask: (N,) bool, which nodes.
        nodes: N nodes.
        said: (T+1, N), what the probe says: bool, or one of the concept's values.
        said_by: The same of each control.
        memorised: What the probe of each control task says and what its labels are, (T+1, N) both.
        seed: Of the bootstrap.
    """
    truth, instance = nodes.truth[:, mask], nodes.instance[mask]
    group = nodes.group[instance]
    accuracy, low, high = balanced_accuracy(said[:, mask], truth, group, seed)
    controls = {name: balanced_accuracy(x[:, mask], truth, group, resamples=0)[0] for name, x in said_by.items()}
    by_rote = [balanced_accuracy(x[:, mask], labels[:, mask], group, resamples=0)[0] for x, labels in memorised]
    fair = [x for x in by_rote if np.isfinite(x).all()]  # all coins of the identities here may have fallen alike
    controls["control_task"] = np.mean(fair, axis=0) if fair else np.full_like(accuracy, np.nan)
    return StepScores(
        title=title,
        accuracy=accuracy,
        low=low,
        high=high,
        selectivity=accuracy - controls["control_task"],
        controls=controls,
        n_test=int(mask.sum()),
        n_instances=len(np.unique(instance)),
    )


def across(
    title: str,
    nodes: Sample,
    own: tuple[LinearProbe, np.ndarray],
    untrained: tuple[LinearProbe, np.ndarray],
    seed: int,
) -> AcrossSteps:
    """Tries the probe of each step on the states of every other.

    Args:
        title: Which nodes these are.
        nodes: N nodes that no probe was fitted on.
        own: The probes and the nodes' states, (T+1, N, d).
        untrained: The same of an untrained network.
        seed: Of the bootstrap.
    """
    group, rows, found = nodes.group[nodes.instance], len(nodes.truth), []
    for (probe, hidden), resamples in ((own, RESAMPLES), (untrained, 0)):
        said = [probe.says(probe.logits_of(t, hidden)) for t in range(rows)]
        scores = [balanced_accuracy(x, nodes.truth, group, seed, resamples) for x in said]
        square = np.array(scores).transpose(1, 0, 2)  # (accuracy, low, high; fitted; read)
        square[:, probe.constant] = np.nan
        found.append(square.round(4))
    return AcrossSteps(title, *found[0], untrained=found[1][0])


def balanced_accuracy(
    predicted: np.ndarray, truth: np.ndarray, group: np.ndarray, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the classes of the share of their nodes that is right, with a 95% interval.

    Args:
        predicted: (S, N) bool, or whole numbers.
        truth: (S, N) likewise.
        group: (N,) nodes of one group are drawn together by the bootstrap.
        seed: Of the bootstrap.
        resamples: Bootstrap samples behind an interval; 0 for none.

    Returns:
        Accuracy, low and high, (S,) each, over the classes that have a node; NaN where fewer than two have.
    """
    names, which = np.unique(group, return_inverse=True)
    member = csr_array((np.ones(len(which)), (which, np.arange(len(which)))), shape=(len(names), len(which)))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples).astype(np.float64)
    drawn = np.concatenate([np.ones((1, len(names))), drawn])  # the nodes as they are, then resampled
    total, present = np.zeros((len(drawn), len(truth))), np.zeros((len(drawn), len(truth)))
    for value in np.unique(truth):
        right, there = (
            drawn @ (member @ np.ascontiguousarray(x.T, dtype=np.float64))
            for x in ((predicted == value) & (truth == value), truth == value)
        )
        total += np.divide(right, there, out=np.zeros_like(right), where=there > 0)
        present += there > 0
    rates = np.divide(total, present, out=np.full_like(total, np.nan), where=present > 1)  # (1 + RESAMPLES, S)
    accuracy, resampled = rates[0], rates[1:]
    low, high = np.full_like(accuracy, np.nan), np.full_like(accuracy, np.nan)
    for s in np.flatnonzero(np.isfinite(accuracy)) if resamples else ():
        column = resampled[:, s]
        low[s], high[s] = np.quantile(column[np.isfinite(column)], (0.025, 0.975))
    return accuracy, low, high
