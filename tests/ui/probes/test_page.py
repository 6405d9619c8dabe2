"""The Probes page's own logic: scores as they are stored, work as it is asked, and lines that compute the same."""

from __future__ import annotations

import ast
import json
import shlex
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from depthscope.core import checkpoint, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.trace import record
from depthscope.probes import registry
from depthscope.probes.cli import parser
from depthscope.probes.reading import linear_probe
from depthscope.probes.reading.scores import ProbeScores
from depthscope.ui.probes import page as probe_page, stored as probe_stored
from depthscope.ui.probes.measures import ARRIVALS, COMMITMENT, LENS
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.address import Address, Example
from depthscope.ui.work import measure
from depthscope.ui.work.measure import Request
from tests.probes.hand_made import untrained


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, ProbeScores]:
    ours = untrained(tmp_path_factory.mktemp("probed") / "ours", "graph")
    probe, scores = linear_probe.fit(ours, instances=40)
    linear_probe.save(ours, probe, scores)
    return ours, scores


def test_stored_scores_are_those_that_were_measured(fitted: tuple[Checkpoint, ProbeScores]) -> None:
    ours, scores = fitted
    found = linear_probe.load_scores(ours)
    assert found is not None
    assert found.to_json() == scores.to_json()
    assert probe_stored.n_values(ours, found) == 2


def damaged(ours: Checkpoint, folder: Path, change: Any) -> Checkpoint:
    """The same checkpoint with its scores changed, and without the index that would notice it first."""
    assert ours.folder is not None
    folder.mkdir()
    settings = json.loads((ours.folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({k: v for k, v in settings.items() if k not in ("files", "digest")}))
    for name in (linear_probe.WEIGHTS, linear_probe.SCORES):
        (folder / name).write_bytes((ours.folder / name).read_bytes())
    scores = folder / linear_probe.SCORES
    text = change(json.loads(scores.read_text()))
    scores.write_text(text if isinstance(text, str) else json.dumps(text))
    return replace(ours, folder=folder)


def test_scores_from_before_the_matrix_have_none(fitted: tuple[Checkpoint, ProbeScores], tmp_path: Path) -> None:
    older = damaged(fitted[0], tmp_path / "a", lambda x: {k: v for k, v in x.items() if k != "across"})
    found = linear_probe.load_scores(older)
    assert found is not None
    assert np.isnan(found.across.accuracy.value).all()
    assert found.across.accuracy.shape == fitted[1].across.accuracy.shape


def beside(test: dict[str, Any]) -> dict[str, Any]:
    """An accuracy as it was stored before it was an estimate: its ends beside it."""
    accuracy = test["accuracy"]
    return test | {"accuracy": accuracy["value"], "low": accuracy["low"], "high": accuracy["high"]}


def test_scores_with_their_ends_beside_them_show_the_same(
    fitted: tuple[Checkpoint, ProbeScores], tmp_path: Path
) -> None:
    def change(x: dict[str, Any]) -> dict[str, Any]:
        tests = {name: beside(test) for name, test in x["tests"].items()}
        return {k: v for k, v in x.items() if k != "steps"} | {"tests": tests, "across": beside(x["across"])}

    older = linear_probe.load_scores(damaged(fitted[0], tmp_path / "a", change))
    assert older is not None
    assert older.to_json() == fitted[1].to_json()
    assert older.table() == fitted[1].table()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x | {"sha256": "0" * 64}, "belong to other weights"),
        (lambda x: "{", "cannot be read"),
        (lambda x: {"sha256": x["sha256"]}, "cannot be read"),
        (lambda x: [1], "cannot be read"),
        (lambda x: x | {"tests": {"held_out": x["tests"]["held_out"] | {"selectivity": [1.0]}}}, "cannot be read"),
        (lambda x: x | {"across": x["across"] | {"accuracy": {"value": [1.0]}}}, "cannot be read"),
        (lambda x: x | {"tests": {"a": x["tests"]["held_out"] | {"n_test": 10**30}}}, "cannot be read"),
        (lambda x: x | {"tests": {}}, "cannot be read"),
    ],
)
def test_scores_that_are_no_scores_get_a_sentence(
    fitted: tuple[Checkpoint, ProbeScores], tmp_path: Path, change: Any, says: str
) -> None:
    with pytest.raises(InputError, match=f"{says}.*probe fit"):
        linear_probe.load_scores(damaged(fitted[0], tmp_path / "a", change))


