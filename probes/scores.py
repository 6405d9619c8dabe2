"""How well a probe reads, at every step: balanced accuracy, its interval, and the controls beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.sparse import csr_array

from core.plain import dumps
from probes.sample import Sample

RESAMPLES = 1000
"""Bootstrap samples behind an interval."""


@dataclass(frozen=True)
class StepScores:
    """Scores on one set of nodes; every array is (T+1,), NaN where a class has no node.

    Attributes:
        title: Which nodes these are.
        accuracy: Balanced accuracy; 0.5 is what the majority class gets.
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

    def to_json(self, indent: int | None = None) -> str:
        """Strict JSON; what is not defined is null."""
        return dumps(asdict(self), indent=indent)


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
        said: (T+1, N) bool, where the probe says yes.
        said_by: The same of each control.
        memorised: What the probe of each control task says and what its labels are, (T+1, N) bool both.
        seed: Of the bootstrap.
    """
    truth, instance = nodes.truth[:, mask], nodes.instance[mask]
    group = nodes.group[instance]
    accuracy, low, high = balanced_accuracy(said[:, mask], truth, group, seed)
    controls = {name: balanced_accuracy(x[:, mask], truth, group)[0] for name, x in said_by.items()}
    by_rote = [balanced_accuracy(x[:, mask], labels[:, mask], group)[0] for x, labels in memorised]
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


def balanced_accuracy(
    predicted: np.ndarray, truth: np.ndarray, group: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the shares of positives and of negatives that are right, with a 95% interval.

    Args:
        predicted: (S, N) bool.
        truth: (S, N) bool.
        group: (N,) nodes of one group are drawn together by the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Accuracy, low and high, (S,) each; NaN where a class has no node.
    """
    names, which = np.unique(group, return_inverse=True)
    member = csr_array((np.ones(len(which)), (which, np.arange(len(which)))), shape=(len(names), len(which)))
    wanted = (predicted & truth, truth, ~predicted & ~truth, ~truth)
    counts = [member @ np.ascontiguousarray(x.T, dtype=np.float64) for x in wanted]  # (groups, S) each
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES).astype(np.float64)
    accuracy = _mean_of_rates([x.sum(axis=0) for x in counts])
    resampled = _mean_of_rates([drawn @ x for x in counts])  # (RESAMPLES, S)
    low, high = np.full_like(accuracy, np.nan), np.full_like(accuracy, np.nan)
    for s in np.flatnonzero(np.isfinite(accuracy)):
        column = resampled[:, s]
        low[s], high[s] = np.quantile(column[np.isfinite(column)], (0.025, 0.975))
    return accuracy, low, high


def _mean_of_rates(counts: list[np.ndarray]) -> np.ndarray:
    right_positive, positive, right_negative, negative = counts
    with np.errstate(invalid="ignore"):
        return (right_positive / positive + right_negative / negative) / 2
