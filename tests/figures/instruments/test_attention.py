"""The curves, heatmaps and sentences of the Attention page hold what was measured, with its controls."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from depthscope.core import tasks
from depthscope.core.encoding import NEVER
from depthscope.figures.instruments import attention as curves, traced_back
from depthscope.figures.style.palette import Scheme
from depthscope.probes.instruments import attention, highway, interaction, knockout
from depthscope.probes.instruments.attention import AttentionScores
from depthscope.probes.measuring.estimate import Estimate
from tests.probes.hand_made import wave

SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.fixture(scope="module")
def graphs() -> list[Any]:
    return tasks.get("graph").generate(4, 12, "audited", 0)


@pytest.fixture(scope="module")
def scores(graphs: list[Any]) -> AttentionScores:
    return attention.measure(wave(), graphs, steps=8)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_head_and_every_control_has_its_line(scores: AttentionScores, scheme: Scheme) -> None:
    fig: Any = curves.path_over_steps(scores.mass, scheme, (5, 12))
    lines = {trace.name: trace for trace in fig.data if trace.name}
    for h in range(2):
        np.testing.assert_allclose(lines[f"head {h}"].y, scores.mass.trained.value[:, h])
    np.testing.assert_allclose(lines["spread evenly"].y, scores.mass.uniform[:, 0])
    np.testing.assert_allclose(lines["permuted, best head"].y, scores.mass.permuted.max(1))
    np.testing.assert_allclose(lines["untrained, best head"].y, scores.mass.untrained.max(1))
    assert lines["head 0"].x[0] == 1
    assert fig.layout.shapes[0].x1 == 8.5  # the trained range ends with the run
    rolled: Any = curves.path_over_steps(scores.rollout_mass, scheme)
    assert {"rollout", "permuted", "untrained"} <= {trace.name for trace in rolled.data}


def test_where_attention_flows_is_said_with_chance(scores: AttentionScores, graphs: list[Any]) -> None:
    said = curves.flow(scores)
    head = int(np.argmax(scores.mass.trained.value.mean(0)))
    assert said.head == head
    assert said.mass == pytest.approx(scores.mass.trained.value[:, head].mean())
    assert said.mass_controls[1] == pytest.approx(scores.mass.permuted.mean(0).max())
    sentence = curves.where(scores, graphs[0])
    assert f"evenly spread it would be {curves.share(said.mass_controls[0])}" in sentence
    assert curves.share(said.auroc_controls[2]) in curves.chance(scores)


def shifted(scores: AttentionScores, mass: float, auroc: float) -> AttentionScores:
    """The same scores with all controls at .3 and .5."""
    made = {}
    for name, value, control in (("mass", mass, 0.3), ("auroc", auroc, 0.5)):
        shape = getattr(scores, name).trained.shape
        rest = {x: np.full(shape, control) for x in ("uniform", "permuted", "untrained")}
        trained = replace(getattr(scores, name).trained, value=np.full(shape, value))
        made[name] = replace(getattr(scores, name), trained=trained, **rest)
    return replace(scores, **made)


@pytest.mark.parametrize(
    ("mass", "auroc", "says"),
    [
        (0.9, 0.9, "runs along the path from"),
        (0.9, 0.52, "keeps to the edges, but does not single out the path"),
        (0.31, 0.9, "Attention does not single out"),
        (0.9, np.nan, "Every link lies on the path"),
    ],
)
def test_a_path_has_to_stand_out_from_every_control(
    scores: AttentionScores, graphs: list[Any], mass: float, auroc: float, says: str
) -> None:
    assert says in curves.where(shifted(scores, mass, auroc), graphs[0])


def test_the_head_is_chosen_over_the_steps_that_are_defined(scores: AttentionScores) -> None:
    value = scores.mass.trained.value.copy()
    value[:3] = np.nan
    value[3:] = [0.2, 0.4]
    assert curves.best_head(replace(scores.mass, trained=replace(scores.mass.trained, value=value))) == 1
    np.testing.assert_allclose(curves.mean_over_steps(value), [0.2, 0.4])
    assert np.isnan(curves.mean_over_steps(np.full((2, 2), np.nan))).all()


@pytest.mark.slow
def test_influence_is_drawn_beside_untrained_and_rollout(graphs: list[Any]) -> None:
    found = interaction.measure(wave(), graphs[:4], steps=6)
    fig: Any = curves.influence_over_steps(found.mass, "light")
    lines = {trace.name: trace for trace in fig.data if trace.name}
    np.testing.assert_allclose(lines["effective interaction"].y, found.mass.trained.value)
    np.testing.assert_allclose(lines["untrained"].y, found.mass.untrained)
    np.testing.assert_allclose(lines["rolled-out attention"].y, found.mass.rollout)
    assert curves.share(found.mass.untrained[3]) in curves.traced_back(found)
    size: Any = curves.memory_over_steps(found, "dark")
    np.testing.assert_allclose(size.data[0].y, found.size)
    agreement: Any = curves.agreement_over_steps(found, "dark")
    np.testing.assert_allclose(agreement.data[-1].y, found.agreement.value)
    assert agreement.layout.yaxis.range[0] <= np.nanmin([0, *found.agreement.value, *found.agreement.low])


@pytest.mark.slow
def test_cuts_and_gradients(graphs: list[Any]) -> None:
    found = knockout.measure(wave(), graphs, steps=8)
    fig: Any = curves.answers_turned(found, "light")
    on, off = fig.data
    assert list(on.y) == [found.cut.path.flips.value, found.silence.path.flips.value]
    assert list(off.y) == [found.cut.off.flips.value, found.silence.off.flips.value]
    moment: Any = curves.moment_of_a_cut(found.cut, "dark")
    lines = {trace.name: trace for trace in moment.data if trace.name}
    np.testing.assert_allclose(lines["on the path"].y, found.cut.delay_change.value[found.cut.delay_late.n > 0])
    largest = np.nanmax(found.cut.delay_change.value)
    told = curves.needed_at(found.cut)
    assert told.startswith(f"At one step alone the logit falls most, by {largest:.2f}, at the step at which the path")
    later = replace(found.cut, delay=found.cut.delay + 1)
    assert "one step after the step at which the path passes" in curves.needed_at(later)
    never = replace(found.cut, delay_late=Estimate.none(len(found.cut.delay)))
    assert curves.needed_at(never) == "No cut at one step alone could be measured here."
    left = highway.measure(wave(), graphs[:2], steps=6, seeds=1)
    drawn: Any = curves.gradient_over_steps(left, "light")
    lines = {trace.name: trace for trace in drawn.data if trace.name}
    np.testing.assert_allclose(lines["trained"].y, left.networks[0].ratio.value[::-1])
    assert {network.title for network in left.networks} <= lines.keys()


def test_the_answer_traced_back() -> None:
    value = np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    np.testing.assert_allclose(traced_back.shares(value)[0], [0.25, 0.75, 0])
    np.testing.assert_allclose(traced_back.of_largest(value)[0], [1 / 3, 1, 0])
    assert not traced_back.shares(value)[1].any()
    time, path = np.array([1, 0, NEVER]), np.array([True, True, False])
    labels = ("<b>a</b>", "b", "c")
    fig: Any = traced_back.answer_traced_back(value, time, path, labels, "light")
    heat, _, front = fig.data
    np.testing.assert_allclose(heat.z[:, 0], [1, 1 / 3, 0])  # b comes first, c never
    assert "&lt;b&gt;" in fig.layout.yaxis.ticktext[1]
    assert list(front.x) == [0, 1]
    assert list(front.y) == [0, 1]
    assert "share 0.750" in heat.text[0][0]
    rows = list(csv.DictReader(io.StringIO(traced_back.as_csv({"share": value}, path, labels))))
    assert float(rows[1]["share"]) == 0.75
    assert [row["on path"] for row in rows[:3]] == ["1", "1", "0"]
    assert len(rows) == value.size
