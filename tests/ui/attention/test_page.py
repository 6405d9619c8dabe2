"""The Attention page's own logic: what is measured at once, what has to be asked for, and what is taken away."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from depthscope.core import checkpoint
from depthscope.core.files.strict_json import dumps
from depthscope.probes.instruments import attention, interaction
from depthscope.ui.attention import measures as attention_measures, page, run as attention_run
from depthscope.ui.visit.address import Address, Example
from depthscope.ui.visit.view import View, open_address
from depthscope.ui.work.measure import Request, work_of

SHIPPED = {entry["name"]: entry["task"] for entry in checkpoint.available()}
FIRST = {"graph": "three-hops", "logic": "depth-4", "text": "chain-2"}


def opened(name: str, example: str | None = None) -> View:
    if name not in SHIPPED:
        pytest.skip(f"{name} is not shipped")
    return open_address(Address(name, Example(example or FIRST[SHIPPED[name]])))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_the_answer_of_every_checkpoint_can_be_traced_back(name: str) -> None:
    view = opened(name)
    shown = attention_run.with_readings(view)
    assert (attention_run.ROLLOUT in shown) == (view.trace.attention is not None)
    for values in shown.values():
        assert values.shape == (view.trace.steps + 1, view.trace.n_nodes)
    for made in (attention_run.ROLLOUT, attention_run.INTERACTION):
        if made in shown:
            assert shown[made].min() >= 0
            assert shown[made].max() == 1
            assert shown[made][-1].argmax() == view.trace.encoding.answer


@pytest.mark.slow
def test_what_is_shown_is_what_the_library_measures() -> None:
    view = opened("graph-house")
    found, traced = attention_run.scores(view), attention_run.influence(view)
    due = attention.measure(view.checkpoint, [view.instance], steps=view.trace.steps)
    assert dumps(found) == dumps(due)
    assert traced is not None
    back = interaction.measure(view.checkpoint, [view.instance], steps=view.trace.steps)
    np.testing.assert_allclose(traced.first.value, back.first.value)
    assert found is not None
    rows = list(csv.DictReader(io.StringIO(page.as_csv(found))))
    mass = [float(row["value"]) for row in rows if row["figure"] == "mass" and row["head"] == "0"]
    np.testing.assert_allclose(mass, due.mass.trained.value[:, 0], rtol=1e-5)
    assert {row["figure"] for row in rows} == set(attention_measures.FIGURES)
    assert all(row["uniform"] and row["permuted"] and row["untrained"] for row in rows if row["value"])
    json.loads(dumps(found))


@pytest.mark.slow
def test_without_a_path_nothing_is_held_against_it() -> None:
    view = opened("graph-house", "twelve-hops-cut")
    assert not attention_run.has_path(view)
    assert attention_run.scores(view) is None
    assert attention_run.influence(view) is None
    assert attention_run.rollout(view) is not None
    assert page._no_path(view) == "There is no path from T to D, so nothing that attention could follow to the answer"
    strangers = opened("text-house-facts", "strangers")
    assert page._no_path(strangers).startswith("There is no chain of facts,")


@pytest.mark.slow
def test_large_runs_are_measured_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    view = opened("graph-house", "cycle")
    monkeypatch.setattr(attention_run, "AT_ONCE", 10)
    monkeypatch.setattr(attention_run, "AT_ONCE_STATES", 10)
    assert attention_run.scores(view) is None
    assert attention_run.influence(view) is None
    made = next(work_of(Request.of_view("attention", view), view.checkpoint).run(lambda done, total: None))
    assert made.n == 1
