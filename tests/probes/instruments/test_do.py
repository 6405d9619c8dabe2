"""Edits replayed do to a known wave what they should; the battery finds it, and nothing where nothing is carried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthscope.core import checkpoint, tasks
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks.graph import TASK as graph  # noqa: N811
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.probes.cli import main
from depthscope.probes.editing import directions, runner as intervene
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import do, do_battery, do_damage, steer
from depthscope.probes.instruments.do import Replay
from depthscope.probes.instruments.do_battery import Battery
from depthscope.probes.measuring import instances as subjects, results
from tests.probes.hand_made import flood, untrained, wave

NAMES = tuple("ABCDEFGH")


def line() -> GraphInstance:
    """A to F along five edges; G, which nobody reaches and which leads nowhere; H, too."""
    return GraphInstance(NAMES, np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [6, 7]]), 0, 5)


def replay(*edits: str, opened: Any = None, instances: Any = None, **more: Any) -> Replay:
    found = do.measure(opened or wave(), instances or [line()], edit=edits, steps=more.pop("steps", 13), **more)
    assert isinstance(found, Replay)
    return found


def drill(opened: Any, instances: Any, **more: Any) -> Battery:
    found = do.measure(opened, instances, **more)
    assert isinstance(found, Battery)
    return found


@pytest.mark.parametrize("t", [1, 3, 5])
def test_a_skipped_step_delays_the_wave_by_exactly_one_step(t: int) -> None:
    run = replay(f"hold t={t}").runs[0]
    np.testing.assert_allclose(run.after[t:], run.before[t - 1 : -1], atol=1e-5)
    np.testing.assert_array_equal(run.after[:t], run.before[:t])
    assert np.flatnonzero((run.after > 0) != (run.before > 0)).tolist() == [5]


@pytest.mark.slow
def test_a_step_skipped_after_the_arrival_delays_nothing_and_a_repeated_one_hastens() -> None:
    late = replay("hold t=6").runs[0]
    np.testing.assert_array_equal(late.after > 0, late.before > 0)
    soon = replay("repeat t=2").runs[0]
    assert np.flatnonzero(soon.after > 0)[0] == 4
    twice = replay("repeat t=2 amount=2").runs[0]
    assert np.flatnonzero(twice.after > 0)[0] == 3


@pytest.mark.slow
def test_nothing_is_changed_to_the_bit_where_nothing_is_done() -> None:
    null = (
        replay("add t=3 amount=0 direction=random"),
        replay("zero t=3 node=G"),  # never reached, and nobody on the path hears it
        replay("swap t=2 node=D,E"),  # both unreached: one state
    )
    for found in null:
        run = found.runs[0]
        np.testing.assert_array_equal(run.after, run.before)
        assert [float(x) for x in (found.edited.flips[0], found.edited.disturbed, found.edited.loss)] == [0, 0, 0]
        assert np.isnan(found.edited.recovered.value)
        assert np.nanmax(found.edited.graph) == 0


def test_zeroing_the_front_is_told_from_random_nodes_and_costs_the_answer_or_steps() -> None:
    last = replay("zero t=5 node=F", steps=5)
    assert last.edited.flips.value[0] == 1.0
    assert last.random.flips.value[0] == 0.0
    assert last.random.flips.n[0] == do.DRAWS
    assert last.untrained.flips.n[0] == 1
    assert last.edited.flips.low[0] > 0.2 > last.random.flips.high[0]
    lost = replay("zero t=2 node=C", "hold t=3..4")  # the wave waits behind C
    assert (lost.edited.disturbed.value, lost.edited.recovered.value) == (1.0, 1.0)
    assert lost.edited.recovery.value >= 6  # reached for good at 7 or later, edited at 2: 5 + ...


def test_recovery_is_counted_from_the_edit_to_the_last_difference() -> None:
    base = np.array([[[-1.0, -1, 1, 1, 1]]])
    edited = np.array([[[-1.0, -1, -1, -1, 1], [-1, -1, 1, -1, -1], [-1, -1, 1, 1, 1], [np.nan] * 5]])
    steps = do_damage.recovery_steps(base, edited, np.array([1, 3, 2, 2]))
    np.testing.assert_array_equal(steps, [[3, np.inf, 0, np.nan]])


@pytest.mark.slow
def test_a_patch_takes_the_twin_or_a_named_donor(tmp_path: Path) -> None:
    whole = replay("patch t=0 parts=state,mask,input", steps=8)
    assert whole.edited.flips.value[0] == 1.0, "the twin has the other answer"
    assert whole.runs[0].donor.startswith("its twin: ")
    near = tmp_path / "near.csv"
    near.write_text("A,F\nB,C\nC,D\nD,E\nE,G\nG,H\n")
    named = replay("patch t=1 node=F", donor=str(near))
    other = [i for i, x in enumerate(named.runs[0].after > 0) if x]
    assert named.runs[0].donor == f"the instance in {near}"
    assert other[0] <= 5
    with pytest.raises(InputError, match="no edit is a patch"):
        replay("zero t=1", donor=str(near))
    with pytest.raises(InputError, match="a donor is for patches"):
        do.measure(wave(), [line()], donor=str(near))
    alone = GraphInstance(("A", "B"), np.array([[0, 1]]), 0, 1)
    with pytest.raises(InputError, match=r"there is no twin to patch from .*--donor FILE"):
        replay("patch t=1", instances=[alone])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["graph-house", "logic-house-tree", "text-house-facts"])
def test_steering_is_replayed_with_the_same_logits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `steer` runs is run again from its text: the same places, along `means` as long as it takes them."""
    opened = checkpoint.load(name)
    instances = subjects.draw(opened, [2], 2, None, 1)
    ran: list[tuple[Any, np.ndarray, Any]] = []
    run = intervene.run

    def noted(opened: Any, base: Any, programs: Any, *more: Any, **kept: Any) -> Any:
        out = run(opened, base, programs, *more, **kept)
        ran.extend((base, out.logits[row], program[0]) for row, program in enumerate(programs))
        return out

    monkeypatch.setattr(intervene, "run", noted)
    found = steer.measure(opened, instances, seed=1).responses[0]
    monkeypatch.undo()
    assert found.direction == "means"
    steered = [(b, logits) for b, logits, e in ran if e.direction.startswith("means") and e.amount == 1.0]
    assert len(steered) == len(found.edits) > 0
    for (base, logits), texts, i in list(zip(steered, found.edits, found.instance.tolist(), strict=True))[:2]:
        again = do.measure(opened, instances, steps=base.steps, seed=1, edit=[texts[2]])
        assert isinstance(again, Replay)
        np.testing.assert_allclose(again.runs[i].after, logits, atol=1e-4)
        assert not np.allclose(again.runs[i].after, again.runs[i].before, atol=1e-2)


