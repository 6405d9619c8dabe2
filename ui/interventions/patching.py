"""The effect map of one instance as work on a thread: what `patch` measures, with progress within the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.tasks.twins import Twin
from depthscope.probes.instruments import patch
from depthscope.probes.instruments.patch import DIRECTIONS, LEAST_GAP, Patching
from depthscope.probes.measuring import controls, results, twin_runs
from depthscope.probes.reading import margins as reading
from depthscope.ui.interventions import examples as intervention_examples, run as intervention_runs
from depthscope.ui.interventions.run import SEED
from depthscope.ui.visit.cache import Recent, fingerprint, recent
from depthscope.ui.visit.view import View
from depthscope.ui.work.job import Job

KIND = "effect map"

MAX_CELLS = 60_000
"""Cells of both directions that a page patches; more are for the command line."""


def cells(view: View) -> int:
    """Patches in all: every node at every step, both ways."""
    return 2 * (view.trace.steps + 1) * view.trace.n_nodes


def key(view: View) -> str:
    """Digest of all that the map depends on."""
    return fingerprint(view.key, "effects", SEED)


def found(view: View) -> Patching | None:
    """The maps, None if they were not measured."""
    return _kept().get(key(view))


def job(view: View) -> Job | None:
    """The work under way or ended."""
    return intervention_runs.job_of(KIND, key(view))


def measure_later(view: View) -> None:
    """Starts patching on a thread; for callbacks."""
    twin, kept = intervention_runs.twin_of(view), _kept()
    if isinstance(twin, str):
        return

    def work(progress: Callable[[int], None]) -> Iterator[Patching]:
        progress(0)
        made = measure(view.checkpoint, view.instance, twin, view.trace.steps, SEED, progress)
        kept.put(key(view), made, sum(x.nbytes for m in made.maps for x in (m.effect, m.front)) + 10_000)
        yield made

    intervention_runs.start(KIND, key(view), work, cells(view), "patches")


def _kept() -> Recent:
    return recent("effect maps", 64 << 20)


def measure(
    checkpoint: Checkpoint,
    instance: object,
    twin: Twin,
    steps: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Patching:
    """What `patch.measure` gives for one instance, number by number; progress is told within a map as well.

    Raises:
        InputError: If the maps would not fit in memory, or the two do not have the same nodes.
    """
    pair = twin_runs.record(checkpoint, instance, twin, steps, 0)
    n = pair.first.n_nodes
    results.refuse_over(64.0 * n * (steps + 1), "the effect maps", "take fewer steps")
    plain = replace(checkpoint, model=controls.untrained(checkpoint, seed))
    maps, rows = [], []
    if pair.gap >= LEAST_GAP:
        for k, (clean, corrupt) in enumerate(((pair.first, pair.second), (pair.second, pair.first))):
            before = k * n * (steps + 1)

            def told(done: int, _: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + done)

            one = patch.effect_map(checkpoint, clean, corrupt, pair.change, told)
            maps.append(one)
            rows.append((one.direction, 0, patch.scores_of(checkpoint, plain, one, clean, corrupt, seed, 0)))
    summaries = tuple(patch.summary_of(d, [row for row in rows if row[0] == d], seed) for d in DIRECTIONS)
    return Patching(checkpoint.name, checkpoint.sha256, seed, 1, 0, int(not maps), summaries, tuple(maps))


def times(view: View, twin: Twin) -> np.ndarray:
    """Step at which the oracle has each node, in the run whose label is 1, (n,)."""
    run = intervention_examples.positive(view.checkpoint, view.trace, twin.instance)
    return reading.has_from(run.instance.task, run.encoding)


def as_own(twin: Twin) -> tuple[bytes, str | None, str | None]:
    """A twin as a user's own instance: its text, and its ends."""
    other = twin.instance
    ends = (other.names[other.source], other.names[other.target]) if other.task == "graph" else (None, None)
    return tasks.get(other.task).render(other).encode(), ends[0], ends[1]
