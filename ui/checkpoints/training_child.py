"""The process of a training that a page started: `python -m core`, for as long as the server lives.

    python -m depthscope.ui.checkpoints.training_child PARENT core train ...

It cannot outlive the server for long, however that one ends: once PARENT is no longer its parent it is told to stop,
as Ctrl-C would, and keeps its state.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

LOOK_SECONDS = 1.0
NICE = 10


def follow(parent: int) -> None:
    """Stops this process, resumably, once it has another parent."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Runs one command of `core` at low priority, followed from a thread."""
    parent, program, *words = arguments
    assert program == "core"
    if hasattr(os, "nice"):
        os.nice(NICE)
    threading.Thread(target=follow, args=(int(parent),), daemon=True).start()
    from depthscope.core.cli import main as core

    return core(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
