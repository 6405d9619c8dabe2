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
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.robustness.dying import POINTS
from depthscope.core.files.locks import ALONE
from depthscope.core.training.train import STATE

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


def start(out: Path, batches: int, resume: bool, death: Death = NEVER) -> subprocess.Popen[str]:
    """Starts the training as a process of its own."""
    dies = [str(death.save), death.point, str(death.share)]
    words = ["train", "graph", "--recipe", "house", "--threads", "1", "--out", str(out), *["--resume"] * resume]
    settings = [word for setting in (*SMALL, f"batches={batches}") for word in ("--set", setting)]
    command = [sys.executable, "-m", "benchmarks.robustness.dying", *dies, *words, *settings]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_save(process: subprocess.Popen[str], state: Path) -> None:
    """Waits for the next state that a training saves, or for its end."""
    written = lambda: state.stat().st_mtime_ns if state.exists() else 0  # noqa: E731
    before = written()
    while process.poll() is None and written() in (0, before):
        time.sleep(0.002)


def killed(out: Path, batches: int, after: float) -> str:
    """Starts or resumes the training and kills it some seconds after its first save; says where it stood."""
    process = start(out, batches, (out / STATE).exists())
    wait_for_save(process, out / STATE)
    time.sleep(after)
    ended = process.poll()
    process.kill()
    message = process.communicate()[1]
    if ended is not None:
        return "ended before it was killed" if ended == 0 else f"status {ended}: {message[-300:]}"
    names = os.listdir(out)  # noqa: PTH208 - there is no time to lose
    return "while saving" if any(name.startswith(".") and name != ALONE for name in names) else "between saves"


def killed_within(process: subprocess.Popen[str]) -> str:
    """Whether a training that kills itself within a save did."""
    message = process.communicate()[1]
    return WITHIN if process.returncode == -signal.SIGKILL else f"status {process.returncode}: {message[-300:]}"


def deaths(count: int, rng: random.Random) -> tuple[list[Death], list[Death]]:
    """Points within saves: those of the state, and a third as many of the finished checkpoint."""
    last = max(1, count // 4) if count else 0
    state = [Death(rng.randint(1, 20), POINTS[i % len(POINTS)], rng.random()) for i in range(count - last)]
    return state, [Death(0, "checkpoint", i / max(1, last)) for i in range(last)]


def weights(out: Path) -> bytes:
    """The weights of a finished training; empty if there are none."""
    path = out / "model.safetensors"
    return path.read_bytes() if path.exists() else b""


def kill(out: Path, batches: int, args: argparse.Namespace, note: Callable[[str, str], None]) -> str:
    """Kills a training in all ways until it has ended; what a second one in its folder says meanwhile.

    Args:
        out: Folder of the training.
        batches: How many it has.
        args: How often, how late, and the seed.
        note: Called with where each kill fell and which it was.
    """
    rng = random.Random(args.seed)
    for _ in range(args.kills):
        note(killed(out, batches, rng.uniform(0, args.seconds)), "")
    early, late = deaths(args.within, rng)
    for death in early:
        note(killed_within(start(out, batches, True, death)), f" ({death})")
    at_work = start(out, batches, True, late[0] if late else NEVER)
    wait_for_save(at_work, out / STATE)
    refusal = start(out, batches, True).communicate()[1].strip().splitlines()[-1]
    if not late:
        at_work.communicate()
        return refusal
    note(killed_within(at_work), f" ({late[0]})")
    for death in late[1:]:
        note(killed_within(start(out, batches, True, death)), f" ({death})")
    start(out, batches, True).communicate()
    return refusal


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
    places: Counter[str] = Counter()

    def note(place: str, which: str) -> None:
        places[place] += 1
        if not args.json:
            print(f"kill {places.total()}: {place}{which}", flush=True)

    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        whole, parts = Path(name) / "whole", Path(name) / "parts"
        start(whole, args.batches, False).communicate()
        refusal = kill(parts, args.batches, args, note)
        same = weights(whole) == weights(parts) != b""
        litter = sorted(path.name for path in Path(name).rglob(".*"))
    holds = same and not litter and "another training is at work" in refusal
    holds = holds and set(places) <= {"while saving", "between saves", WITHIN}
    if args.json:
        print(json.dumps({"kills": places, "same bytes": same, "second training": refusal, "left over": litter,
                          "holds": holds}))  # fmt: skip
    else:
        print(f"{places.total()} kills: {dict(places)}; the weights are {'' if same else 'NOT '}the same, byte by byte")
        print(f"a second training in the folder: {refusal}; left over: {litter or 'nothing'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
