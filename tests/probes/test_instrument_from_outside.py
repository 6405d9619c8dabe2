"""An instrument of a user's own has a command, a table, JSON, arrays and a CSV, from its declaration alone."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from depthscope.core import checkpoint
from depthscope.probes import registry
from depthscope.probes.cli import main
from depthscope.probes.measuring import instances
from depthscope.ui.work import measure as sections
from tests.probes.hand_made import untrained

SOURCE = '''
"""How large states are, over the steps."""

from dataclasses import dataclass

import numpy as np

from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result


@dataclass(frozen=True)
class Sizes(Result):
    """Mean size of the states, (T+1,), and the share of instances whose states grow."""

    size: Estimate
    growing: Estimate


@dataclass(frozen=True)
class Options:
    """Of the command and the form."""

    scale: float = option(1.0, "multiplies every size", type=float)


@instrument("how large the states are at every step", options=Options, instances=6)
def measure(bench: Bench, options: Options) -> Sizes:
    """Runs the instances once."""
    bench.expect(bench.runs())
    sizes = np.empty((bench.steps + 1, len(bench.instances)))
    for now in bench.rollout():
        sizes[now.t, now.index] = options.scale * now.state.square().mean((1, 2)).sqrt().numpy()
    growing = Estimate.share((sizes[-1] > sizes[0]).sum(), len(sizes.T))
    return Sizes(**bench.header, size=bench.mean(sizes), growing=growing)
'''

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "state_size.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_named", {})
    yield "state_size:measure"
    sys.modules.pop("state_size", None)


def test_it_has_a_command(named: str, tmp_path: Path, capsys: Captured) -> None:
    ours = untrained(tmp_path / "graph", "graph")
    command = ["state-size", str(ours.folder), "--instrument", named, "--difficulty", "2", "--steps", "3"]
    assert main([*command, "--json", "--out", str(tmp_path / "sizes.npz")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["size"]["value"]) == len(result["size"]["low"]) == 4
    assert result["growing"]["n"] == 6
    with np.load(tmp_path / "sizes.npz", allow_pickle=False) as file:
        np.testing.assert_allclose(file["size.value"], result["size"]["value"])
    assert main([*command, "--scale", "2"]) == 0
    table = capsys.readouterr().out
    assert "growing" in table
    assert f"{2 * result['size']['value'][0]:.3f} [" in table


def test_a_wrong_name_is_refused_in_a_line(named: str, tmp_path: Path, capsys: Captured) -> None:
    ours = untrained(tmp_path / "graph", "graph")
    for name, message in (("state_size:Sizes", "is not an instrument"), ("state_size:nothing", "has no 'nothing'")):
        assert main(["state-size", str(ours.folder), "--instrument", name]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["state-size", str(ours.folder)])
    assert "invalid choice: 'state-size'" in capsys.readouterr().err


def test_the_name_of_another_is_refused(named: str, tmp_path: Path, capsys: Captured) -> None:
    ours = untrained(tmp_path / "graph", "graph")
    (tmp_path / "pca.py").write_text(SOURCE)
    try:
        assert main(["pca", str(ours.folder), "--instrument", "pca:measure"]) == 2
    finally:
        sys.modules.pop("pca", None)
    assert "there is an instrument 'pca' already" in capsys.readouterr().err


def test_its_numbers_are_a_csv_and_its_section_asks_the_same(named: str, tmp_path: Path) -> None:
    registry.name_all([named])
    ours = untrained(tmp_path / "graph", "graph")
    request = sections.Section("state-size").first(ours)
    assert dict(request.options) == {"scale": 1.0}
    [result] = sections.work_of(request, ours).run(lambda done, total: None)
    rows = list(csv.DictReader(io.StringIO(sections.as_csv(result))))
    assert [row["name"] for row in rows] == ["size"] * (result.steps + 1) + ["growing"]
    direct = registry.get("state-size")(ours, instances.draw(ours, request.levels, request.count), seed=0)
    assert [float(row["value"]) for row in rows[:-1]] == pytest.approx(direct.size.value.tolist())
    assert checkpoint.available()  # naming an instrument leaves the rest as it is
