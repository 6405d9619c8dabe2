"""A training that saves after every batch and kills itself at a chosen point within one of its saves.

    python -m benchmarks.robustness.dying SAVE POINT SHARE train ...

SAVE counts the saves of the state of the run from 1. POINT is one of POINTS, or "checkpoint" for the save of the
finished checkpoint, or "never". SHARE, from 0 to 1, says how much is done by then: of the bytes of a state, or of the
files of a checkpoint. The rest is the command line of `python -m core`. Used by `benchmarks.robustness.kill`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from depthscope.core import checkpoint
from depthscope.core.cli import main
from depthscope.core.files import atomic
from depthscope.core.training import train

POINTS = ("writing", "written", "moved")
"""Within the bytes of the new file, once all are written, once it is in its place but before the save returns."""


FILES = len((checkpoint.CARD, checkpoint.METRICS, checkpoint.WEIGHTS, checkpoint.CONFIG))


def die() -> None:
    """Ends this process as SIGKILL does."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_state(save: int, point: str, share: float) -> None:
    """Lets the process die within one save of the state."""
    plain, count = atomic.write, 0

    def write(path: Path, content: str | bytes) -> None:
        nonlocal count
        count += path.name == train.STATE
        if path.name != train.STATE or count != save:
            return plain(path, content)
        data = content.encode() if isinstance(content, str) else content
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(data[: int(share * len(data))] if point == "writing" else data)
            if point != "moved":
                die()
        return die()

    atomic.write = write


def die_in_checkpoint(share: float) -> None:
    """Lets the process die while the files of the finished checkpoint are moved into the folder, one by one."""
    move, save, left = Path.replace, train.save, round(share * FILES)

    def replace(self: Path, target: str | os.PathLike[str]) -> Path:
        nonlocal left
        if not left:
            die()
        left -= 1
        return move(self, target)

    def saved(*args: Any, **words: Any) -> None:
        Path.replace = replace
        save(*args, **words)
        die()  # all are moved

    train.save = saved


if __name__ == "__main__":
    train.SAVE_SECONDS = 0.0
    number, where, part = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    if where in POINTS:
        die_in_state(number, where, part)
    elif where == "checkpoint":
        die_in_checkpoint(part)
    sys.exit(main(sys.argv[4:]))
