"""A linear reader for each step, and how it is fitted: logistic regression, with one direction or one for each value.

p[t, i] = sigmoid(h[t, i] . w[t] + b[t])            a concept that is true or false
p[t, i, k] = softmax over k of h[t, i] . w[t, k] + b[t, k]      one with several values
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-3
"""Of the gradient, for concepts with several values."""

NEVER_SAID = -1000.0
"""Logit of a value that no node to fit on had."""


@dataclass(frozen=True)
class LinearProbe:
    """A probe per step; logit = h . weight + bias, standardisation folded in.

    Attributes:
        concept: Name of what it reads.
        weight: (T+1, d) float64, or (T+1, K, d) for a concept with K values; zero at steps where only one was seen.
        bias: (T+1,) float64, or (T+1, K).
        values: The K values; none for a concept that is true or false.
    """

    concept: str
    weight: np.ndarray
    bias: np.ndarray
    values: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        middle = (len(self.values),) if self.values else ()
        if self.weight.shape[1:-1] != middle or self.bias.shape != self.weight.shape[:-1] or not self.bias.ndim:
            raise ValueError(
                f"weight has shape {self.weight.shape} and bias {self.bias.shape}: one a step"
                f"{' and value' if self.values else ''} is due"
            )

    @property
    def steps(self) -> int:
        """T, the last step that was fitted."""
        return len(self.weight) - 1

    @property
    def constant(self) -> np.ndarray:
        """Whether a step's probe says the same of every state, (T+1,) bool."""
        return np.all(self.weight == 0, axis=tuple(range(1, self.weight.ndim)))

    def at(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias that read after step t; past the last fitted step those of the last."""
        u = min(t, self.steps)
        return self.weight[u], self.bias[u]

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        """Logit of the concept, (S, n) or (S, n, K), for states after 0..S-1 steps, (S, n, d)."""
        if hidden.shape[-1] != self.weight.shape[-1]:
            raise ValueError(f"hidden has shape {hidden.shape}, but weight has shape {self.weight.shape}")
        return np.stack([self.logits_of(t, h) for t, h in enumerate(hidden)])

    def logits_of(self, t: int, states: np.ndarray) -> np.ndarray:
        """What the probe of step t says of states of whatever step, (..., d) -> (...) or (..., K)."""
        weight, bias = self.at(t)
        return states.astype(np.float64) @ weight.T + bias

    def says(self, logits: np.ndarray) -> np.ndarray:
        """The likeliest value, from logits: bool, or int16 among `values`."""
        return np.array(self.values, dtype=np.int16)[logits.argmax(-1)] if self.values else logits > 0

    def probability(self, logits: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Probability of a wanted value of each node, all values taken as equally frequent.

        Args:
            logits: (S, n) or (S, n, K).
            wanted: (n,) values, for a concept with several; 0 is what the probability of any other is.

        Returns:
            (S, n); for a concept that is true or false, that it is true.
        """
        if not self.values:
            return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
        raised = np.exp(logits - logits.max(-1, keepdims=True))
        share = raised / raised.sum(-1, keepdims=True)
        return np.where(wanted[None, :, None] == np.array(self.values), share, 0).sum(-1)


def fit_steps(
    inputs: np.ndarray,
    labels: np.ndarray,
    concept: str,
    each: Callable[[], None] = lambda: None,
    values: Sequence[int] = (),
) -> LinearProbe:
    """A logistic regression per step, classes weighted alike, on inputs standardised by their own mean and spread.

    Each step starts from what the step before found, which saves time and changes nothing beyond rounding.

    Args:
        inputs: (T+1, N, d).
        labels: (T+1, N) bool, or whole numbers among `values`. Where all are equal the step's probe is a constant.
        concept: Name of what it reads.
        each: Called after each step.
        values: Of a concept that has several.
    """
    width = (len(values), inputs.shape[2]) if values else (inputs.shape[2],)
    weights, biases = np.zeros((len(inputs), *width)), np.zeros((len(inputs), *width[:-1]))
    start = None
    for t, (x, y) in enumerate(zip(inputs, labels, strict=True)):
        if t and np.array_equal(y, labels[t - 1]) and np.array_equal(x, inputs[t - 1]):
            weights[t], biases[t] = weights[t - 1], biases[t - 1]
        else:
            weights[t], biases[t], start = _regression(x.astype(np.float64), y, values, start)
        each()
    return LinearProbe(concept, weights, biases, tuple(values))


def _scale(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of each column, infinite where it does not move: what differs by rounding alone is no feature."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    return mean, np.where(spread > 1e-6 * (1 + np.abs(mean)), spread, np.inf)


Start = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Coefficients, intercepts and classes of a regression on standardised inputs."""


def _regression(
    x: np.ndarray, y: np.ndarray, values: Sequence[int], start: Start | None
) -> tuple[np.ndarray, np.ndarray, Start | None]:
    """One regression, folded so that it takes x as it is, and where the next may start.

    Args:
        x: (N, d).
        y: (N,).
        values: K values; none for true or false.
        start: What the step before found.

    Returns:
        Weight (d,) and bias (), or (K, d) and (K,); a value that was never seen is never said.
    """
    seen = np.unique(y)
    if len(seen) == 1:  # rule of succession: one class is all that was ever seen, not all there is
        sure = np.log(len(y) + 1)
        if not values:
            return np.zeros(x.shape[1]), np.array(sure if seen[0] else -sure), start
        return np.zeros((len(values), x.shape[1])), np.where(np.array(values) == seen[0], sure, -sure), start
    from sklearn.linear_model import LogisticRegression  # late: reading stored probes needs none of it

    mean, scale = _scale(x)
    tolerance = TOLERANCE if values else 1e-4
    model = LogisticRegression(class_weight="balanced", max_iter=3000, tol=tolerance, warm_start=True)
    if start is not None and np.array_equal(start[2], seen):
        model.coef_, model.intercept_ = start[0].copy(), start[1].copy()
    model.fit((x - mean) / scale, y)
    rows, shifts = np.asarray(model.coef_), np.asarray(model.intercept_)
    following = rows, shifts, seen
    if values and len(seen) == 2:  # one direction between two
        rows, shifts = np.concatenate([-rows, rows]) / 2, np.repeat(shifts, 2) * (-0.5, 0.5)
    weight = rows / scale
    bias = shifts - weight @ mean
    if not values:
        return weight[0], bias[0], following
    at = [list(values).index(int(value)) for value in seen]
    all_weights, all_biases = np.zeros((len(values), x.shape[1])), np.full(len(values), NEVER_SAID)
    all_weights[at], all_biases[at] = weight, bias
    return all_weights, all_biases, following
