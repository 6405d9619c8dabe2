"""A training that is killed again and again, against one that is left alone: whether both end with the same bytes.

    python -m benchmarks.kill [--kills 20] [--batches 1500] [--seed 0] [--json]

A small recipe is trained by the real command, which here saves after every batch, so that many kills hit a save.
SIGKILL comes at a random moment after the first save of each process, every other time within a save; the same command
then resumes. Besides a second training is started in the folder while one is at work. Exits with 1 if the weights
differ, a resumed run does not start, or the second training is not refused. Folders lie in memory where they can, since
a save waits for the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SMALL = [
    "model.width=16", "model.heads=2", "model.hidden=16", "batch_size=4", "validation=[1]", "validate_every=500",
    "nodes=[4, 6]", "difficulty=[1, 2]", "model.dropout=0.1",
]  # fmt: skip
CHILD = "import sys; from core import train; train.SAVE_SECONDS = 0.0; from core.cli import main; sys.exit(main())"


def command(out: Path, batches: int, resume: bool) -> list[str]:
    """The training, as a process of its own."""
    words = ["train", "graph", "--recipe", "house", "--threads", "1", "--out", str(out)]
    settings = [word for setting in (*SMALL, f"batches={batches}") for word in ("--set", setting)]
    return [sys.executable, "-c", CHILD, *words, *settings, *(["--resume"] if resume else [])]


def run(out: Path, batches: int, resume: bool) -> subprocess.CompletedProcess[str]:
    """Trains until it ends by itself."""
    return subprocess.run(command(out, batches, resume), cwd=ROOT, capture_output=True, text=True, check=False)


def killed(out: Path, batches: int, after: float, saving: bool) -> str:
    """Starts or resumes the training and kills it some seconds after its first save; says where it stood.

    Args:
        out: Its folder.
        batches: In all.
        after: Seconds.
        saving: Whether the next save is waited for, to fall into it.
    """
    from core.train import STATE

    state = out / STATE
    before = state.stat().st_mtime_ns if state.exists() else 0
    process = subprocess.Popen(command(out, batches, before > 0), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (state.exists() and state.stat().st_mtime_ns > before):
        time.sleep(0.002)
    time.sleep(after)
    while saving and process.poll() is None and not any(name.endswith(".safetensors") for name in hidden(out)):
        pass
    ended = process.poll()
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[1]
    if ended is not None:
        return "ended before it was killed" if ended == 0 else f"status {ended}: {said[-300:]}"
    return "while saving" if hidden(out) else "between saves"


def hidden(folder: Path) -> list[str]:
    """Files of a save that is under way."""
    return [name for name in os.listdir(folder) if name.startswith(".")]  # noqa: PTH208 - there is no time to lose


def digest(out: Path) -> str:
    """SHA-256 of the weights."""
    return hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()


def main() -> int:
    """Prints where the kills fell and whether the weights are the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--batches", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=0.5, help="at most between a first save and its kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rng, places = random.Random(args.seed), []
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        whole, parts = Path(name) / "whole", Path(name) / "parts"
        first = run(whole, args.batches, False)
        for i in range(args.kills):
            places.append(killed(parts, args.batches, rng.uniform(0, args.seconds), i % 2 > 0))
            if not args.json:
                print(f"kill {i + 1}: {places[-1]}", flush=True)
        # two at once: the second has to be refused while the first is at work
        at_work = subprocess.Popen(command(parts, args.batches, True), cwd=ROOT, stderr=subprocess.DEVNULL)
        refused = second(parts, args.batches, at_work)
        at_work.wait()
        same = first.returncode == 0 and at_work.returncode == 0 and digest(whole) == digest(parts)
        litter = [path.name for path in parts.iterdir() if path.name.startswith(".")]
    counts = {place: places.count(place) for place in sorted(set(places))}
    holds = same and not litter and "another training is at work" in refused
    holds = holds and set(counts) <= {"while saving", "between saves"}
    if args.json:
        print(json.dumps({"kills": counts, "same bytes": same, "second training": refused, "holds": holds}))
    else:
        print(f"{args.kills} kills: {counts}; the weights are {'the same' if same else 'NOT the same'}, byte by byte")
        print(f"a second training in the folder: {refused}; left over: {litter or 'nothing'}")
    return 0 if holds else 1


def second(out: Path, batches: int, first: subprocess.Popen[bytes]) -> str:
    """What a second training in the folder says while the first is at work."""
    from core.train import STATE

    before = (out / STATE).stat().st_mtime_ns
    while first.poll() is None and (out / STATE).exists() and (out / STATE).stat().st_mtime_ns == before:
        time.sleep(0.01)
    return run(out, batches, True).stderr.strip().splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main())
