"""How far it goes: a large graph, many steps, many instances, and how edge attention grows beside dense attention.

    python -m benchmarks.speed.scale [--only PART ...] [--nodes 100000] [--edges 400000] [--steps 32]
                               [--instances 10000] [--json]

Every figure comes from a process of its own, so that its peak of memory is its own; pages of files that the system may
take back at any time count in it as well. The parts:

    graph       a random graph (seeded): read, encoded, traced, drawn, written as npz
    files       the same trace, kept in files although it would fit in memory
    steps       T = 1,000 along a chain of 1,000 hops
    lines       instances streamed through `core trace`; a tenth of them for comparison
    attention   seconds and memory of one attention over edges and over all pairs, and their slopes over the nodes
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.memory import memory, reset_mark
from depthscope.core.trace import Trace

CHECKPOINT = "graph-house"
PARTS = ("graph", "files", "steps", "lines", "attention")
EDGE_SIZES, DENSE_SIZES = (8_000, 16_000, 32_000, 64_000, 128_000), (500, 1_000, 2_000, 4_000)
DEGREE, HEADS, HEAD_WIDTH, REPEATS = 4, 4, 16, 5


def edge_list(n_nodes: int, n_edges: int, seed: int = 0) -> np.ndarray:
    """A random directed graph without loops and repeats, (E, 2)."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, n_nodes, (n_edges + n_edges // 20 + 10, 2))
    _, first = np.unique(drawn[:, 0] * n_nodes + drawn[:, 1], return_index=True)
    drawn = drawn[np.sort(first)]
    return drawn[drawn[:, 0] != drawn[:, 1]][:n_edges]


def peak_bytes() -> int:
    """The most memory this process has held."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def timed(row: dict[str, Any], name: str) -> Iterator[None]:
    """Adds the seconds of a block to a row, by the clock and of the processors."""
    start, busy = time.perf_counter(), time.process_time()
    yield
    row[f"{name}_s"] = round(time.perf_counter() - start, 3)
    row[f"{name}_cpu_s"] = round(time.process_time() - busy, 3)


def graph(nodes: int, edges: int, steps: int, in_files: bool = False) -> dict[str, Any]:
    """Reads, traces, draws and writes one graph."""
    from depthscope.core import checkpoint, tasks, trace
    from depthscope.core.exchange import npz as export
    from depthscope.figures.linked_views import groups
    from depthscope.probes.reading.of_trace import readings

    row: dict[str, Any] = {"nodes": nodes, "steps": steps}
    if in_files:
        trace.MEMORY_BYTES = 0
    opened = checkpoint.load(CHECKPOINT)
    with timed(row, "generate"):
        pairs = edge_list(nodes, edges)
        text = "source,target\n" + "".join(f"n{a},n{b}\n" for a, b in pairs.tolist())
    with timed(row, "parse"):
        instance = tasks.get("graph").parse(text, "big.csv", source=f"n{pairs[0, 0]}")
    row |= {"edges": len(instance.edges), "hops": instance.difficulty}
    with timed(row, "encode"):
        encoding = tasks.get("graph").encode(instance, opened.config)
    row["due_bytes"] = trace.size_in_bytes(opened, [encoding], steps)
    with timed(row, "trace"):
        kept = trace.record(opened, instance, steps)
    row |= {"right": kept.answer == instance.label, "trace_peak_bytes": peak_bytes()}
    with tempfile.TemporaryDirectory() as folder:
        with timed(row, "write"):
            export.save_npz(kept, Path(folder) / "t.npz")
        row["npz_bytes"] = (Path(folder) / "t.npz").stat().st_size
    if not in_files:
        with timed(row, "readings"):
            values, _ = readings(opened, kept)
        for by in (*groups.WAYS, "sample"):
            draw(row, kept, values, by)
    return row


def draw(row: dict[str, Any], trace: Trace, values: dict[str, np.ndarray], by: str) -> None:
    """Times one way of drawing a large trace: in groups "layers" or "communities", or a "sample" of its nodes."""
    from depthscope.figures.linked_views import grouped_payload, groups, payload as linked_views

    about = {"title": "scale", "trained_steps": None}
    with timed(row, f"{by}_draw"):
        if by in groups.WAYS:
            drawing = grouped_payload.payload(trace, values, groups.grouping(trace, by), **about)
        else:
            drawing = linked_views.payload(trace, values, **about)
    row[f"{by}_drawing_bytes"] = len(json.dumps(drawing))


def chain(hops: int) -> dict[str, Any]:
    """As many steps as hops along one path."""
    from depthscope.core import checkpoint, trace
    from depthscope.core.tasks.graph.instance import GraphInstance
    from depthscope.probes.reading.of_trace import readings

    edges = np.stack([np.arange(hops), np.arange(1, hops + 1)], axis=1)
    instance = GraphInstance(tuple(f"n{i}" for i in range(hops + 1)), edges, 0, hops)
    row: dict[str, Any] = {"nodes": hops + 1, "steps": hops}
    opened = checkpoint.load(CHECKPOINT)
    with timed(row, "trace"):
        kept = trace.record(opened, instance, hops)
    row["right"] = kept.answer == instance.label
    draw(row, kept, readings(opened, kept)[0], "layers")
    return row


def attention(nodes: int, dense: bool) -> dict[str, Any]:
    """Processor seconds of one attention, the least of some, and what it adds to the memory of the process."""
    import torch

    from depthscope.core.attention import dense_attention, edge_attention

    pairs = torch.from_numpy(edge_list(nodes, DEGREE * nodes))
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, nodes, HEADS, HEAD_WIDTH, generator=generator)
    loops = torch.arange(nodes).repeat(2, 1).T
    edges = torch.cat([pairs, loops])
    edges = edges[(edges[:, 0] * nodes + edges[:, 1]).argsort()].T.contiguous()

    def work() -> Callable[[], Any]:
        if not dense:
            keep = torch.empty(HEADS, edges.shape[1])
            return lambda: edge_attention(q, k, v, edges, keep)
        bias = torch.full((nodes, nodes), -torch.inf)
        bias[tuple(edges)] = 0
        keep = torch.empty(1, HEADS, nodes, nodes)
        x, y, z = (part.transpose(0, 1)[None] for part in (q, k, v))
        return lambda: dense_attention(x, y, z, bias[None, None], keep=keep)

    row, took = {"nodes": nodes, "dense": dense}, []
    with torch.inference_mode():
        small = torch.randn(1, HEADS, 8, HEAD_WIDTH)
        dense_attention(small, small, small, None)  # libraries load at the first call
        before = memory()
        reset_mark()
        call = work()
        for _ in range(REPEATS):
            start = time.process_time()  # that others wait for the processor as well does not count
            call()
            took.append(time.process_time() - start)
    return {**row, "s": min(took), "added_bytes": memory(what="VmHWM") - before}


def slopes(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Log-log slopes of seconds and memory over the nodes."""
    x = np.log([row["nodes"] for row in rows])
    fit = lambda name: float(np.polyfit(x, np.log([max(1e-9, row[name]) for row in rows]), 1)[0])  # noqa: E731
    return {"time_slope": fit("s"), "memory_slope": fit("added_bytes")}


