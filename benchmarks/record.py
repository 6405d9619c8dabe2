"""A record of the numbers that the commands give, and what differs between two such records.

python benchmarks/record.py make OUT [--checkout DIR] [NAME ...]    runs every command on every shipped checkpoint (or
                                                                    on those named) and keeps what each printed or wrote
python benchmarks/record.py figures OUT [--checkout DIR]            keeps the data of every figure that the tests draw
python benchmarks/record.py compare BEFORE AFTER                    names every difference (exit status 1)

Run it as a file, so that one script measures two checkouts: it imports the commands of the folder it is given. Numbers
are equal to the bit only between two records of one machine.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

FEW = ["--instances", "8", "--steps", "8"]
SIZES = {
    "fit": ["--instances", "60"],
    "fixed-points": ["--instances", "1", "--steps", "4"],
    "lens": ["--instances", "4", "--steps", "4"],
    "lyapunov": ["--instances", "2", "--steps", "4"],
    "patch": ["--instances", "4", "--steps", "6"],
    "do": ["--instances", "4", "--steps", "4"],
    "interaction": ["--instances", "2", "--steps", "4"],
    "automaton": ["--instances", "4", "--steps", "6"],
    "highway": ["--instances", "4", "--steps", "4", "--seeds", "1"],
    "trivial": ["--instances", "20"],
    "steer": ["--instances", "6", "--steps", "6"],
}
"""Arguments of an instrument's small run; FEW for the others."""

HARDER = {
    "foretell": ["--instances", "40", "--steps", "4", "--fit-instances", "40"],
    "repair": ["--instances", "40", "--steps", "4"],
}
"""Instruments that look at failures: on instances of twice the trained difficulty, with few steps."""

VOLATILE = ("seconds", "folder", "files", "path", "input")
"""Keys of JSON whose values are of the machine, not of the model."""


def program(part: str) -> Callable[[list[str]], int]:
    """The entry point of `python -m core`, `probes` or `figures`, under either import name."""
    for name in (f"depthscope.{part}.cli", f"{part}.cli"):
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(name).main
    raise SystemExit(f"there is no command line of {part} here")


def printed(part: str, arguments: list[str]) -> tuple[int, str]:
    """Exit status and what a command printed: stdout, or the refusal on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = program(part)(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
    refusal = err.getvalue().strip().splitlines()
    return status, out.getvalue() if status == 0 else "\n".join(refusal[-1:])


def digest(data: bytes) -> str:
    """Of some bytes, short enough to read."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def arrays(path: Path) -> dict[str, str]:
    """Shape, dtype and digest of each array of an npz."""
    with np.load(path, allow_pickle=False) as file:
        return {name: f"{a.dtype} {a.shape} {digest(np.ascontiguousarray(a).tobytes())}" for name, a in file.items()}


def checkpoint(name: str, task: str, harder: int, folder: Path) -> Iterator[tuple[str, Any]]:
    """Everything of one checkpoint by the name of the command."""
    data = "paper" if "paper" in name else "audited"
    _, text = printed("core", ["generate", task, "--difficulty", "3", "--count", "4", "--data", data, "--json"])
    instances = json.loads(text)
    lines = folder / f"{name}.jsonl"
    keys = ("input", "source", "target")
    lines.write_text("".join(json.dumps({k: x[k] for k in keys if k in x}) + "\n" for x in instances))
    one = folder / f"{name}-{'graph' if 'source' in instances[0] else 'input'}.txt"
    one.write_text(instances[0]["input"])
    ends = [f"--{k}={instances[0][k]}" for k in ("source", "target") if k in instances[0]]
    npz, page = folder / f"{name}.npz", folder / f"{name}.html"
    status, said = printed("core", ["trace", name, str(one), *ends, "--steps", "12", "--out", str(npz), "--json"])
    yield "trace", {"status": status, "said": said, "arrays": arrays(npz) if npz.exists() else None}
    yield "trace lines", printed("core", ["trace", name, str(lines), "--steps", "8", "--json"])
    grid = ["--difficulty", "1-4", "--steps", "6", "--instances", "20", "--json"]
    yield "frontier", printed("core", ["frontier", name, *grid])
    yield "frontier lines", printed("core", ["frontier", name, "--input", str(lines), "--steps", "6", "--json"])
    status, said = printed("figures", ["report", name, str(one), *ends, "--steps", "12", "--out", str(page)])
    yield "report", {"status": status, "data": embedded(page) if page.exists() else said}
    if page.exists():
        page.unlink()
    for instrument in instruments():
        if instrument == "fit":
            continue  # it stores probes with the checkpoint
        size = [*HARDER[instrument], "--difficulty", str(harder)] if instrument in HARDER else None
        drawn = size or ["--difficulty", "2", *SIZES.get(instrument, FEW)]
        yield instrument, printed("probes", [instrument, name, *drawn, "--json"])
        if instrument in ("attention", "exit", "wavefront", "commitment"):
            yield f"{instrument} lines", printed("probes", [instrument, name, str(lines), "--steps", "8", "--json"])
            yield f"{instrument} table", printed("probes", [instrument, name, *drawn])


