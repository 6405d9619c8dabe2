"""One run of a sweep in a worker: trained (`core.training.train`), always resuming, then measured (`core.frontier`).

A worker goes on only while the sweep that started it is alive, and writes the record of its run itself.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from depthscope.core import checkpoint, frontier, kinds, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.files import locks
from depthscope.core.sweeps import records
from depthscope.core.sweeps.plan import Run
from depthscope.core.training.train import Progress, train

LOOK_SECONDS = 0.5
"""How often a worker writes how far it is, and looks whether it is to stop."""

AT_WORK = threading.Lock()
"""Held while this process makes a run."""


class _Stopped(Exception):  # noqa: N818
    """The sweep is over before the run is."""


def finished(planned: Run, out: Path) -> Checkpoint | None:
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


def work(
    planned: Run, out: Path, session: str, threads: int, device: str | None, named: Mapping[str, str] | None = None
) -> None:
    """One run in a worker: training, as far as it is still to be done, and measurement. Its end is in the records.

    `named` are the environment variables that name tasks and adapters of the user's own.
    """
    with AT_WORK:
        torch.set_num_threads(threads)
        job = Job(planned, out, session, threads, device or ("cuda" if torch.cuda.is_available() else "cpu"))
        try:
            job.wait()
            os.environ.update(named or {})
            tasks.name_all()
            kinds.name_all()
            job.note(status="running", error=None)
            job.train()
            job.measure()
            job.note(status="done")
        except _Stopped:
            job.note(status="queued")
        except (InputError, OSError) as error:
            job.note(status="failed", error=str(error))
        except Exception:
            job.note(status="failed", error=traceback.format_exc())


class Job:
    """A run, its record, and the sweep that it is made for."""

    def __init__(self, planned: Run, out: Path, session: str, threads: int, device: str) -> None:
        self.planned, self.out, self.session, self.threads, self.device = planned, out, session, threads, device
        self.folder = out / planned.name
        self.record: dict[str, Any] = {}
        self.looked = time.monotonic()

    def is_over(self) -> bool:
        """Whether the sweep has ended or is to stop."""
        return records.state(self.out, self.session) != "at work"

    def note(self, **values: Any) -> None:
        """Writes what is new into the record, unless that belongs to another sweep by now."""
        self.record |= values
        if self.record.get("name") and records.state(self.out, self.session) != "gone":
            records.write(self.out, self.record)

    def wait(self) -> None:
        """Waits for a worker that an earlier sweep left behind in the folder, or raises `_Stopped`."""
        while not self.is_over():
            if not locks.is_held(self.folder / locks.ALONE):
                self.record = records.read(self.out / records.FOLDER / f"{self.planned.name}.json")
                return
            time.sleep(locks.PAUSE)
        raise _Stopped

    def train(self) -> None:
        """Trains to the end, or raises `_Stopped`."""
        planned = self.planned
        if finished(planned, self.out) is None:
            train(planned.task, planned.recipe, self.folder, changes=planned.changes, seed=planned.seed,
                  device=self.device, resume=True, threads=self.threads, watch=self.watch)  # fmt: skip
        opened = checkpoint.load(self.folder)
        log, training = opened.metrics["validation"], opened.training
        self.note(batch=training["batches"], seconds=training["seconds"], validation=log)
        if not training["finished"]:
            raise _Stopped
        if self.record["sha256"] != opened.sha256:
            self.record |= {k: [] for k in records.MEASURED}
        self.note(sha256=opened.sha256, parameters=opened.n_parameters)

    def watch(self, progress: Progress) -> bool:
        """After a batch: now and then writes how far it is, and says whether to stop."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return False
        self.looked = time.monotonic()
        self.note(batch=progress.batch, seconds=round(progress.seconds, 1), validation=progress.log)
        return self.is_over()

    def measure(self) -> None:
        """Measures what the plan asks for and is not measured yet, or raises `_Stopped`."""

        def progress(_done: int, _all: int) -> None:
            if self.is_over():
                raise _Stopped

        if (measure := self.planned.measure) is None:
            return
        opened = checkpoint.load(self.folder, self.device)
        for difficulty in sorted(set(measure.difficulty) - set(self.record["difficulty"])):
            drawn = (measure.instances, measure.data, measure.seed)
            steps = frontier.default_steps(opened, difficulty, *drawn)
            result = frontier.run(opened, [difficulty], steps, *drawn, progress=progress)
            row = {"difficulty": difficulty, "steps": steps}
            row |= {k: float(getattr(result, k)[0, -1]) for k in ("accuracy", "low", "high")}
            row |= {k: int(getattr(result, k)[0]) for k in ("n", "distinct")}
            rows = zip(*(self.record[k] for k in records.MEASURED), strict=True)
            rows = sorted([*rows, tuple(row[k] for k in records.MEASURED)])
            self.note(**dict(zip(records.MEASURED, map(list, zip(*rows, strict=True)), strict=True)))
