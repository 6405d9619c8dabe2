"""Patching finds where and when the answer is, on a wave that is known, and nothing where nothing is carried."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks.graph import TASK as graph  # noqa: N811
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.probes.editing import runner as intervene
from depthscope.probes.instruments import do, patch
from depthscope.probes.measuring import instances as subjects, results, twin_runs
from tests.probes.hand_made import untrained, wave


def two_paths() -> GraphInstance:
    """A to F along five edges, and another path apart from it: the twin swaps an edge of each."""
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [6, 7], [7, 8]])
    return GraphInstance(tuple("ABCDEFGHI"), edges, 0, 5)


def test_the_map_is_the_wave_beyond_the_cut() -> None:
    found = patch.measure(wave(), [two_paths()], steps=13)
    into, out_of = found.maps
    assert into.direction == "answer 1 into 0"
    cut = into.change[0]  # the edge of the path that the twin lacks starts here
    beyond = np.arange("ABCDEF".index(cut) + 1, 6)
    t, i = np.indices(into.effect.shape)
    due = np.isin(i, beyond) & (i <= t) & (13 - t >= 5 - i)  # reached in the donor, and in time to reach the answer
    np.testing.assert_allclose(into.effect > 0.5, due)
    assert into.front[[1, 3, 5], [1, 3, 5]].all()
    assert into.front.sum() == 6
    # a node that is taken back is reached again from behind: only on the last steps is a single one missed
    late = (i <= 5) & (13 - t == 5 - i)
    np.testing.assert_array_equal((out_of.effect > 0.5) & (t < 13), np.zeros_like(late))
    at_need = patch.measure(wave(), [two_paths()], steps=5).maps[1]
    t, i = np.indices(at_need.effect.shape)
    np.testing.assert_array_equal(at_need.effect > 0.5, (i == t) & np.isin(i, beyond))


@pytest.mark.slow
def test_the_summary_holds_front_and_controls() -> None:
    instances = graph.generate(4, 8, data="audited", seed=1)
    found = patch.measure(wave(), instances, seed=2)
    one, zero = found.summaries
    assert found.left_out == 0
    assert one.pairs == zero.pairs == len(instances) - found.without_twin
    assert one.front.low <= one.front.value <= one.front.high
    assert one.front.value > one.random.high
    assert one.effect_front.value > one.effect_random.value + 0.2
    assert one.path.value > one.path_nodes
    assert zero.silent == zero.pairs, "the wave mends what is taken from a single node"
    assert json.loads(dumps(found))["summaries"][0]["pairs"] == one.pairs
    assert "random nodes" in found.table()


def test_nothing_is_found_where_nothing_is_carried(tmp_path: Path) -> None:
    opened = untrained(tmp_path, "graph")
    found = patch.measure(opened, graph.generate(4, 4, data="audited", seed=1), steps=8)
    assert found.left_out == 4 - found.without_twin, "a network that learned nothing answers twins alike"
    assert not found.maps
    assert np.isnan(found.summaries[0].front.value)
    assert "4 pairs less than a logit apart" in found.table()


def test_a_map_is_what_single_runs_give(tmp_path: Path) -> None:
    pair, without = twin_runs.twins_of(wave(), [two_paths()], 7, 0)
    assert without == 0
    both = twin_runs.record(wave(), *pair[0])
    found = patch.effect_map(wave(), both.first, both.second)
    for t, i in ((2, 3), (4, 4), (7, 5), (0, 0)):
        out = intervene.run(
            wave(), both.second, [[patch.Edit("patch", t, nodes=(i,))]], intervene.Material(donor=both.first)
        )
        share = (out.logits[0, -1] - found.corrupt) / (found.clean - found.corrupt)
        assert abs(found.effect[t, i] - share) < 1e-5


def test_the_donor_of_the_same_label_has_the_same_label() -> None:
    from depthscope.core import tasks

    for task in ("graph", "logic", "text"):
        for instance in tasks.get(task).generate(3, 4, data="audited", seed=3):
            other = twin_runs.same_label(instance, 0)
            assert other is None or (other.label == instance.label and other != instance)


def test_a_cell_is_patched_again_by_its_edit(tmp_path: Path) -> None:
    for found in patch.measure(wave(), [two_paths()], steps=6).maps:
        for name in ("corrupt", "donor"):
            (tmp_path / f"{name}.jsonl").write_text(getattr(found, f"{name}_input"))
        instances = subjects.read(wave(), str(tmp_path / "corrupt.jsonl"), None, None, None)
        felt = np.argwhere(np.abs(found.effect) > 0.5)[::7]
        assert len(felt), "there is something to patch again"
        for t, i in felt.tolist():
            again = do.measure(
                wave(), instances, steps=6, edit=[found.edit(t, i)], donor=str(tmp_path / "donor.jsonl")
            )  # fmt: skip
            assert isinstance(again, do.Replay)
            before, after = again.runs[0].before[-1], again.runs[0].after[-1]
            np.testing.assert_allclose(before, found.corrupt, atol=1e-5)
            np.testing.assert_allclose((after - before) / (found.clean - before), found.effect[t, i], atol=1e-5)


@pytest.mark.slow
def test_the_untrained_network_is_patched_as_well() -> None:
    one = patch.measure(wave(), graph.generate(4, 4, data="audited", seed=1), seed=2).summaries[0]
    assert one.front.value > one.front_untrained.high
    assert 0 < one.front_untrained.value < 1
    blank = one.effect_untrained
    assert abs(blank.value) < 0.05 < one.effect_front.value
    assert blank.low <= blank.value <= blank.high


def test_results_are_stored_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = patch.measure(wave(), [two_paths()], steps=6)
    results.save_npz(found, tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["maps.0.effect"], found.maps[0].effect)
        assert stored["maps.0.edits"].tolist() == [f"patch t={{t}} node={name}" for name in "ABCDEFGHI"]
        assert stored["summaries.0.effect_untrained.value"] == found.summaries[0].effect_untrained.value
    shown = found.table()
    felt = {found.maps[0].labels[i] for i in np.flatnonzero(np.abs(found.maps[0].effect[:-1]).max(0) >= 0.1)}
    lines = shown.split("R, answer 1 into 0")[1].split("R, answer 0 into 1")[0].splitlines()[1:]
    assert [line.split()[0] for line in lines if line] == [*sorted(felt), "most,"]
    assert "A" not in felt, "both start from the source"
    with pytest.raises(InputError, match="has no twin"):
        patch.measure(wave(), [GraphInstance(("A", "B"), np.array([[0, 1]]), 0, 1)])
    monkeypatch.setattr(results, "MAX_BYTES", 2000)
    with pytest.raises(InputError, match=r"pairs of effect maps would take .* fewer instances or steps"):
        patch.measure(wave(), [two_paths()] * 2, steps=6)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"effect has shape \(3, 2\)"):
        patch.EffectMap(
            "", ("A",), np.zeros((3, 2)), np.zeros((3, 2), bool), np.zeros(2, bool), 1.0, 0.0, "", ("",), "", ""
        )
    with pytest.raises(ValueError, match=r"edits.*\(2,\).*\(1,\)"):
        patch.EffectMap(
            "", ("A",), np.zeros((3, 1)), np.zeros((3, 1), bool), np.zeros(1, bool), 1.0, 0.0, "", ("",) * 2, "", ""
        )
