"""Convergence: how far the states still move, in which direction, how far from the end, and when each node settles.

Change, turn and rest are per node; `probes.maths.movement` says what each is. The linked views' scrubber shows the
change of the whole state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthscope.core.errors import InputError
from depthscope.probes.instrument import Bench, instrument
from depthscope.probes.maths.line_fit import spearman
from depthscope.probes.maths.movement import changes, rests, settled, turns
from depthscope.probes.measuring import controls
from depthscope.probes.measuring.estimate import Estimate, interval
from depthscope.probes.measuring.results import Result, shown
from depthscope.probes.measuring.shapes import check_shapes
from depthscope.probes.reading import margins as reading, nodes as sample
from depthscope.probes.reading.nodes import Rows

PERMUTATIONS = 200


@dataclass(frozen=True)
class Course:
    """How one model's states converge, mean over nodes; arrays (T+1,) are by step.

    Attributes:
        change: Relative change; NaN at step 0.
        turn: Turning angle in degrees; NaN at steps 0 and 1 and where nothing moves.
        rest: Distance from the last state.
        settled: (M,) step from which each node stays within `movement.SETTLED` of its end; 0..T.
        settled_share: (T+1,) nodes that have settled by then.
        spearman: Rank correlation of `settled` with how far each node is in the oracle's order; NaN where one of them
            does not vary.
        shuffled: (2,) 95% range of the same with distances shuffled within each instance.
    """

    change: Estimate
    turn: Estimate
    rest: Estimate
    settled: np.ndarray
    settled_share: np.ndarray
    spearman: Estimate
    shuffled: np.ndarray

    def __post_init__(self) -> None:
        check_shapes(self, self.settled_share.shape, "change", "turn", "rest")


@dataclass(frozen=True)
class Convergence(Result):
    """How one checkpoint's states converge.

    Attributes:
        n: Instances.
        order: Name of the oracle's order: distance, facts, height, place.
        instance: (M,) index of each node's instance; nodes that carry a concept and have a place in the order.
        node: (M,) index of the node in it.
        far: (M,) how far it is.
        trained: Of the checkpoint.
        untrained: Of an untrained model on the same instances.
    """

    n: int
    order: str
    instance: np.ndarray
    node: np.ndarray
    far: np.ndarray
    trained: Course
    untrained: Course

    def table(self) -> str:
        """Movement by step, trained and untrained, then settling against the oracle's order."""
        courses = {"trained": self.trained, "untrained": self.untrained}
        lines = [f"{self.checkpoint}: {len(self.node)} nodes of {self.n} instances, {self.steps} steps"]
        heads = ("step", "change", "turn (°)", "rest", "settled", "untrained", "turn (°)", "rest", "settled")
        lines.append("  {:>4} {:>9} {:>9} {:>9} {:>8}   {:>9} {:>9} {:>9} {:>8}".format(*heads))
        for t in shown(self.steps):
            cells = (
                f"{c.change.value[t]:9.2g} {c.turn.value[t]:9.1f} {c.rest.value[t]:9.2g} {c.settled_share[t]:8.3f}"
                for c in courses.values()
            )
            lines.append(f"  {t:4d} {'   '.join(cells)}")
        for name, c in courses.items():
            lines.append(
                f"{name}: settling against {self.order}, Spearman {c.spearman:.3f}; "
                f"shuffled {c.shuffled[0]:.3f} to {c.shuffled[1]:.3f}"
            )
        return "\n".join(lines)


@instrument("how far the states still move, whether they turn, and when each node settles", instances=40)
def measure(bench: Bench, options: object) -> Convergence:
    """Follows the states of the nodes that have a place in the oracle's order.

    Source:
        Change and turning angle as in Geiping et al. (2025), Scaling up Test-Time Compute with Latent Reasoning;
        settling against the oracle's order is ours.
    """
    bench = bench.for_all()
    orders = reading.orders(bench)
    order = next(iter(orders[0]))
    masks = [o[order] >= 0 for o in orders]
    if not any(mask.any() for mask in masks):
        raise InputError("no node of these instances is reached by what is asked; give another instance")
    places = Rows.where(bench.encodings, masks)
    instance, far = places.instance, np.concatenate([o[order][mask] for o, mask in zip(orders, masks, strict=True)])
    bench.reserve(
        40.0 * (bench.steps + 1) * len(instance) * bench.model.shapes.width,
        f"the states of {len(instance)} nodes over {bench.steps} steps",
    )
    each = bench.runs() + PERMUTATIONS
    count = bench.expect(2 * each)
    courses = []
    for model in (bench.model, bench.untrained):
        hidden = sample.states(model, places, bench.steps, bench.tick)
        courses.append(course(bench, hidden, bench.group[instance], instance, far))
        count.upto(len(courses) * each)
    return Convergence(
        **bench.header, n=len(bench.instances), order=order, instance=instance, node=places.node, far=far,
        trained=courses[0], untrained=courses[1],
    )  # fmt: skip


def course(bench: Bench, hidden: np.ndarray, group: np.ndarray, instance: np.ndarray, far: np.ndarray) -> Course:
    """How states (T+1, M, d) converge; `group`, `instance` and `far` are (M,). Ticks PERMUTATIONS times."""
    per_node, _ = changes(hidden, np.arange(hidden.shape[1]))
    per_node[0] = np.nan
    rest = rests(hidden)
    when = settled(rest)
    rng, once, shuffled = bench.rng("order"), np.ones((1, len(far))), []
    for _ in range(PERMUTATIONS):
        shuffled.append(spearman(once, when, controls.permuted(far, rng, within=instance))[0])
        bench.tick()
    return Course(
        change=bench.mean(per_node, group),
        turn=bench.mean(turns(hidden), group),
        rest=bench.mean(rest, group),
        settled=when,
        settled_share=(when[None] <= np.arange(len(hidden))[:, None]).mean(axis=1),
        spearman=Estimate.of(lambda counts: spearman(counts, when, far), group, bench.rng("bootstrap")),
        shuffled=interval(np.array(shuffled), axis=0),
    )