@pytest.mark.slow
def test_directions_between_means_are_as_long_as_their_distance() -> None:
    opened = checkpoint.load("graph-house")
    instances = subjects.draw(opened, [2], 2, None, 1)
    program = [do.Edit("add", 3, amount=1.0, direction=x) for x in ("means", "orthogonal", "means@2", "probe@4")]
    found = do.directions_of(Bench.of(opened, instances, 6, 5), program)
    towards = directions.means(opened, steer.fitted(opened, instances, 5), 3).towards(0, 1)
    np.testing.assert_array_equal(found["means"][3], towards)
    assert np.isnan(found["means"][[0, 1, 4, 5, 6]]).all()
    assert np.linalg.norm(found["orthogonal"][3]) == pytest.approx(np.linalg.norm(found["means"][3]))
    assert found["orthogonal"][3] @ found["means"][3] == pytest.approx(0, abs=1e-8)
    np.testing.assert_array_equal(found["means@2"], np.tile(found["means"][2], (7, 1)))
    np.testing.assert_array_equal(found["probe@4"], np.tile(found["probe"][4], (7, 1)))
    np.testing.assert_allclose(np.linalg.norm(found["probe"], axis=1), 1)
    with pytest.raises(InputError, match="there is no direction 'means@99'"):
        replay("add t=1 amount=1 direction=means@99", steps=4)


