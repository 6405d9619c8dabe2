"""Waves of planted speed, delay and reach, and none in noise or in an untrained model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata
from torch import Tensor

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.encoding import Batch
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.protocol import Sink
from depthscope.probes.cli import main
from depthscope.probes.instrument import Bench
from depthscope.probes.instruments import wavefront
from depthscope.probes.maths.line_fit import SHUFFLED, UNTRAINED, Fit, line, statistics
from depthscope.probes.measuring import results
from depthscope.probes.reading import margins as reading
from tests.probes.hand_made import CONFIGS, Flood, untrained, wave

Captured = pytest.CaptureFixture[str]


class Paced(Flood):
    """A flood that moves at every `pace`-th step alone, and not past step `last`."""

    def __init__(self, pace: int, last: int) -> None:
        super().__init__()
        self.pace, self.last = pace, last

    def step(self, state: Tensor, t: int, context: Batch, sink: Sink | None = None) -> Tensor:
        moves = (t + 1) % self.pace == 0 and t < self.last
        return super().step(state, t, context, sink) if moves else state


def paced(pace: int = 1, last: int = 1000) -> Checkpoint:
    model: Any = Paced(pace, last)
    return Checkpoint("paced", model, CONFIGS["graph"], "", {}, {}, "", 0, None)


def graphs(hops: int, count: int = 20) -> list[Any]:
    return tasks.get("graph").generate(hops, count, "audited", 0)


def test_a_wave_of_one_hop_a_step_is_found() -> None:
    instances, seen = graphs(9), []
    found = wavefront.measure(wave(), instances, progress=lambda done, total: seen.append((done, total)))
    fit = found.fit()
    speed = (fit.speed.value, fit.speed.low, fit.speed.high)
    assert (*speed, fit.r2.value, fit.spearman.value) == pytest.approx((1, 1, 1, 1, 1))
    assert fit.intercept == pytest.approx(0, abs=1e-9)
    assert fit.r2_log2.low < fit.r2_log2.value < fit.r2_log2.high < 0.97
    assert fit.difference.value == pytest.approx(fit.r2.value - fit.r2_log2.value)
    assert 0 < fit.difference.low < fit.difference.value < fit.difference.high
    assert fit.arrived == fit.within == len(found.node)
    np.testing.assert_array_equal(found.node_arrival, found.node_distance)
    np.testing.assert_array_equal(found.tau_mean, found.distance)
    assert not found.stalled
    assert found.stall == found.distance[-1] >= 9
    assert (found.arrived.value == 1).all()
    assert found.arrived.n.sum() == len(found.node)
    assert (found.untrained_arrived < 1).all()
    shuffled = found.fit(of=SHUFFLED)
    assert shuffled.r2.low <= shuffled.r2.value < 0.2
    assert shuffled.spearman.low < shuffled.spearman.value < shuffled.spearman.high < fit.spearman.low
    assert shuffled.slope.value < 0.5
    assert (found.twin.instances, found.twin.arrived.value, found.twin.twin.value) == (20, 1, 0)
    assert found.twin.arrived.n == found.twin.twin.n > 20
    assert seen[-1] == (3 * found.steps, 3 * found.steps)  # own, untrained, twins: a batch each


def test_a_slow_wave_has_its_speed() -> None:
    found = wavefront.measure(paced(pace=2), graphs(5), steps=16, threshold=0.7)
    assert found.fit().speed.value == pytest.approx(0.5)
    np.testing.assert_array_equal(found.node_arrival, 2 * found.node_distance)


def test_a_wave_that_stalls_is_seen_to() -> None:
    found = wavefront.measure(paced(last=4), graphs(8), threshold=0.7)
    assert (found.stall, found.stalled) == (4, True)
    np.testing.assert_array_equal(found.arrived.value, found.distance <= 4)
    assert np.isnan(found.tau_mean[found.distance > 4]).all()
    assert found.fit().speed.value == pytest.approx(1)


def test_an_untrained_model_has_no_wave(tmp_path: Path) -> None:
    found = wavefront.measure(untrained(tmp_path / "graph", "graph"), graphs(9), threshold=0.5)
    fit = found.fit()
    blank = found.fit(of=UNTRAINED)
    assert blank.order == "distance"
    for none in (fit, blank):
        assert none.slope.value < 0.2, "whatever arrives does so at about the same step"
        assert none.difference.value < 0.1 or np.isnan(none.difference.value)


def test_a_line_in_noise_has_its_interval() -> None:
    rng, group = np.random.default_rng(0), np.repeat(np.arange(60), 20)
    far = rng.integers(1, 12, len(group))

    def fit(tau: np.ndarray) -> Fit:
        return line("distance", "own", tau, far, group, np.random.default_rng(0))

    noise = fit(rng.integers(0, 20, len(group)))
    assert noise.slope.low < 0 < noise.slope.high
    assert noise.r2.value < 0.02
    assert abs(noise.spearman.value) < 0.1
    assert np.isnan(noise.speed.high)
    assert noise.difference.low < 0 < noise.difference.high
    assert noise.spearman.low < 0 < noise.spearman.high
    planted = fit(2 * far + rng.integers(0, 9, len(group)))
    assert planted.slope.low < 2 < planted.slope.high
    assert planted.speed.low < 0.5 < planted.speed.high
    assert planted.difference.low > 0, "a planted line is straighter than its logarithm"
    doubling = fit(np.log2(1 + far).round(3))
    assert doubling.r2_log2.value > 0.999 > doubling.r2.value
    assert doubling.difference.high < 0
    few = line("distance", "own", np.array([1, -1, 2, -1]), np.array([1, 2, 3, 4]), np.arange(4), rng)
    assert np.isnan(few.slope.value)
    assert (few.arrived, few.within) == (2, 4)


def test_a_sample_of_groups_is_described_as_its_nodes_are() -> None:
    rng = np.random.default_rng(1)
    x, group = rng.integers(1, 9, 300).astype(float), rng.integers(0, 12, 300)
    y = np.round(1.5 * x + rng.normal(0, 3, 300))
    drawn = rng.multinomial(12, np.full(12, 1 / 12), size=4)
    found = statistics(drawn[:, group], x, y)
    for k, times in enumerate(drawn):
        a, b = (np.repeat(v, times[group]) for v in (x, y))
        linear, logarithmic = np.corrcoef(a, b)[0, 1] ** 2, np.corrcoef(np.log2(1 + a), b)[0, 1] ** 2
        ranks = np.corrcoef(rankdata(a), rankdata(b))[0, 1]
        due = [np.polyfit(a, b, 1)[0], linear, logarithmic, linear - logarithmic, ranks]
        np.testing.assert_allclose(found[k], due, rtol=1e-9)
    alike = statistics(np.ones((1, 4)), np.ones(4), np.arange(4.0))
    assert np.isnan(alike).all()


def test_what_would_not_fit_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MAX_BYTES", 1 << 16)
    monkeypatch.setattr(reading, "margins", lambda *_, **__: pytest.fail("it was run"))
    instances = graphs(3, 8)
    encodings = Bench.of(wave(), instances).encodings
    assert reading.bytes_of_margins(encodings, 9) == 80 * sum(e.n_nodes for e in encodings)
    with pytest.raises(InputError, match="waves of 8 instances over 200 steps would take"):
        wavefront.measure(wave(), instances, steps=200)


def test_arrival_by_hand() -> None:
    margin = np.array([[9, -9, 9, np.nan], [-9, 9, 9, np.nan], [9, 9, 9, np.nan], [9, -9, 9, np.nan]])
    np.testing.assert_array_equal(reading.arrival(margin), [2, -1, 0, -1])
    with pytest.raises(InputError, match="threshold"):
        reading.arrival(margin, 1)


def test_the_orders_of_a_formula(tmp_path: Path) -> None:
    task = tasks.get("logic")
    formula = task.parse("((T&F)|(!T^(F|(T&T))))")
    for kind in ("tree", "tokens"):
        ours = untrained(tmp_path / kind, kind)
        bench = Bench.of(ours, [formula])
        (encoding,), (found,) = bench.encodings, reading.orders(bench)
        said = {name: {} for name in found}
        for name, values in found.items():
            for label, value in zip(encoding.labels, values.tolist(), strict=True):
                said[name].setdefault(label, []).append(value)
        assert said["height"]["^"] == [3]
        assert sorted(said["height"]["|"]) == [2, 4]
        assert said["kappa"]["^"] == [3]
        assert sorted(said["kappa"]["|"]) == [2, 4]
        assert said["level"]["^"] == [1]
        assert said["height"]["!"] == [1]
        if kind == "tokens":
            assert said["height"]["[CLS]"] == [4]
            assert said["height"]["("] == [-1] * 5


def test_probes_stored_with_a_checkpoint_read_as_well(tmp_path: Path) -> None:
    ours = untrained(tmp_path / "ours", "without ^")
    assert "no node" in str(wavefront.measure.unfit(ours))
    with pytest.raises(InputError, match="no probes"):
        wavefront.measure(ours, tasks.get("logic").generate(2, 2, "paper", 0), reader="probe")
    assert wavefront.measure.unfit(wave()) is None
    with pytest.raises(InputError, match="reader"):
        wavefront.measure(wave(), graphs(2), reader="tea leaves")
    with pytest.raises(InputError, match="no wave"):
        wavefront.measure(wave(), [replace(graphs(2)[0], edges=np.zeros((0, 2), np.int64))])


def test_json_arrays_and_the_command(tmp_path: Path, capsys: Captured) -> None:
    found = wavefront.measure(wave(), graphs(3, 4))
    assert json.loads(dumps(found))["fits"][0]["order"] == "distance"
    results.save_npz(found, tmp_path / "wave.npz")
    with np.load(tmp_path / "wave.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["node_arrival"], found.node_arrival)
    for kind in ("graph", "tree", "tokens", "named"):
        ours = untrained(tmp_path / kind, kind)
        command = ["wavefront", str(ours.folder), "--difficulty", "2", "--instances", "4", "--steps", "6"]
        assert main(command) == 0
        out = capsys.readouterr().out
        for word in ("speed", "shuffled", "untrained", "difference", "twin", "of the first 4 instances"):
            assert word in out
    assert main(["wavefront", str(ours.folder), "--difficulty", "2", "--threshold", "7"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
