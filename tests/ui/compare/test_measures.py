"""What two checkpoints are measured with on drawn instances."""

from __future__ import annotations

import pytest

from depthscope.core import checkpoint, frontier
from depthscope.ui.compare import measures as compare_measures

SHIPPED = [entry["name"] for entry in checkpoint.available()]


@pytest.mark.skipif(not {"logic-gru", "logic-house-tree"} <= set(SHIPPED), reason="they are not shipped")
def test_both_run_as_many_steps_as_the_frontier_gives_whoever_needs_more() -> None:
    tree, gru = checkpoint.load("logic-house-tree"), checkpoint.load("logic-gru")
    needed = {side.name: frontier.default_steps(side, 6) for side in (tree, gru)}
    assert len(set(needed.values())) == 2
    assert compare_measures.steps_of(tree, gru, 6) == compare_measures.steps_of(gru, tree, 6) == max(needed.values())
