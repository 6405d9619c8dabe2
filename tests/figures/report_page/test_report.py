"""The offline page: whole, closed to the network, and safe from what it is given."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.figures.cli import main
from depthscope.figures.report_page import report
from depthscope.probes.reading.of_trace import readings
from tests.figures.hand_made import graph_trace, layered_graph, readings as made_up
from tests.probes.hand_made import untrained, wave

HOSTILE = ("</script><script>alert(1)</script>", "x" * 10_000, "", "a\nb\u2028c{{js}}", "\ud800", *"FGHIJKLMN")

Captured = pytest.CaptureFixture[str]


def opened() -> Checkpoint:
    return replace(wave(), name="a <b> & {{drawing}}", training={"steps": [5, 12]})


def test_a_page_is_one_file_that_asks_nobody_for_anything() -> None:
    trace = graph_trace(layered_graph((1, 2, 3, 2, 2, 1), stranded=3, seed=3), 12)
    page = report.page(trace, opened(), made_up(trace), about="file.csv")
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=|url\(|@import|https?://|\bimport\b\s*[({\"']", page)
    assert "export default" not in page
    assert page.count("<script") == page.count("</script>") == 2
    drawing = json.loads(page.partition('id="drawing">')[2].partition("</script>")[0])
    assert drawing["meta"]["steps"] == 12
    assert drawing["address"] is False
    assert "a &lt;b&gt; &amp; {{drawing}} · file.csv" in page
    assert "12 steps" in page


def test_hostile_names_stay_text() -> None:
    graph = layered_graph((1, 2, 3, 2, 2, 1), stranded=3, seed=3, names=HOSTILE)
    trace = graph_trace(graph, 8)
    page = report.page(trace, opened(), {}, about=HOSTILE[0])
    assert page.count("<script") == page.count("</script>") == 2
    assert "alert(1)</script>" not in page
    assert len(page) < 400_000
    page.encode("utf-8")
    assert json.loads(page.partition('id="drawing">')[2].partition("</script>")[0])["meta"]["n_nodes"] == 14


def test_the_command_writes_a_page_and_refuses_in_one_line(tmp_path: Path, capsys: Captured) -> None:
    ours = untrained(tmp_path / "graph", "graph")
    graph = tmp_path / "g.csv"
    graph.write_text("a,b\nb,c\nc,d\n")
    out = tmp_path / "report.html"
    given = [str(ours.folder), str(graph), "--source", "a", "--target", "d"]
    assert main(["report", *given, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["steps"] == 11
    assert out.read_text().startswith("<!doctype html>")
    for wrong in ([*given[:1], str(tmp_path / "none.csv")], [given[0], str(graph), "--source", "a", "--target", "z"]):
        assert main(["report", *wrong, "--out", str(tmp_path / "no.html")]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "no.html").exists()


def test_readings_are_those_of_the_app(tmp_path: Path) -> None:
    from depthscope.core import trace

    ours = untrained(tmp_path / "graph", "graph")
    instance = GraphInstance(("a", "b", "c"), layered_graph((1, 1, 1)).edges, 0, 2)
    recorded = trace.record(ours, instance, 4)
    values, notes = readings(ours, recorded)
    assert list(values) == ["model readout"]
    assert notes == ()
    assert values["model readout"].shape == (5, 3)