@pytest.mark.slow
def test_edits_are_words_lines_or_json_with_nodes_by_name(tmp_path: Path) -> None:
    given = tmp_path / "edits.json"
    given.write_text('[{"kind": "hold", "step": 2, "nodes": [3]}]')
    found = do.measure(wave(), [line()], steps=6, edit=["zero t=3 node=B\nmean t=4 node=#2"], edits=str(given))
    assert isinstance(found, Replay)
    assert found.runs[0].edits == ("zero t=3 node=B", "mean t=4 node=C", "hold t=2 node=D")
    for text, why in (("", "no edit is given"), ("zero t=99", "the run has 13 steps"), ("zero t=1 node=Q", "no node")):
        with pytest.raises(InputError, match=why):
            replay(text)


@pytest.mark.slow
def test_the_battery_finds_the_wave_and_its_controls() -> None:
    found = drill(wave(), [line(), line()], steps=9)
    assert found.kinds == do_battery.KINDS[:-1], "the wave has no gate"
    skip = found.of("skip", "whole step")
    late = np.abs(skip.graph[:5, 5] - skip.graph[0, 5]) < 1e-4
    assert late.all(), "each of the first five steps is needed alike, at the step of the answer"
    assert np.nanmax(skip.graph[5:]) < skip.graph[0, 5] / 4, "a later one only lets the logit settle"
    assert np.isnan(skip.graph[4, :5]).all()
    assert skip.disturbed.value == pytest.approx(5 / 8)
    assert skip.recovered.value == 1.0
    assert skip.recovery.value == pytest.approx(3)  # at 6, skipped at 1..5: 5, 4, 3, 2, 1
    assert found.of("skip", "untrained").turned.value == 0
    assert found.of("zero", "path").turned.value >= found.of("zero", "random nodes").turned.value == 0
    assert found.of("zero", "path").disturbed.value > found.of("zero", "random nodes").disturbed.value
    assert found.of("repeat", "path").flips.n.sum() == 0
    assert np.isnan(found.of("repeat", "path").turned.value)
    again = drill(wave(), [line(), line()], steps=9)
    assert dumps(again) == dumps(found)


def test_the_same_size_is_the_same_size() -> None:
    base = do_battery.trace.record(wave(), line(), 4)
    at = np.array([1, 3])
    programs: do_battery.Programs = [[[do_battery.Edit("zero", t)] for t in at.tolist()]]
    still: do_battery.Programs = [[[do_battery.Edit("noise", t, amount=0.0)] for t in at.tolist()]]
    logits = do_battery._as_large(wave(), base, still, do_battery.Material(), at, np.random.default_rng(0))
    np.testing.assert_array_equal(logits, np.broadcast_to(base.logits, logits.shape))
    assert not np.array_equal(
        do_battery._as_large(wave(), base, programs, do_battery.Material(), at, np.random.default_rng(0))[0, 0],
        base.logits,
    )


@pytest.mark.slow
def test_an_untrained_model_is_not_damaged(tmp_path: Path) -> None:
    instances = graph.generate(4, 2, data="audited", seed=1)
    found = drill(untrained(tmp_path, "graph"), instances, steps=6)
    assert found.kinds == do_battery.KINDS, "this one has a gate"
    skip = found.of("skip", "whole step")
    for name in ("turned", "turned_one", "turned_zero", "loss", "disturbed"):
        of = getattr(skip, name)
        assert np.isnan(of.value) or np.isnan(of.low) or of.low <= of.value <= of.high, name
    assert found.of("skip", "whole step").turned.value == 0
    assert found.of("gate", "path").loss.value < 0.1
    assert found.without_path == 1


