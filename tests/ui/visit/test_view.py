"""What a page opens: the stored probes among the readings, and a note where they are another model's."""

from pathlib import Path

import pytest

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.probes.reading import linear_probe
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.view import _run
from tests.probes.hand_made import untrained


@pytest.mark.slow
def test_stored_probes_are_among_the_readings_and_those_of_other_weights_are_a_note(tmp_path: Path) -> None:
    ours, other = untrained(tmp_path / "ours", "graph"), untrained(tmp_path / "other", "graph", seed=4)
    instance = tasks.get("graph").generate(2, 1)[0]
    assert list(_run(ours, instance, 3)[1]) == ["model readout"]
    probe, scores = linear_probe.fit(ours, instances=40)
    for file in linear_probe.save(ours, probe, scores):
        (tmp_path / "other" / file.name).write_bytes(file.read_bytes())
    assert list(_run(ours, instance, 3)[1]) == ["model readout", "probe: reached within t"]
    trace, readings = _run(other, instance, 3)
    assert list(readings) == ["model readout"]
    assert "stored probes are left out" in trace.notes[-1]


def test_a_page_makes_no_trace_over_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, instance = untrained(tmp_path, "graph"), tasks.get("graph").generate(4, 1)[0]
    monkeypatch.setattr(opening, "MAX_TRACE_BYTES", 20_000)
    with pytest.raises(InputError, match=r"at most \d+ steps here, or on the command line"):
        _run(ours, instance, 500)
    assert _run(ours, instance, 2)[0].steps == 2
