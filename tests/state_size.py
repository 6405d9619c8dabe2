"""An instrument from outside: how large states are, over the steps. It stands in no list of the house."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result


@dataclass(frozen=True)
class Sizes(Result):
    """Mean size of the states, (T+1,), and the share of instances whose states grow."""

    size: Estimate
    growing: Estimate


@dataclass(frozen=True)
class Options:
    """Of the command and the form."""

    scale: float = option(1.0, "multiplies every size", type=float)


@instrument("how large the states are at every step", options=Options, instances=6)
def measure(bench: Bench, options: Options) -> Sizes:
    """Runs the instances once."""
    bench.expect(bench.runs())
    sizes = np.empty((bench.steps + 1, len(bench.instances)))
    for now in bench.rollout():
        sizes[now.t, now.index] = options.scale * now.state.square().mean((1, 2)).sqrt().numpy()
    growing = Estimate.share((sizes[-1] > sizes[0]).sum(), len(sizes.T))
    return Sizes(**bench.header, size=bench.mean(sizes), growing=growing)
