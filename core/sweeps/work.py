"""One run of a sweep in a worker: trained (`core.training.train`), always resuming, then measured (`core.frontier`).

A run is made under a lock of its own, so that two workers never train into one folder, and a worker goes on only while
the sweep that started it is alive. It writes its records itself.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from depthscope.core import checkpoint, frontier
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.files.locks import held, is_held
from depthscope.core.sweeps.ledger import LOCK, LOCKS, Ledger
from depthscope.core.sweeps.plan import Run
from depthscope.core.training.train import Progress, train

LOOK_SECONDS = 0.5
"""How often a worker writes how far it is, and looks whether it is to stop."""


class _Stopped(Exception):  # noqa: N818
    """The sweep is over before the run is."""


def made(planned: Run, out: Path) -> Checkpoint | None:
    """The checkpoint of a run, if its training is finished.

    Raises:
        InputError: If its folder holds something else.
    """
    if not (out / planned.name / checkpoint.CONFIG).exists():
        return None
    opened = checkpoint.load(out / planned.name)
    if {k: opened.training.get(k) for k in ("recipe", "seed")} != planned.settings():
        raise InputError(f"{out / planned.name} holds a run with other settings; name the variant anew, or the folder")
    return opened if opened.training.get("finished") else None


def work(planned: Run, out: Path, session: str, threads: int, device: str | None) -> None:
    """One run in a worker: training, as far as it is still to be done, and measurement. Its end is in the records."""
    ledger = Ledger(out)

    def is_over() -> bool:
        return not is_held(out / LOCK) or ledger.is_over(session)

    with held(out / LOCKS / planned.name, is_over) as had:
        if not had or is_over():
            return
        ledger.note(planned.name, status="running", error=None)
        torch.set_num_threads(threads)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        status, error = "done", None
        try:
            _train(planned, out, ledger, is_over, threads, device)
            _measure(planned, out, ledger, is_over, device)
        except _Stopped:
            status = "queued"
        except (InputError, OSError) as raised:
            status, error = "failed", str(raised)
        except Exception:
            status, error = "failed", traceback.format_exc()
        ledger.note(planned.name, status=status, error=error)


def _train(planned: Run, out: Path, ledger: Ledger, is_over: Callable[[], bool], threads: int, device: str) -> None:
    """Trains to the end, or raises `_Stopped`."""
    looked = time.monotonic()

    def watch(progress: Progress) -> bool:
        nonlocal looked
        if time.monotonic() - looked < LOOK_SECONDS:
            return False
        looked = time.monotonic()
        ledger.note(planned.name, batch=progress.batch, seconds=round(progress.seconds, 1), validation=progress.log)
        return is_over()

    if made(planned, out) is None:
        train(planned.task, planned.recipe, out / planned.name, changes=planned.changes, seed=planned.seed,
              device=device, resume=True, threads=threads, watch=watch)  # fmt: skip
    opened = checkpoint.load(out / planned.name)
    log, training = opened.metrics["validation"], opened.training
    ledger.note(planned.name, batch=training["batches"], seconds=training["seconds"], validation=log)
    if not training["finished"]:
        raise _Stopped
    if ledger.record(planned.name)["sha256"] != opened.sha256:
        ledger.forget_measured(planned.name)
    ledger.note(planned.name, sha256=opened.sha256, parameters=opened.n_parameters)


def _measure(planned: Run, out: Path, ledger: Ledger, is_over: Callable[[], bool], device: str) -> None:
    """Measures what the plan asks for and is not measured yet, or raises `_Stopped`."""

    def progress(_done: int, _all: int) -> None:
        if is_over():
            raise _Stopped

    if (measure := planned.measure) is None:
        return
    opened = checkpoint.load(out / planned.name, device)
    for difficulty in sorted(set(measure.difficulty) - set(ledger.record(planned.name)["difficulty"])):
        drawn = (measure.instances, measure.data, measure.seed)
        steps = frontier.default_steps(opened, difficulty, *drawn)
        found = frontier.run(opened, [difficulty], steps, *drawn, progress=progress)
        values = {k: float(getattr(found, k)[0, -1]) for k in ("accuracy", "low", "high")}
        counts = {k: int(getattr(found, k)[0]) for k in ("n", "distinct")}
        ledger.note_measured(planned.name, {"difficulty": difficulty, "steps": steps, **values, **counts})