def embedded(page: Path) -> dict[str, str]:
    """Digest of the data inside a report page; the scripts around it may change."""
    text = page.read_text()
    blocks = text.split('<script type="application/')[1:]
    return {str(i): digest(b.split("</script>")[0].encode()) for i, b in enumerate(blocks)}


def instruments() -> list[str]:
    """Names of the instruments' commands, from the help."""
    _, text = printed("probes", ["--help"])
    return [x.split()[0] for x in text.splitlines() if x.startswith("    ") and not x.startswith("     ") and x.split()]


def make(out: Path, names: list[str]) -> None:
    """Records the checkpoints, a file each; what is there already is kept."""
    import torch

    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    entries = json.loads(printed("core", ["list", "--json"])[1])
    for entry in entries:
        name, file = entry["name"], out / f"{entry['name']}.json"
        if (names and name not in names) or file.exists():
            continue
        start, cells = time.monotonic(), {}
        difficulty = entry.get("difficulty") or [1, 4]
        for cell, value in checkpoint(name, entry["task"], min(2 * difficulty[-1], 14), out):
            cells[cell] = value
            print(f"{name} {cell} {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
        temporary = file.with_suffix(".part")
        temporary.write_text(json.dumps(cells, indent=1))
        temporary.rename(file)


CAPTURE = """
import hashlib, json, os, sys
import plotly.graph_objects as go
import pytest

made = []
original = go.Figure.__init__

def init(self, *args, **named):
    original(self, *args, **named)
    made.append(self)

go.Figure.__init__ = init
record = {}

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    made.clear()
    yield
    digests = [hashlib.blake2b(f.to_json().encode(), digest_size=12).hexdigest() for f in made]
    if digests:
        record[item.name] = digests

def pytest_sessionfinish(session):
    with open(os.environ["FIGURES_RECORD"], "w") as file:
        json.dump(record, file, indent=1)
"""


def figures(out: Path, checkout: Path) -> None:
    """Digests of every plotly figure that the tests of the figures draw, by the name of the test."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "capture_figures.py").write_text(CAPTURE)
    environment = {
        **os.environ,
        "PYTHONPATH": str(out.resolve()),
        "FIGURES_RECORD": str((out / "figures.json").resolve()),
    }
    command = [sys.executable, "-m", "pytest", "-p", "capture_figures", "tests/figures", "-q", "-x"]
    subprocess.run(command, cwd=checkout, env=environment, check=False)


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Leaves of JSON by path."""
    if isinstance(value, str) and value[:1] in "{[":
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict):
        return {k: v for name, x in value.items() if name not in VOLATILE for k, v in flat(x, f"{at}/{name}").items()}
    if isinstance(value, list):
        return {k: v for i, x in enumerate(value) for k, v in flat(x, f"{at}/{i}").items()}
    return {at: value}


def compare(before: Path, after: Path) -> int:
    """Prints every difference and returns how many cells differ."""
    differing = 0
    for file in sorted({p.name for folder in (before, after) for p in folder.glob("*.json")}):
        old, new = (json.loads((f / file).read_text()) if (f / file).exists() else {} for f in (before, after))
        for cell in sorted({*old, *new}):
            one, two = flat(old.get(cell)), flat(new.get(cell))
            leaves = [k for k in sorted({*one, *two}) if one.get(k, "absent") != two.get(k, "absent")]
            if leaves:
                differing += 1
                print(f"{file.removesuffix('.json')} {cell}: {len(leaves)} of {len({*one, *two})} differ")
                for k in leaves[:6]:
                    print(f"    {k}: {str(one.get(k, 'absent'))[:100]} -> {str(two.get(k, 'absent'))[:100]}")
    print(f"{differing} differ")
    return differing


def main() -> None:
    """Makes or compares records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("make", "figures"):
        command = commands.add_parser(name)
        command.add_argument("out", type=Path)
        command.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parents[1])
        if name == "make":
            command.add_argument("names", nargs="*")
    both = commands.add_parser("compare")
    both.add_argument("before", type=Path)
    both.add_argument("after", type=Path)
    args = parser.parse_args()
    if args.command == "compare":
        raise SystemExit(min(1, compare(args.before, args.after)))
    sys.path[0] = str(args.checkout.resolve())
    if args.command == "make":
        make(args.out.resolve(), args.names)
    else:
        figures(args.out.resolve(), args.checkout)


if __name__ == "__main__":
    main()
