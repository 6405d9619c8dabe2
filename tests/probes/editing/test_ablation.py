"""What is put in the place of a state comes from other instances: at the same step, from nodes of the same kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depthscope.core import tasks, trace
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.probes.editing import ablation
from depthscope.probes.editing.ablation import Others
from tests.probes.hand_made import untrained, wave

STEPS = 4


@pytest.fixture(params=["graph", "tree", "tokens"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Checkpoint:
    return untrained(tmp_path, request.param)


def test_means_are_those_of_single_runs_over_nodes_of_a_kind(
    opened: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "COUNT", 8)
    found = Others(opened, STEPS, 3)
    runs = [trace.record(opened, instance, STEPS) for instance in found.instances]
    states = np.concatenate([run.hidden for run in runs], axis=1)  # (T+1, N, d)
    kind = np.concatenate([ablation.kinds(opened, run.encoding) for run in runs])
    for k in range(3):
        rows = kind == k if (kind == k).any() else np.ones(len(kind), dtype=bool)
        np.testing.assert_allclose(found.means[:, k], states[:, rows].mean(1), atol=1e-5)
    base = runs[0]
    np.testing.assert_array_equal(
        found.mean(base.encoding)[2, 1], found.means[2, ablation.kinds(opened, base.encoding)[1]]
    )
    again = Others(opened, STEPS, 3)
    np.testing.assert_array_equal(again.means, found.means)
    assert not np.array_equal(Others(opened, STEPS, 4).means, found.means)


def test_the_mean_leaves_only_what_all_instances_share() -> None:
    """In the wave a state says whether the node is reached, and the mean of one step is the same for every instance."""
    found = Others(wave(), 6, 0)
    difficulties = {instance.difficulty for instance in found.instances if instance.label}
    assert difficulties <= {1, 2, 3, 4}, "a checkpoint that does not say was trained on 1 to 4"
    reached = found.means[:, ablation.CARRIES, 0]
    assert (np.diff(reached) > 0).all(), "more and more nodes are reached"


def test_kinds_are_told_apart_in_formulas(tmp_path: Path) -> None:
    ours = untrained(tmp_path, "tokens")
    encoding = tasks.get("logic").encode(tasks.get("logic").parse("(T&!F)"), ours.config)
    kind = dict(zip(encoding.labels, ablation.kinds(ours, encoding).tolist(), strict=True))
    assert kind["("] == ablation.NO_CONCEPT
    assert kind["T"] == kind["F"] == ablation.CARRIES
    assert kind["&"] == kind["!"] == ablation.COMPUTED


def test_a_resampled_state_is_one_of_another_instance_at_the_same_step(opened: Checkpoint) -> None:
    found = Others(opened, STEPS, 1)
    task = tasks.get(opened.config.task)
    base = trace.record(opened, task.generate(2, 1, seed=9)[0], STEPS)
    donor = found.resampled(base, np.random.default_rng(5))
    picked = int(np.random.default_rng(5).integers(len(found.instances)))
    other = trace.record(opened, found.instances[picked], STEPS)
    theirs, mine = ablation.kinds(opened, other.encoding), ablation.kinds(opened, base.encoding)
    assert donor.hidden.shape == base.hidden.shape
    for i in range(base.n_nodes):
        same = [k for k in range(other.n_nodes) if np.array_equal(donor.hidden[:, i], other.hidden[:, k])]
        assert any(theirs[k] == mine[i] for k in same) or (theirs != mine[i]).all(), i


def test_more_nodes_than_the_other_instance_has_are_no_problem() -> None:
    n = 90
    large = GraphInstance(tuple(map(str, range(n))), np.array([[0, 1]]), 0, 1)
    donor = Others(wave(), 3, 0).resampled(trace.record(wave(), large, 3), np.random.default_rng(0))
    assert donor.hidden.shape[1] == n
