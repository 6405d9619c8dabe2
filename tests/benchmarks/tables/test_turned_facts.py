"""What a fact is worth to a sum: one that joins the two people, and one about others."""

import numpy as np
import pytest

from benchmarks.tables import turned_facts
from depthscope.core import checkpoint, tasks
from depthscope.core.errors import InputError


@pytest.mark.slow
def test_a_fact_on_the_chain_counts_and_one_apart_does_not() -> None:
    opened = checkpoint.load("text-house-sum-on-paper-equal")
    texts = tasks.get("text").generate(4, 6, data="paper", seed=5)
    each = [turned_facts.worth(opened, text, 8) for text in texts]
    values, on = (np.concatenate(part) for part in zip(*each, strict=True))
    assert on.sum() == 4 * 6  # the paper's chains have no siblings
    assert values[on].mean() > 0.8
    assert abs(values[~on].mean()) < 0.2


def test_a_counter_counts_every_fact() -> None:
    opened = checkpoint.load("text-house-sum-on-paper")
    values, on = turned_facts.worth(opened, tasks.get("text").generate(4, 1, data="paper", seed=5)[0], 8)
    assert values[~on].size
    np.testing.assert_allclose(values, values.mean(), atol=0.1)
    assert values.mean() > 0.5


def test_another_readout_has_no_sum() -> None:
    with pytest.raises(InputError, match="reads out 'offset' and no sum"):
        turned_facts.main(["text-house-tokens"])
