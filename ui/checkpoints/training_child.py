"""The process of a training that a page started: `python -m core`, for as long as the server lives.

    python -m depthscope.ui.checkpoints.training_child core train ...

Its standard input is a pipe that the server holds open. When that is closed, by the server or by its end, however it
ends, the training is told to stop, as Ctrl-C would, and keeps its state.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

NICE = 10


def follow() -> None:
    """Stops this process, resumably, once its standard input ends."""
    sys.stdin.buffer.read()
    signal.raise_signal(signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Runs one command of `core` at low priority, followed from a thread."""
    program, *words = arguments
    assert program == "core"
    if hasattr(os, "nice"):
        os.nice(NICE)
    threading.Thread(target=follow, daemon=True).start()
    from depthscope.core.cli import main as core

    return core(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
