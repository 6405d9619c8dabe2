"""What two checkpoints were made with: only what differs, from both sides."""

from pathlib import Path

from depthscope.core.exchange.differences import differences
from tests.probes.hand_made import untrained


def test_only_what_differs_is_listed(tmp_path: Path) -> None:
    graph, again = untrained(tmp_path / "a", "graph"), untrained(tmp_path / "b", "graph", seed=4)
    assert differences(graph, again) == []
    rows = {name: (a, b) for name, a, b in differences(graph, untrained(tmp_path / "c", "named"))}
    assert rows["model.readout"] == ("node", "pair")
    assert rows["model.vocabulary"] == (2, 27)
    assert "model.width" not in rows
    assert rows["parameters"][0] < rows["parameters"][1]
