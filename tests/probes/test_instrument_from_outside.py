"""An instrument of a user's own has a command, a table, JSON, arrays and a CSV, from its declaration alone."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from depthscope.core import checkpoint
from depthscope.probes import registry
from depthscope.probes.cli import main
from depthscope.probes.measuring import instances
from depthscope.ui.work import measure as sections
from tests import state_size
from tests.probes.hand_made import untrained

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(registry, "_named", {})
    return "tests.state_size:measure"


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
    for name, message in (
        ("tests.state_size:Sizes", "is not an instrument"),
        ("tests.state_size:nothing", "has no 'nothing'"),
    ):
        assert main(["state-size", str(ours.folder), "--instrument", name]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["state-size", str(ours.folder)])
    assert "invalid choice: 'state-size'" in capsys.readouterr().err


def test_the_name_of_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    ours = untrained(tmp_path / "graph", "graph")
    shutil.copyfile(state_size.__file__, tmp_path / "pca.py")
    monkeypatch.syspath_prepend(tmp_path)
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
