"""A training that is killed again and again, against one that is left alone: whether both end with the same bytes.

    python -m benchmarks.robustness.kill [--kills 20] [--within 12] [--batches 1500] [--seed 0] [--json]

A small recipe is trained by the real command, which here saves after every batch. SIGKILL comes at a random moment
after the first save of each process, and as often as `--within` says exactly within a save: after some of the bytes of
the new state, after all of them, after it took its place, and among the files of the finished checkpoint. The same
command then resumes. Besides a second training is started in the folder while one is at work. Exits with 1 if the
weights differ, a resumed run does not start, a kill did not come, something is left over, or the second training is not
refused. Folders lie in memory where they can, since a save waits for the disk.
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
from dataclasses import dataclass
from pathlib import Path

from benchmarks.robustness.dying import POINTS
from depthscope.core.files.locks import ALONE

WITHIN = "exactly within a save"
ROOT = Path(__file__).parents[2]
SMALL = [
    "model.width=16", "model.heads=2", "model.mlp_width=16", "batch_size=4", "validation=[1]", "validate_every=500",
    "nodes=[4, 6]", "difficulty=[1, 2]", "model.dropout=0.1",
]  # fmt: skip


@dataclass(frozen=True)
class Death:
    """A point within a save, as `benchmarks.robustness.dying` takes it."""

    save: int
    point: str
    share: float

    def __str__(self) -> str:
        if self.point == "checkpoint":
            return f"the finished checkpoint, {self.share:.0%} of its files in place"
        return f"save {self.save}, {self.point}" + (f" {self.share:.0%} of its bytes" * (self.point == "writing"))


NEVER = Death(0, "never", 0.0)


def command(out: Path, batches: int, resume: bool, death: Death = NEVER) -> list[str]:
    """The training, as a process of its own."""
    words = ["train", "graph", "--recipe", "house", "--threads", "1", "--out", str(out)]
    settings = [word for setting in (*SMALL, f"batches={batches}") for word in ("--set", setting)]
    dies = [str(death.save), death.point, str(death.share)]
    return [
        sys.executable,
        "-m",
        "benchmarks.robustness.dying",
        *dies,
        *words,
        *settings,
        *(["--resume"] if resume else []),
    ]


def run(out: Path, batches: int, resume: bool) -> subprocess.CompletedProcess[str]:
    """Trains until it ends by itself."""
    return subprocess.run(command(out, batches, resume), cwd=ROOT, capture_output=True, text=True, check=False)


def killed(out: Path, batches: int, after: float) -> str:
    """Starts or resumes the training and kills it some seconds after its first save; says where it stood."""
    from depthscope.core.training.train import STATE

    state = out / STATE
    before = state.stat().st_mtime_ns if state.exists() else 0
    process = subprocess.Popen(command(out, batches, before > 0), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (state.exists() and state.stat().st_mtime_ns > before):
        time.sleep(0.002)
    time.sleep(after)
    ended = process.poll()
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[1]
    if ended is not None:
        return "ended before it was killed" if ended == 0 else f"status {ended}: {said[-300:]}"
    return "while saving" if hidden(out) else "between saves"


def killed_within(out: Path, batches: int, death: Death) -> str:
    """Resumes the training, which kills itself within a save; says whether it did."""
    done = subprocess.run(command(out, batches, True, death), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGKILL:
        return WITHIN
    return f"status {done.returncode}: {done.stderr[-300:]}"


def deaths(count: int, rng: random.Random) -> tuple[list[Death], list[Death]]:
    """Points within saves: those of the state, and a third as many of the finished checkpoint."""
    last = max(1, count // 4) if count else 0
    state = [Death(rng.randint(1, 20), POINTS[i % len(POINTS)], rng.random()) for i in range(count - last)]
    return state, [Death(0, "checkpoint", i / max(1, last)) for i in range(last)]


def hidden(folder: Path) -> list[str]:
    """Files of a save that is under way."""
    names = os.listdir(folder)  # noqa: PTH208 - there is no time to lose
    return [name for name in names if name.startswith(".") and name != ALONE]


def digest(out: Path) -> str:
    """SHA-256 of the weights."""
    return hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()


def main() -> int:
    """Prints where the kills fell and whether the weights are the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="at random moments (default 20)")
    parser.add_argument("--within", type=int, default=12, help="exactly within a save (default 12)")
    parser.add_argument("--batches", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=0.5, help="at most between a first save and its kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rng, places = random.Random(args.seed), []

    def note(place: str, what: str) -> None:
        places.append(place)
        if not args.json:
            print(f"kill {len(places)}: {place}{what}", flush=True)

    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        whole, parts = Path(name) / "whole", Path(name) / "parts"
        first = run(whole, args.batches, False)
        for _ in range(args.kills):
            note(killed(parts, args.batches, rng.uniform(0, args.seconds)), "")
        early, late = deaths(args.within, rng)
        for death in early:
            note(killed_within(parts, args.batches, death), f" ({death})")
        # two at once: the second has to be refused while the first is at work
        dies, later = (late[0], late[1:]) if late else (NEVER, late)
        at_work = subprocess.Popen(command(parts, args.batches, True, dies), cwd=ROOT, stderr=subprocess.DEVNULL)
        refused = second(parts, args.batches, at_work)
        at_work.wait()
        if late:
            note(WITHIN if at_work.returncode == -signal.SIGKILL else f"status {at_work.returncode}", f" ({dies})")
        for death in later:
            note(killed_within(parts, args.batches, death), f" ({death})")
        last = run(parts, args.batches, True) if late else at_work
        same = first.returncode == 0 and last.returncode == 0 and digest(whole) == digest(parts)
        litter = sorted(path.name for path in Path(name).rglob(".*"))
    counts = {place: places.count(place) for place in sorted(set(places))}
    holds = same and not litter and "another training is at work" in refused
    holds = holds and set(counts) <= {"while saving", "between saves", WITHIN}
    if args.json:
        print(json.dumps({"kills": counts, "same bytes": same, "second training": refused, "left over": litter,
                          "holds": holds}))  # fmt: skip
    else:
        print(f"{len(places)} kills: {counts}; the weights are {'the same' if same else 'NOT the same'}, byte by byte")
        print(f"a second training in the folder: {refused}; left over: {litter or 'nothing'}")
    return 0 if holds else 1


def second(out: Path, batches: int, first: subprocess.Popen[bytes]) -> str:
    """What a second training in the folder says while the first is at work."""
    from depthscope.core.training.train import STATE

    before = (out / STATE).stat().st_mtime_ns
    while first.poll() is None and (out / STATE).exists() and (out / STATE).stat().st_mtime_ns == before:
        time.sleep(0.01)
    return run(out, batches, True).stderr.strip().splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main())
