"""The sweep: the runs of a plan, trained and measured by workers side by side, resumable whatever happens to it.

The workers are processes of this machine or of a Dask cluster; both are given the runs in the same way. What a worker
does with a run is in `core.sweeps.work`, the records are in `core.sweeps.records`.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from depthscope.core import kinds, tasks
from depthscope.core.errors import InputError
from depthscope.core.files import places
from depthscope.core.files.locks import held
from depthscope.core.files.strict_json import plain
from depthscope.core.sweeps import records as ledger
from depthscope.core.sweeps.plan import Measure, Run, read_plan
from depthscope.core.sweeps.records import LOCK, line, records
from depthscope.core.sweeps.work import AT_WORK, LOOK_SECONDS, finished, work
from depthscope.core.training.train import Stop

__all__ = ["Measure", "Run", "read_plan", "records", "run"]

LOCK_SECONDS = 2.0
"""A reader may hold the lock of a sweep for a moment."""
CONNECT_SECONDS = 20


def run(
    plan: Sequence[Run],
    out: Path | str,
    *,
    workers: int = 2,
    backend: Literal["processes", "dask"] = "processes",
    scheduler: str | None = None,
    threads: int = 1,
    device: str | None = None,
) -> list[dict[str, Any]]:
    """Makes the runs of a plan, each in a folder of its own, as far as they are not made yet.

    Args:
        plan: The runs.
        out: Folder of the sweep; on a cluster all workers have to see it.
        workers: Processes (one works in this process); with a scheduler, its workers count instead.
        backend: "processes" of this machine, or "dask" for a Dask cluster.
        scheduler: Address of a Dask scheduler; None starts a cluster on this machine.
        threads: Of torch, in each worker.
        device: None takes a GPU where there is one.

    Returns:
        The records of the runs of the plan. A run that failed is among them, and stops no other.

    Raises:
        InputError: If a folder holds another run by the same name, another sweep is at work, or a worker was killed.
        KeyboardInterrupt: After Ctrl-C, once the workers have stopped and saved.
    """
    out = Path(out).resolve()
    patience = time.monotonic() + LOCK_SECONDS
    with ExitStack() as stack:
        if not stack.enter_context(held(out / LOCK, lambda: time.monotonic() > patience)):
            raise InputError(f"another sweep is at work in {out}")
        runs = _enter(plan, out)
        stop = stack.enter_context(Stop())
        if runs:
            session = ledger.begin(out)
            pool = stack.enter_context(_cluster(workers, scheduler) if backend == "dask" else _local(workers, runs))
            stack.callback(ledger.stop, out, session)  # whatever ends this ends the workers
            named = {name: os.environ[name] for name in (tasks.VARIABLE, kinds.VARIABLE) if name in os.environ}
            futures = {pool.submit(work, r, out, session, threads, device, named): r.name for r in runs}
            _watch(futures, plan, out, session, stop)
            _raise(futures)
    if stop.requested:
        raise KeyboardInterrupt
    names = {planned.name for planned in plan}
    return [record for record in records(out) if record["name"] in names]


def _enter(plan: Sequence[Run], out: Path) -> list[Run]:
    """Writes the records of a plan as it is now; returns the runs that are not done."""
    known, runs = ledger.read_all(out), []
    for record in known.values():
        if record["status"] == "running":  # of a sweep that died
            ledger.write(out, record | {"status": "queued"})
    for i, planned in enumerate(plan):
        settings = plain(_settings(planned, i))
        before, opened = known.get(planned.name), finished(planned, out)
        if before is not None and before["settings"] != settings["settings"]:
            raise InputError(f"{out / planned.name} is a run with other settings; name the variant anew, or the folder")
        record = ledger.new(settings) if before is None else before | settings
        if before is not None and before["measure"] != settings["measure"]:
            record |= {k: [] for k in ledger.MEASURED}
        elif record["status"] == "done" and opened is not None and opened.sha256 == record["sha256"]:
            if record != before:
                ledger.write(out, record)
            continue
        ledger.write(out, record | {"status": "queued", "error": None})
        runs.append(planned)
    return runs


def _settings(planned: Run, position: int) -> dict[str, Any]:
    return {
        "name": planned.name, "position": position, "task": planned.task, "recipe": planned.recipe,
        "variant": planned.variant, "seed": planned.seed, "overrides": dict(planned.changes),
        "settings": planned.settings(), "measure": planned.measure, "batches": planned.varied.batches,
    }  # fmt: skip


def _ignore_ctrl_c() -> None:
    """In a worker: a terminal sends Ctrl-C to all processes, and the conductor tells the workers what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _begin_process() -> None:
    """In a process of this machine: it leaves with its conductor, once its run is saved."""
    _ignore_ctrl_c()
    parent = multiprocessing.parent_process()

    def leave() -> None:
        multiprocessing.connection.wait([parent.sentinel] if parent else [])
        with AT_WORK:
            os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


