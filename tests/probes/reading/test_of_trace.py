"""What a readout of offsets says of every person agrees with the trace's own readout of the asked one."""

import numpy as np
import torch

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.config import ModelConfig
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.tasks.text import TASK as text  # noqa: N811
from depthscope.core.trace import record
from depthscope.probes.editing.neighbourhood import Neighbourhood
from depthscope.probes.reading.of_trace import readout_of_classes

TEXT = "A is the parent of B. B is the parent of C. D is the child of E. Is A the grandparent of C?"


def untrained(readout: str) -> Checkpoint:
    config = ModelConfig.from_dict(
        {"task": "text", "vocabulary": 54, "width": 16, "heads": 2, "hidden": 24, "readout": readout}
    )
    return Checkpoint("untrained", DepthRecurrentTransformer(config).eval(), config, "", {}, {}, "", 0, None)


def test_shares_are_of_what_the_facts_give() -> None:
    opened = untrained("offset")
    trace = record(opened, text.parse(TEXT), 4)
    found = readout_of_classes(opened, trace)
    assert list(found) == ["true offset", "joined"]
    carries, person = trace.encoding.carries, trace.encoding.instance_node
    for values in found.values():
        assert values.shape == (5, trace.n_nodes)
        assert (np.isnan(values) == ~carries[None]).all()
    assert trace.readout is not None
    asked = 1 / (1 + np.exp(-trace.readout.astype(np.float64)))
    c, d = person == 2, person == 3  # C stands at the asked offset, D is joined to nobody
    np.testing.assert_allclose(found["true offset"][:, c], asked[:, c], atol=1e-6)
    np.testing.assert_allclose(found["true offset"][:, d], 1 - found["joined"][:, d], atol=1e-6)


def test_what_is_counted_sums_to_what_the_answer_is_read_from() -> None:
    opened = untrained("sum")
    torch.nn.init.normal_(opened.model.head[1].weight, std=0.05)
    trace = record(opened, text.parse(TEXT), 4)
    found = readout_of_classes(opened, trace)
    assert list(found) == ["counted"]
    assert trace.readout is None
    each = opened.model.head(torch.tensor(trace.hidden)).detach().numpy()  # (T+1, n, 3)
    np.testing.assert_allclose(found["counted"], np.abs(each[..., 0]), atol=1e-6)
    assert 0 < found["counted"].max() < 1
    off = np.abs(each[..., 0].sum(1) - trace.encoding.asked)
    margin, sharp = each[:, trace.encoding.answer, 1:].T
    np.testing.assert_allclose(trace.logits, np.exp(sharp) * (1 + margin - off), atol=1e-5)
    assert any("every word adds" in note for note in trace.notes)


def test_every_word_bears_on_a_sum() -> None:
    opened = untrained("sum")
    encoding = text.encode(text.parse(TEXT), opened.config)
    assert Neighbourhood.of(opened.model, encoding).cone(3).all()
    assert not Neighbourhood.of(untrained("offset").model, encoding).cone(3)[3].all()


def test_other_readouts_have_none() -> None:
    opened = untrained("node")
    assert readout_of_classes(opened, record(opened, text.parse(TEXT), 2)) == {}