def lines(count: int) -> dict[str, Any]:
    """Instances of 5 hops through the command line, from its start to its last answer."""
    from depthscope.core import tasks

    task = tasks.get("graph")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.jsonl"
        with path.open("w") as file:
            for seed in range(0, count, 500):
                for instance in task.generate(5, min(500, count - seed), "audited", seed):
                    file.write(json.dumps({"input": task.render(instance)}) + "\n")
        command = [sys.executable, "-m", "core", "trace", CHECKPOINT, str(path)]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            running.stdout.readline()
            first = time.perf_counter() - start
            answered = 1 + sum(1 for _ in running.stdout)
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - start
    return {
        "instances": answered,
        "first_answer_s": round(first, 3),
        "all_s": round(took, 3),
        "instances_per_s": round(answered / took, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
        "peak_bytes": 1024 * used.ru_maxrss,
    }


def apart(part: str, **settings: Any) -> dict[str, Any]:
    """One measurement in a process of its own, with its peak of memory."""
    command = [sys.executable, "-m", "benchmarks.speed.scale", "--child", json.dumps([part, settings])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def child(part: str, settings: dict[str, Any]) -> None:
    """Prints one measurement."""
    row = {"graph": graph, "chain": chain, "attention": attention}[part](**settings)
    print(json.dumps({**row, "peak_bytes": peak_bytes()}))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All parts that are asked for."""
    size = {"nodes": args.nodes, "edges": args.edges, "steps": args.steps}
    parts: dict[str, Callable[[], Any]] = {
        "graph": lambda: apart("graph", **size),
        "files": lambda: apart("graph", **size, in_files=True),
        "steps": lambda: apart("chain", hops=1000),
        "lines": lambda: [lines(max(1, args.instances // 10)), lines(args.instances)],
        "attention_edges": lambda: growth("edges"),
        "attention_dense": lambda: growth("dense"),
    }
    chosen = {name: part for name, part in parts.items() if name.partition("_")[0] in args.only}
    machine = {"cores": os.cpu_count(), "threads": os.environ.get("OMP_NUM_THREADS", "all")}
    return machine | {name: part() for name, part in chosen.items()}


def growth(kind: str) -> dict[str, Any]:
    """How attention over "edges" or "dense" grows with the nodes."""
    sizes = EDGE_SIZES if kind == "edges" else DENSE_SIZES
    rows = [apart("attention", nodes=n, dense=kind == "dense") for n in sizes]
    return {**slopes(rows), "rows": rows}


def text_lines(results: dict[str, Any]) -> Iterator[str]:
    """The figures as lines of text; bytes in MB."""
    for name, value in results.items():
        for row in value if isinstance(value, list) else [value]:
            cells = row if isinstance(row, dict) else {"": row}
            shown = {
                key.removesuffix("_bytes"): f"{x / 1e6:,.1f} MB" if key.endswith("_bytes") else f"{x:,}"
                for key, x in cells.items()
                if isinstance(x, int | float)
            }
            yield f"{name}: {', '.join(f'{key} {x}' for key, x in shown.items()) or row}"
            yield from (f"    {json.dumps(inner)}" for inner in cells.get("rows", ()))


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=400_000)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(*json.loads(args.child))
        return
    results = measure(args)
    print(json.dumps(results) if args.json else "\n".join(text_lines(results)))


if __name__ == "__main__":
    main()