@contextmanager
def _local(workers: int, runs: Sequence[Run]) -> Iterator[Executor]:
    """Processes of this machine; one run at a time needs none beside this one."""
    if min(workers, len(runs)) == 1:
        pool: Executor = ThreadPoolExecutor(1)
    else:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(runs)), context, _begin_process)
    with pool:
        yield pool


@contextmanager
def _cluster(workers: int, scheduler: str | None) -> Iterator[Executor]:
    """A Dask cluster whose workers take one run at a time."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(f"the backend dask needs its extra: {places.install('dask')}") from None
    logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of every connection
    local: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    with ExitStack() as stack:
        try:
            address = scheduler or stack.enter_context(LocalCluster(processes=True, **local))
            client: Any = stack.enter_context(Client(address, timeout=CONNECT_SECONDS, set_as_default=False))
        except (OSError, ValueError) as error:
            raise InputError(f"there is no Dask scheduler at {scheduler!r}: {error}") from None
        if scheduler is None:
            client.run(_ignore_ctrl_c)
        if any(count > 1 for count in client.nthreads().values()):
            raise InputError("torch's random numbers are one for a process: start Dask's workers with --nthreads 1")
        yield stack.enter_context(client.get_executor())


def _raise(futures: Sequence[Future[None]] | dict[Future[None], str]) -> None:
    """Says what went wrong with the workers themselves; what goes wrong in a run is in its record."""
    for future in futures:
        error = future.exception()
        if isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker":
            raise InputError("a worker was killed, perhaps for want of memory; the same command goes on") from None
        if error is not None:
            raise error


def _watch(futures: dict[Future[None], str], plan: Sequence[Run], out: Path, session: str, stop: Stop) -> None:
    """Shows the progress of all runs until they end, and passes Ctrl-C on to the workers."""
    names = {planned.name for planned in plan}
    current = {name: record for name, record in ledger.read_all(out).items() if name in names}
    stopping, left = False, set(futures)
    bar = tqdm(total=sum(r["batches"] for r in current.values()), initial=sum(r["batch"] for r in current.values()),
               file=sys.stderr, desc=out.name, unit="batch", mininterval=1.0, smoothing=0.05)  # fmt: skip
    with bar:
        while left:
            ended, waiting = wait(left, LOOK_SECONDS)
            for name in (futures[future] for future in left):
                current[name] = ledger.read(out / ledger.FOLDER / f"{name}.json")
            for record in (current[futures[future]] for future in ended):
                if record["status"] in ("done", "failed"):
                    tqdm.write(line(record), file=sys.stderr)
            count = {s: sum(r["status"] == s for r in current.values()) for s in ("running", "done", "failed")}
            bar.set_postfix({"runs": len(current), **count}, refresh=False)
            bar.update(sum(r["batch"] for r in current.values()) - bar.n)
            left = waiting
            if stop.requested and not stopping:
                ledger.stop(out, session)
                stopping = True