def test_the_index_notices_changed_scores(fitted: tuple[Checkpoint, ProbeScores], tmp_path: Path) -> None:
    ours = damaged(fitted[0], tmp_path / "a", lambda x: x | {"seed": 5})
    assert linear_probe.load_scores(ours) is not None
    assert ours.folder is not None
    assert fitted[0].folder is not None
    (ours.folder / "config.json").write_bytes((fitted[0].folder / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"probes\.json was changed since it was stored; fit the probes anew"):
        linear_probe.load_scores(ours)


def test_without_probes_there_are_no_scores_and_a_way_to_them(tmp_path: Path) -> None:
    ours = untrained(tmp_path, "graph")
    assert linear_probe.load_scores(ours) is None
    assert probe_stored.why_not(ours) is None
    nowhere = replace(ours, folder=None)
    assert linear_probe.load_scores(nowhere) is None
    assert "lies in no folder" in str(probe_stored.why_not(nowhere))


@pytest.mark.slow
def test_the_button_fits_what_the_command_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "default_instances", lambda _: 40)
    ours, seen = untrained(tmp_path, "graph"), []
    [scores] = probe_stored.fitting(ours).run(lambda done, total: seen.append((done, total)))
    found = linear_probe.load_scores(ours)
    assert found is not None
    assert found.to_json() == scores.to_json() == linear_probe.fit(ours)[1].to_json()
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize(
    "asked",
    [
        Request("wavefront", "graph-house", "1-3, 12", 20, seed=4, options={"reader": "probe"}),
        Request("wavefront", "logic-house-tree", "8", 20, options={"reader": "readout"}),
        Request("commitment", "graph-house", "5", 60),
        Request("lens", "text-house-tokens", "2-4", 8, seed=1),
        Request("lens", "text-house-tokens", None, None, 12),
    ],
)
def test_the_lines_to_copy_ask_the_same(asked: Request) -> None:
    words = shlex.split(asked.lines[0])
    assert words[:2] == ["depthscope", "probe"]
    args = parser().parse_args(words[2:])
    assert (args.checkpoint, args.instances, args.seed) == (asked.checkpoint, asked.count, asked.seed)
    assert getattr(args, "reader", None) == asked.options.get("reader")
    assert (args.difficulty, args.steps) == (asked.levels, asked.steps)
    assert args.json
    ast.parse(asked.lines[1])


def test_the_lines_to_copy_compute_what_the_page_shows() -> None:
    asked = Request("wavefront", "graph-house", "3", 4, seed=2, options={"reader": "readout"})
    work = measure.work_of(asked, checkpoint.load("graph-house"), "runs")
    [shown] = work.run(lambda done, total: None)
    namespace: dict[str, Any] = {}
    exec(asked.lines[1].replace("print(", "str("), namespace)
    np.testing.assert_array_equal(namespace["result"].node_arrival, shown.node_arrival)
    assert namespace["result"].fits == pytest.approx(shown.fits, nan_ok=True) or str(shown.fits) == str(
        namespace["result"].fits
    )


def test_work_is_told_apart_by_all_it_depends_on(fitted: tuple[Checkpoint, ProbeScores]) -> None:
    ours = fitted[0]
    first = Request("wavefront", ours.name, "3", 10)
    others = [
        replace(first, instrument="lens"),
        replace(first, difficulty="4"),
        replace(first, instances=11),
        replace(first, seed=1),
        replace(first, steps=5),
        replace(first, options={"reader": "probe"}),
    ]
    keys = {measure.work_of(x, ours, "").key for x in (first, *others)}
    assert len(keys) == 7
    assert measure.work_of(first, ours, "").key in keys
    assert measure.work_of(first, replace(ours, folder=None), "").key not in keys  # other probes, none


@pytest.mark.parametrize(("difficulty", "says"), [("5-2", "range"), ("", "range"), ("9999", "up to difficulty 256")])
def test_what_cannot_be_drawn_gets_a_sentence(difficulty: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        measure.work_of(Request("lens", "graph-house", difficulty, 5), checkpoint.load("graph-house"), "")


def test_what_is_offered_first_can_be_asked() -> None:
    for entry in checkpoint.available():
        opened = checkpoint.load(entry["name"])
        for section in (ARRIVALS, COMMITMENT, LENS):
            first = section.first(opened)
            assert measure.work_of(first, opened, section.unit).kind == section.instrument
            assert first.options.keys() == {field.name for field in fields(registry.get(section.instrument).options)}


def test_the_stored_probe_comes_first_among_the_readings() -> None:
    opened, instance = checkpoint.load("graph-house"), tasks.get("graph").generate(2, 1)[0]
    trace = record(opened, instance, 3)
    values = np.zeros((4, trace.n_nodes))
    readings = {"model readout": values, "probe: reached within t": values}
    view = opening.View(Address("graph-house", Example("x")), opened, instance, trace, readings, "k")
    assert list(probe_page.probe_first(view).readings) == ["probe: reached within t", "model readout"]
    assert list(view.readings) == ["model readout", "probe: reached within t"]


def _without_probes(folder: str) -> None:
    from pathlib import Path

    from depthscope.ui.probes import stored as probe_stored
    from tests.probes.hand_made import untrained

    ours = untrained(Path(folder), "graph")
    stored = probe_stored.linear_probe.load_scores(ours)
    probe_stored.nothing_stored(ours, None) if stored is None else probe_stored.st.write("There")


@pytest.mark.slow
def test_a_checkpoint_without_probes_is_fitted_at_the_press_of_a_button(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_probe, "default_instances", lambda _: 40)
    page = AppTest.from_function(_without_probes, args=(str(tmp_path),), default_timeout=60).run()
    assert not page.exception
    assert page.code[0].value == "depthscope probe fit graph"
    assert "No probes are stored with graph yet" in page.markdown[1].value
    page.button[0].click().run()
    _, job = page.session_state["visit"].jobs["fit"]
    end = time.monotonic() + 120
    while job.running and time.monotonic() < end:
        time.sleep(0.2)
    assert job.error is None
    assert len(job.results) == 1
    page.run()
    assert not page.exception
    assert page.markdown[0].value == "There"
    assert job.total > 100
