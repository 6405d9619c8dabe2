"""Time of a recording that keeps everything against the bare forward pass with the fused attention kernel.

    python -m benchmarks.capture [--rounds 200] [--json]

Both run on the same batch in turn, one thread; the figure is the median of the ratios of neighbouring pairs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch

from core.config import ModelConfig
from core.model import DepthRecurrentTransformer
from core.tasks import graph_data
from core.trace import run

STEPS, NODES, WIDTH = 32, 32, 128


def ratios(instances: int, rounds: int) -> dict[str, float]:
    """Median and quartiles of capture time over bare time, and the bare time in milliseconds."""
    import numpy as np

    rng = np.random.default_rng(0)
    count = instances + instances % 2
    arrays = graph_data.draw(rng, np.full(count, 12), "audited", np.full(count, NODES)).take(np.arange(instances))
    batch = arrays.batch(named=False)
    model = DepthRecurrentTransformer(ModelConfig("graph", 2, WIDTH, 4, 2 * WIDTH)).eval()

    def timed(kind: str) -> float:
        start = time.perf_counter()
        if kind == "bare":
            with torch.inference_mode():
                model(batch, STEPS)
        else:
            run(model, batch, STEPS)
        return time.perf_counter() - start

    for kind in ("bare", "capture") * 3:
        timed(kind)
    pairs = []
    bare = []
    for i in range(rounds):
        order = ("bare", "capture") if i % 2 == 0 else ("capture", "bare")
        took = {kind: timed(kind) for kind in order}
        pairs.append(took["capture"] / took["bare"])
        bare.append(took["bare"])
    low, middle, high = statistics.quantiles(pairs, n=4)
    return {"median": middle, "low": low, "high": high, "bare_ms": 1e3 * statistics.median(bare)}


def main() -> None:
    """Prints one row for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = {b: ratios(b, args.rounds if b == 1 else max(12, args.rounds // 5)) for b in (1, 64)}
    if args.json:
        print(json.dumps(rows))
        return
    print(f"capture / bare forward, T={STEPS}, N={NODES}, d={WIDTH}, one thread")
    for b, row in rows.items():
        print(f"B={b:3d}  median {row['median']:.3f}  quartiles {row['low']:.3f} {row['high']:.3f}"
              f"  (bare {row['bare_ms']:.1f} ms)")  # fmt: skip


if __name__ == "__main__":
    main()