@pytest.mark.slow
def test_every_kind_of_checkpoint_runs() -> None:
    for name, difficulty in (("logic-gru", 3), ("graph-act", 2), ("logic-house-tree", 2)):
        opened = checkpoint.load(name)
        assert do.measure.unfit(opened) is None
        instances = tasks.get(opened.config.task).generate(difficulty, 2, data="audited", seed=2)
        found = drill(opened, instances, steps=4)
        assert ("gate" in found.kinds) == (name == "logic-house-tree")
        assert replay("zero t=2", opened=opened, instances=instances, steps=4).edited.flips.n[0] == 2
    with pytest.raises(InputError, match="no update gate"):
        replay("gate t=1 amount=0")
    with pytest.raises(InputError, match="no attention"):
        replay("cut t=1 edge=1<0", opened=flood())


def test_cuts_are_compared_with_other_edges() -> None:
    found = replay("silence t=3 edge=D<C", steps=5)
    assert found.edited.flips.value[0] == 1.0
    assert found.random.flips.n[0] == do.DRAWS
    assert found.random.flips.value[0] < 0.5


def test_a_cut_at_random_leaves_every_query_something() -> None:
    """In a tree `!` attends to one child alone; at random it is not cut off from it, and the edit itself is refused."""
    opened, formula = checkpoint.load("logic-house-tree"), tasks.get("logic").parse("(!T&(F|!F))")
    labels = tasks.get("logic").encode(formula, opened.config).labels
    operator = labels.index("&")
    edges = tasks.get("logic").encode(formula, opened.config).edge_index
    assert edges is not None
    child = next(int(k) for q, k in edges.T if q == operator and k != q)
    cut = f"cut t=1..4 edge=#{operator}<#{child}"
    found = replay(cut, opened=opened, instances=[formula], steps=4)
    assert found.random.flips.n[0] == do.DRAWS
    assert not np.array_equal(found.runs[0].after, found.runs[0].before)
    alone = labels.index("!")
    only = next(int(k) for q, k in edges.T if q == alone)
    with pytest.raises(InputError, match="nothing to attend to"):
        replay(f"cut t=1..4 edge=#{alone}<#{only}", opened=opened, instances=[formula], steps=4)


@pytest.mark.slow
def test_results_are_stored_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, many, all_ = replay("zero t=2"), replay("zero t=2 node=C", instances=[line()] * 2), drill(wave(), [line()])
    assert json.loads(dumps(one))["runs"][0]["after"][0] == pytest.approx(float(one.runs[0].after[0]))
    assert json.loads(dumps(all_))["kinds"][0] == "zero"
    for i, result in enumerate((one, many, all_)):
        results.save_npz(result, tmp_path / f"{i}.npz")
    with np.load(tmp_path / "0.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["runs.0.before"], one.runs[0].before)
    with np.load(tmp_path / "2.npz", allow_pickle=False) as stored:
        assert stored["damage.0.graph"].shape == (len(all_.at), all_.steps + 1)
    assert "logit of the answer" in one.table()
    assert "at random nodes" in many.table()
    assert "at random nodes" not in one.table(), "no node is named"
    assert "E(t -> s)" in all_.table()
    assert main(["do", "graph-house", "--instances", "2", "--steps", "3", "--edit", "hold t=1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2
    assert main(["do", "graph-house", "--instances", "1", "--edit", "freeze t=1"]) == 2
    assert "there is no edit 'freeze'" in capsys.readouterr().err


def test_shapes_are_checked_and_memory_is() -> None:
    row = np.zeros(3)
    with pytest.raises(ValueError, match=r"after has shape \(2,\)"):
        do.Replayed((), "", row, np.zeros(2), np.zeros((0, 3)), row, row)
    with pytest.raises(InputError, match="fewer instances or steps"):
        do.measure(wave(), [line()] * 60, steps=10_000)
