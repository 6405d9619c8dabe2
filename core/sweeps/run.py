"""The sweep: the runs of a plan, trained and measured by workers side by side, resumable whatever happens to it.

joblib hands the runs to its processes or to a Dask cluster, and the progress over all of them is shown. What a worker
does with a run is in `core.sweeps.work`, the records are in `core.sweeps.ledger`.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from depthscope.core.errors import InputError
from depthscope.core.files.locks import held
from depthscope.core.files.strict_json import plain
from depthscope.core.sweeps.ledger import FILE, LOCK, Ledger, line, records
from depthscope.core.sweeps.plan import Measure, Run, read_plan
from depthscope.core.sweeps.work import LOOK_SECONDS, made, work
from depthscope.core.training.train import Stop

__all__ = ["Measure", "Run", "read_plan", "records", "run"]

LOCK_SECONDS = 2.0
"""A reader may hold the lock of a sweep for a moment."""
IDLE_SECONDS = 15
"""A worker without a run leaves after so long; one whose conductor was killed has no other way to know."""
CONNECT_SECONDS = 20


def run(
    plan: Sequence[Run],
    out: Path | str,
    *,
    workers: int = 2,
    backend: Literal["loky", "dask"] = "loky",
    scheduler: str | None = None,
    threads: int = 1,
    device: str | None = None,
) -> list[dict[str, Any]]:
    """Makes the runs of a plan, each in a folder of its own, as far as they are not made yet.

    Args:
        plan: The runs.
        out: Folder of the sweep; on a cluster all workers have to see it.
        workers: Processes; with a scheduler, its workers count instead.
        backend: "loky" for processes of joblib, "dask" for a Dask cluster.
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
        due, fresh = _due(plan, out)
        session = uuid.uuid4().hex
        errors: list[BaseException] = []
        stop = stack.enter_context(Stop())
        client = stack.enter_context(_cluster(workers, scheduler)) if backend == "dask" and due else None
        ledger = Ledger(out)
        ledger.create("delete" if client is not None and _is_spread(client) else "wal")
        ledger.begin(session, [_row(run, i) for i, run in enumerate(plan)], [run.name for run in due], fresh)
        jobs = [delayed(work)(run, out, session, threads, device) for run in due]
        dispatch = threading.Thread(target=_dispatch, args=(jobs, workers, threads, client, errors), daemon=True)
        dispatch.start()
        names = {run.name for run in plan}
        _watch(dispatch, ledger, session, names, stop)
        ledger.settle()
    if stop.asked:
        raise KeyboardInterrupt
    if errors:
        raise errors[0]
    return [record for record in records(out) if record["name"] in names]


def _due(plan: Sequence[Run], out: Path) -> tuple[list[Run], list[str]]:
    """The runs that are not done, and the names of those whose measurements are of no use any more."""
    known = {record["name"]: record for record in records(out)} if (out / FILE).exists() else {}
    due, fresh = [], []
    for planned in plan:
        record, opened = known.get(planned.name), made(planned, out)
        if record is not None and record["settings"] != planned.settings():
            raise InputError(f"{out / planned.name} is a run with other settings; name the variant anew, or the folder")
        if record is not None and record["measure"] != plain(planned.measure):
            fresh.append(planned.name)
        elif record is not None and record["status"] == "done" and opened and opened.sha256 == record["sha256"]:
            continue
        due.append(planned)
    return due, fresh


def _row(planned: Run, position: int) -> dict[str, Any]:
    return {
        "name": planned.name, "position": position, "task": planned.task, "recipe": planned.recipe,
        "variant": planned.variant, "seed": planned.seed, "overrides": dict(planned.changes),
        "settings": planned.settings(), "measure": planned.measure, "batches": planned.varied.batches,
    }  # fmt: skip


def _ignore_ctrl_c() -> None:
    """In a worker: a terminal sends Ctrl-C to all processes, and the conductor tells the workers what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _cluster(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A client of a Dask cluster whose workers take one run at a time."""
    try:
        from distributed import Client, KilledWorker, LocalCluster
    except ImportError:
        raise InputError("the backend dask needs its extra: pip install -e '.[dask]'") from None
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
        try:
            yield client
        except KilledWorker as error:
            raise InputError(f"Dask's workers were killed: {error}") from None


def _is_spread(client: Any) -> bool:
    """Whether some worker is on another machine."""
    return bool(set(client.run(socket.gethostname).values()) - {socket.gethostname()})


def _dispatch(jobs: list[Any], workers: int, threads: int, client: Any, errors: list[BaseException]) -> None:
    """Hands out the runs and waits for the last; what goes wrong is left in `errors`."""
    if not jobs:
        return
    backend: dict[str, Any] = {"backend": "dask", "client": client, "n_jobs": -1}
    if client is None:
        backend = {"backend": "loky", "inner_max_num_threads": threads, "n_jobs": min(workers, len(jobs)),
                   "initializer": _ignore_ctrl_c, "idle_worker_timeout": IDLE_SECONDS}  # fmt: skip
    try:
        with parallel_config(**backend):
            Parallel(batch_size=1, pre_dispatch="n_jobs")(jobs)  # pyright: ignore[reportArgumentType]
    except BrokenProcessPool:
        errors.append(InputError("a worker was killed, perhaps for want of memory; the same command goes on"))
    except BaseException as error:  # raised again by the conductor
        errors.append(error)


def _watch(dispatch: threading.Thread, ledger: Ledger, session: str, names: set[str], stop: Stop) -> None:
    """Shows the progress of all runs until they end, and passes Ctrl-C on to the workers."""
    found = [record for record in records(ledger.path) if record["name"] in names]
    ended = {record["name"] for record in found if record["status"] == "done"}
    told = False
    bar = tqdm(total=sum(r["batches"] for r in found), initial=sum(r["batch"] for r in found), file=sys.stderr,
               desc=ledger.path.parent.name, unit="batch", mininterval=1.0, smoothing=0.05)  # fmt: skip
    with bar:
        while True:
            alive = dispatch.is_alive()
            found = [record for record in records(ledger.path) if record["name"] in names]
            for record in found:
                if record["status"] in ("done", "failed") and record["name"] not in ended:
                    ended.add(record["name"])
                    tqdm.write(line(record), file=sys.stderr)
            count = {s: sum(r["status"] == s for r in found) for s in ("running", "done", "failed")}
            bar.set_postfix({"runs": len(found), **count}, refresh=False)
            bar.update(sum(r["batch"] for r in found) - bar.n)
            if not alive:
                return
            if stop.asked and not told:
                ledger.stop(session)
                told = True
            dispatch.join(LOOK_SECONDS)
