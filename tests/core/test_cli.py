"""The command line: its answers, its files, and that whatever a user gives ends in one line and a status."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthscope.core import checkpoint, tasks, trace
from depthscope.core.cli import main
from depthscope.core.tasks import read as inputs

ROOT = Path(__file__).parents[2]
CHAIN = "a b\nb c\nc d\nx y\n"

Captured = pytest.CaptureFixture[str]


def shell(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the command line as a user does."""
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=120, check=False)


def refused(capsys: Captured, *arguments: str | Path) -> str:
    """The one line on stderr of a command that must fail."""
    try:
        status = main(list(map(str, arguments)))
    except SystemExit as left:
        status = left.code
    out, err = capsys.readouterr()
    assert status == 2, err
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert err.isprintable() or err[:-1].isprintable()
    return err


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    path = tmp_path / "chain.txt"
    path.write_text(CHAIN)
    return path


def test_trace_prints_json(saved: dict[str, Path], chain: Path, capsys: Captured) -> None:
    command = ["trace", str(saved["graph"]), str(chain), "--source", "a", "--target", "d", "--steps", "5", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    ours = checkpoint.load(saved["graph"])
    instance = tasks.get("graph").parse(CHAIN, source="a", target="d")
    due = trace.record(ours, instance, 5)
    assert (found["checkpoint"], found["task"], found["label"], found["steps"]) == ("graph", "graph", 1, 5)
    assert found["answer"] == due.answer
    assert len(found["logits"]) == 6
    np.testing.assert_allclose(found["logits"], due.logits, atol=1e-5)


def test_trace_prints_a_table(saved: dict[str, Path], chain: Path, capsys: Captured) -> None:
    assert main(["trace", str(saved["paper"]), str(chain), "--source", "d", "--target", "a", "--steps", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "from 'd' to 'a': label 0" in lines[0]
    assert any("step embeddings" in line for line in lines)  # it has five
    assert lines[-1].split()[0] == "7"


def test_default_steps_are_the_instances_own(saved: dict[str, Path], chain: Path, capsys: Captured) -> None:
    for ends, steps in (("ad", 3 + 8), ("da", 64)):
        main(["trace", str(saved["graph"]), str(chain), "--source", ends[0], "--target", ends[1], "--json"])
        assert json.loads(capsys.readouterr().out)["steps"] == steps


@pytest.mark.parametrize("kind", ["graph", "paper", "logic", "tokens"])
def test_the_file_of_a_trace(saved: dict[str, Path], tmp_path: Path, kind: str, capsys: Captured) -> None:
    graph = kind in ("graph", "paper")
    file, out = tmp_path / "in.txt", tmp_path / "new" / "trace.npz"
    file.write_text(CHAIN if graph else "((T&F)|!F)")
    assert main(["trace", str(saved[kind]), str(file), "--steps", "4", "--out", str(out)]) == 0
    with np.load(out, allow_pickle=False) as found:
        arrays = dict(found)
    n = len(arrays["tokens"])
    assert arrays["hidden"].shape == (5, n, 16)
    assert arrays["attention"].shape == (4, 2, n, n)
    assert arrays["gate"].shape == (4, n)
    assert arrays["readout"].shape == (5, n)
    assert arrays["logits"].shape == (5,)
    assert arrays["truth"].shape == arrays["known"].shape == (5, n)
    assert str(arrays["concept"]) == ("reached" if graph else "value")
    assert list(arrays["tokens"][:2]) == {"graph": ["a", "b"], "logic": ["T", "&"], "tokens": ["[CLS]", "("]}.get(
        kind, ["a", "b"]
    )
    assert list(out.parent.iterdir()) == [out]


def test_a_large_graph_is_kept_along_its_edges(saved: dict[str, Path], tmp_path: Path) -> None:
    file, out = tmp_path / "long.csv", tmp_path / "trace.npz"
    file.write_text("".join(f"n{i},n{i + 1}\n" for i in range(400)))
    assert main(["trace", str(saved["graph"]), str(file), "--steps", "3", "--out", str(out)]) == 0
    with np.load(out, allow_pickle=False) as found:
        assert found["edge_index"].shape == (2, 400 + 401)
        assert found["attention"].shape == (3, 2, 801)
        weight = np.zeros((2, 401))
        np.add.at(weight.T, found["edge_index"][0], found["attention"][0].T)
        np.testing.assert_allclose(weight, 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["graph", "paper"])
def test_many_lines(saved: dict[str, Path], tmp_path: Path, kind: str, capsys: Captured) -> None:
    file, rng = tmp_path / "many.jsonl", np.random.default_rng(0)
    chains = [int(k) for k in rng.integers(2, 9, 30)]
    lines = [
        {"input": "".join(f"v{i} v{i + 1}\n" for i in range(k)), "source": "v0", "target": f"v{k}", "more": 1}
        for k in chains
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    for arguments in ([], ["--steps", "6", "--json"]):
        assert main(["trace", str(saved[kind]), str(file), *arguments]) == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [x["steps"] for x in found] == [6 if arguments else k + 8 for k in chains]
        assert [x["target"] for x in found] == [f"v{k}" for k in chains]
        for line, answer in list(zip(lines, found, strict=True))[:5]:
            one = tmp_path / "one.txt"
            one.write_text(line["input"])
            ends = ["--source", "v0", "--target", line["target"], "--steps", str(answer["steps"]), "--json"]
            assert main(["trace", str(saved[kind]), str(one), *ends]) == 0
            alone = json.loads(capsys.readouterr().out)
            np.testing.assert_allclose(answer["logits"], alone["logits"], atol=1e-4)
            assert {**answer, "logits": 0} == {**alone, "logits": 0}


def test_many_formulas(saved: dict[str, Path], tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "many.jsonl"
    file.write_text('{"input": "(T&F)"}\n{"input": "((T|F)^!F)"}\n')
    for kind in ("logic", "tokens"):
        assert main(["trace", str(saved[kind]), str(file)]) == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [x["label"] for x in found] == [0, 0]
        assert [x["steps"] for x in found] == [3 * 1 + 12, 3 * 2 + 12]


def test_standard_input(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    class Stdin:
        buffer = io.BytesIO(b"\xef\xbb\xbf(T & F) | !F\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert main(["trace", str(saved["logic"]), "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == 1


def test_frontier(saved: dict[str, Path], capsys: Captured) -> None:
    command = ["frontier", str(saved["graph"]), "--difficulty", "1-2,5", "--steps", "4", "--instances", "10"]
    assert main([*command, "--json", "--seed", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["difficulty"], found["steps"]) == ([1, 2, 5], [1, 2, 3, 4])
    for name in ("accuracy", "tpr", "tnr", "low", "high", "ceiling"):
        assert np.shape(found[name]) == (3, 4)
    assert len(found["t75"]) == 3
    assert set(found["t75_fit"]) == {"intercept", "slope", "r2", "n"}
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "ceiling" in out
    assert "T75" in out


def test_frontier_of_ones_own_instances(saved: dict[str, Path], tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "mine.jsonl"
    lines = [{"input": CHAIN, "source": a, "target": b} for a, b in ("ab", "ac", "ad", "da", "bd")]
    file.write_text("\n".join(map(json.dumps, lines)))
    command = ["frontier", str(saved["graph"]), "--input", str(file), "--steps", "4"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["difficulty"] == [1, 2, 3, None]
    assert found["n"] == [1, 2, 1, 1]
    assert "seed" not in found
    assert main(command) == 0
    assert "none" in capsys.readouterr().out


def test_a_rate_without_instances_is_null(saved: dict[str, Path], capsys: Captured) -> None:
    command = ["frontier", str(saved["tokens"]), "--difficulty", "3", "--steps", "2", "--instances", "1", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ceiling"] is None
    assert [found["tpr"], found["tnr"]].count([[None, None]]) == 1


@pytest.mark.parametrize("task", ["graph", "logic", "text"])
@pytest.mark.parametrize("data", ["paper", "audited"])
def test_what_is_generated_can_be_read(task: str, data: str, capsys: Captured) -> None:
    command = ["generate", task, "--difficulty", "3", "--count", "4", "--data", data]
    assert main([*command, "--json"]) == 0
    first = capsys.readouterr().out
    found = json.loads(first)
    assert len(found) == 4
    for values in found:
        ends = {k: values[k] for k in ("source", "target") if k in values}
        instance = tasks.get(task).parse(values["input"], **ends)
        assert instance.label == values["label"]
        assert instance.first_decidable_step() == values["oracle"]["first_decidable_step"]
    assert main([*command, "--json"]) == 0
    assert capsys.readouterr().out == first
    assert main([*command, "--json", "--seed", "1"]) == 0
    assert capsys.readouterr().out != first
    assert main(command) == 0
    assert capsys.readouterr().out.count("# oracle: ") == 4


def test_list(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    root = saved["graph"].parent
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", root)
    assert main(["list", "--json"]) == 0
    assert [x["name"] for x in json.loads(capsys.readouterr().out)] == ["graph", "logic", "paper", "tokens"]
    assert main(["list"]) == 0
    assert "1-5" in capsys.readouterr().out
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", root / "nowhere")
    assert main(["list"]) == 0
    assert "no checkpoints" in capsys.readouterr().out


BAD: dict[str, tuple[list[str], str]] = {
    "no command": ([], "required"),
    "unknown command": (["fly"], "invalid choice"),
    "no such file": (["trace", "{graph}", "{dir}/none.txt"], "No such file"),
    "a folder": (["trace", "{graph}", "{dir}"], "Is a directory"),
    "empty file": (["trace", "{graph}", "{dir}/empty.txt"], "empty"),
    "not utf-8": (["trace", "{logic}", "{dir}/binary"], "UTF-8"),
    "no such checkpoint": (["trace", "nowhere", "{dir}/chain.txt"], "no checkpoint 'nowhere'"),
    "unknown node": (["trace", "{graph}", "{dir}/chain.txt", "--source", "zz"], "'zz'"),
    "no steps": (["trace", "{graph}", "{dir}/chain.txt", "--steps", "0"], "whole number"),
    "too many steps": (["trace", "{graph}", "{dir}/chain.txt", "--steps", "99999999"], "at most"),
    "out is a folder": (["trace", "{graph}", "{dir}/chain.txt", "--out", "{dir}"], "there is a folder of that name"),
    "out below a file": (
        ["trace", "{graph}", "{dir}/chain.txt", "--out", "{dir}/chain.txt/x.npz"],
        "is a file, not a folder",
    ),
    "unknown format": (["trace", "{graph}", "{dir}/chain.txt", "--format", "xls"], "xls"),
    "unknown device": (["trace", "{graph}", "{dir}/chain.txt", "--device", "abacus"], "abacus"),
    "source of a formula": (["trace", "{logic}", "{dir}/formula", "--source", "a"], "are for graphs"),
    "unbalanced": (["trace", "{logic}", "{dir}/unbalanced"], "column"),
    "deep": (["trace", "{logic}", "{dir}/deep"], ""),
    "too many nodes": (["trace", "{paper}", "{dir}/large.txt"], "26"),
    "line is no json": (["trace", "{graph}", "{dir}/no.jsonl"], "line 2 is not JSON"),
    "line without input": (["trace", "{graph}", "{dir}/without.jsonl"], "line 1 should be an object"),
    "line with a bad graph": (["trace", "{graph}", "{dir}/bad.jsonl"], "line 1: "),
    "line with a number": (["trace", "{graph}", "{dir}/number.jsonl"], "should be names"),
    "no lines": (["trace", "{graph}", "{dir}/none.jsonl"], "has no lines"),
    "lines with out": (["trace", "{graph}", "{dir}/no.jsonl", "--out", "x.npz"], "one instance"),
    "range upside down": (["frontier", "{graph}", "--difficulty", "5-1", "--steps", "3"], "range"),
    "range of words": (["frontier", "{graph}", "--difficulty", "a-b", "--steps", "3"], "numbers"),
    "range without end": (["frontier", "{graph}", "--difficulty", "1-99999", "--steps", "3"], "range"),
    "difficulty too great": (["frontier", "{graph}", "--difficulty", "90000", "--steps", "3"], "5000"),
    "a bad line to measure": (["frontier", "{graph}", "--input", "{dir}/bad.jsonl", "--steps", "3"], "line 1: "),
    "two kinds of instances": (
        ["frontier", "{graph}", "--input", "{dir}/bad.jsonl", "--difficulty", "2", "--steps", "3"],
        "not allowed with",
    ),
    "unknown data": (["frontier", "{graph}", "--difficulty", "1", "--steps", "3", "--data", "x"], "invalid choice"),
    "unknown task": (["generate", "chess", "--difficulty", "3"], "no task 'chess'"),
    "too many": (["generate", "graph", "--difficulty", "3", "--count", "99999999"], "at most"),
    "unknown recipe": (["train", "graph", "--recipe", "cake", "--out", "{dir}/out"], "cake"),
    "not a model": (["import", "{dir}/chain.txt", "--task", "graph", "--out", "{dir}/out"], "torch.save"),
    "no model": (["import", "{dir}/none.pt", "--task", "graph", "--out", "{dir}/out"], "No such file"),
    "pickle": (["trace", "{dir}/model.pt", "{dir}/chain.txt"], "depthscope import"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used(saved: dict[str, Path], tmp_path: Path, what: str, capsys: Captured) -> None:
    for name, content in {
        "chain.txt": CHAIN,
        "empty.txt": "",
        "formula": "T & F",
        "unbalanced": "((T&F)",
        "deep": "(" * 100_000 + "T" + ")" * 100_000,
        "large.txt": "".join(f"n{i} n{i + 1}\n" for i in range(30)),
        "no.jsonl": json.dumps({"input": "a b"}) + "\nnope\n",
        "without.jsonl": "{}",
        "bad.jsonl": json.dumps({"input": ""}),
        "number.jsonl": json.dumps({"input": "a b", "source": 3}),
        "none.jsonl": "\n\n",
        "model.pt": "x",
    }.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x80")
    before = sorted(tmp_path.iterdir())
    arguments, says = BAD[what]
    places = {kind: str(path) for kind, path in saved.items()} | {"dir": str(tmp_path)}
    assert says in refused(capsys, *(a.format(**places) for a in arguments))
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_of_200_mb_is_refused_at_once(saved: dict[str, Path], tmp_path: Path, capsys: Captured) -> None:
    for suffix in ("csv", "jsonl", "graphml"):
        huge = tmp_path / f"huge.{suffix}"
        with huge.open("wb") as file:
            file.truncate(200_000_000)
        start = time.monotonic()
        assert "too large" in refused(capsys, "trace", saved["graph"], huge)
        assert time.monotonic() - start < 2


def test_a_stream_without_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, saved: dict[str, Path], capsys: Captured
) -> None:
    monkeypatch.setattr(inputs, "MAX_BYTES", 100_000)
    assert "too large" in refused(capsys, "trace", saved["graph"], "/dev/zero")


@pytest.mark.parametrize(
    ("raised", "status", "says"),
    [
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 2, "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 2, "not enough memory"),
        (OSError(28, "No space left on device", "/x/y"), 2, "/x/y: No space left on device"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_what_else_may_happen(
    raised: BaseException, status: int, says: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise raised

    monkeypatch.setattr(checkpoint, "available", fail)
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    assert main(["list"]) == status
    err = capfd.readouterr().err
    assert (says in err) if says else err == ""


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("shapes")

    monkeypatch.setattr(checkpoint, "available", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        main(["list"])


def test_help_is_quick_and_whole() -> None:
    start = time.monotonic()
    found = shell("--help")
    assert found.returncode == 0
    for command in ("list", "trace", "frontier", "generate", "train", "sweep", "import"):
        assert command in found.stdout
    assert time.monotonic() - start < 5  # torch is not imported


@pytest.mark.slow
def test_from_the_shell(saved: dict[str, Path]) -> None:
    good = shell("trace", saved["logic"], "-", "--json", "--steps", "3", stdin="T & !F")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["label"] == 1
    bad = shell("trace", saved["logic"], "-", stdin="T & (")
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)


@pytest.mark.slow
def test_ctrl_c_ends_quietly(saved: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "core", "frontier", str(saved["graph"]), "--input", "-", "--steps", "99999"]
    line = json.dumps({"input": CHAIN, "source": "a", "target": "d"})

    def heed_ctrl_c() -> None:  # a test run started in the background passes on that it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stderr=pipe, stdout=pipe, text=True, preexec_fn=heed_ctrl_c
    ) as running:
        assert running.stdin is not None
        running.stdin.write(f"{line}\n" * 4000)  # more than a pipe holds: over once the command reads, all imported
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert (out, err) == ("", "")
