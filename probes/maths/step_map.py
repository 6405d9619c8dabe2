"""The update of one instance at one step as a map from its states to its states, with its derivative.

F(h) = the state after a step from h, (n, d) flattened to n * d numbers, in double precision
"""

from __future__ import annotations

import copy
import functools
import warnings
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs
from torch import Tensor
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Encoding, collate

DENSE_UP_TO = 64
"""Maps of at most so many numbers have all their eigenvalues taken from the Jacobian itself."""

MOST_RESTARTS = 300
"""Of Arnoldi; what has not converged by then is left out."""


class StepMap:
    """F of one instance.

    Attributes:
        size: n * d.
        shape: (n, d).
    """

    def __init__(self, checkpoint: Checkpoint, encoding: Encoding, model: Any = None) -> None:
        chosen = checkpoint.model if model is None else model
        self.model: Any = copy.deepcopy(chosen).double().cpu().eval()
        self.batch = collate([encoding])
        with torch.no_grad():
            self.context = self.model.prepare(self.batch)
            self.start: Tensor = self.model.initial(self.context).double().reshape(-1)  # (n d)
        self.shape = (encoding.n_nodes, len(self.start) // encoding.n_nodes)
        self.size = len(self.start)

    def __call__(self, flat: Tensor, t: int) -> Tensor:
        """One step from flat states (n d), the t-th from 0."""
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernel has no forward derivative
            return self.model.step(flat.reshape(1, *self.shape), t, self.context).reshape(-1)

    def run(self, flat: Tensor, steps: int, first: int = 0) -> Tensor:
        """States after 0..T steps, (T+1, n d)."""
        kept = [flat]
        with torch.no_grad():
            for t in range(first, first + steps):
                kept.append(self(kept[-1], t))
        return torch.stack(kept)

    def derivative(self, flat: Tensor, direction: Tensor, t: int) -> Tensor:
        """J v, the derivative of F at a state along a direction, (n d) each."""
        _load_rules()
        with torch.no_grad():
            return jvp(lambda h: self(h, t), (flat,), (direction,))[1]

    def logit(self, flat: Tensor) -> float:
        """Logit of the answer read out of a state."""
        with torch.no_grad():
            return float(self.model.readout(flat.reshape(1, *self.shape), self.batch)[0][0])

    def eigenvalues(self, flat: Tensor, t: int, count: int, seed: int = 0) -> np.ndarray:
        """The eigenvalues of the Jacobian that are largest in size, largest first, (count,) complex.

        Arnoldi on Jacobian-vector products (ARPACK through SciPy); the Jacobian is never built, but for small maps.
        Where some do not converge, as when all are of one size, those that do come first and the rest is NaN; so it is
        where the map has fewer.
        """

        def product(v: np.ndarray) -> np.ndarray:
            return self.derivative(flat, torch.from_numpy(np.ascontiguousarray(v.reshape(-1))), t).numpy()

        start = np.random.default_rng(seed).standard_normal(self.size)
        if self.size <= max(DENSE_UP_TO, count + 2):
            result = np.linalg.eigvals(np.column_stack([product(row) for row in np.eye(self.size)]))
        elif not product(start).any():  # a map that is constant here; ARPACK stops at it
            result = np.zeros(count)
        else:
            operator: Any = LinearOperator((self.size, self.size), matvec=product, dtype=np.float64)  # pyright: ignore
            asked: dict[str, Any] = {"k": count, "which": "LM", "tol": 1e-6, "maxiter": MOST_RESTARTS}
            try:
                result = eigs(operator, v0=start, return_eigenvectors=False, **asked)
            except ArpackNoConvergence as error:
                result = np.asarray(error.eigenvalues)
        result = result[np.argsort(-np.abs(result), kind="stable")][:count]
        return np.pad(result.astype(complex), (0, count - len(result)), constant_values=np.nan)


@functools.cache
def _load_rules() -> None:
    """Loads torch's own rules of forward derivatives, as its first jvp would, without the warning it gives itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=DeprecationWarning)
        from torch._decomp import decompositions_for_jvp  # noqa: F401
