"""Every command and page that writes, on a disk that is read-only, full, or fills up on the way.

    python -m benchmarks.robustness.full_disk [--only NAME] [--json]

Each writes to a small disk of its own (a tmpfs). It should end with status 2 and one sentence, and leave what was there
before as it was and nothing beside it; where all fits after all, what it wrote should open. The log of a training is
only ever appended to, and may have grown. Last the app itself is started where neither its home, nor the folder for
temporary files, nor /tmp can be written. Needs Linux, and root or user namespaces (disks are mounted in a namespace of
this process alone). Exits with 1 if anything does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, Literal

ALONE = "DEPTHSCOPE_OWN_NAMESPACE"
SIZE = 24 << 20
ROOM = {"full": 0, "4 KiB left": 4 << 10, "64 KiB left": 64 << 10}
State = Literal["read-only", "full", "4 KiB left", "64 KiB left"]
STATES: tuple[State, ...] = ("read-only", "full", "4 KiB left", "64 KiB left")
SMALL = [
    "model.width=8", "model.heads=2", "model.mlp_width=8", "batch_size=2", "validation=[1]", "validate_every=1000",
    "nodes=[4, 6]", "difficulty=[1, 2]", "batches=3",
]  # fmt: skip
PLAN = """[[runs]]
task = "graph"
recipe = "house"
measure = false
set = { batches = 3, batch_size = 2, validation = [1], nodes = [4, 6], difficulty = [1, 2] }
"""
CHAIN = "source: A\ntarget: E\nA B\nB C\nC D\nD E\nE A\n"


@dataclass(frozen=True)
class Case:
    """Something that writes.

    Attributes:
        name: What it is called.
        run: Writes; returns status and what it printed on stderr.
        whole: Raises if what it wrote is not whole.
        prepare: Fills the disk before it is closed or full.
        keeps: Names of what may have grown or come without being the result itself.
        states: Disks on which it is tried.
    """

    name: str
    run: Callable[[Path], tuple[int, str]]
    whole: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda root: None
    keeps: tuple[str, ...] = ()
    states: tuple[State, ...] = STATES


@dataclass(frozen=True)
class Outcome:
    """How one case ended on one disk."""

    name: str
    state: str
    status: int
    message: str
    problem: str | None


@contextlib.contextmanager
def disk(prepare: Callable[[Path], object], state: State) -> Iterator[Path]:
    """A disk in a state, with something on it."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", name], check=True)
        try:
            root = Path(name) / "disk"
            root.mkdir()
            prepare(root)
            if state == "read-only":
                subprocess.run(["mount", "-o", "remount,ro", name], check=True)
            else:
                _fill(Path(name) / "ballast", ROOM[state])
            yield root
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def _fill(ballast: Path, left: int) -> None:
    """Takes all space but so much."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - left))


def snapshot(root: Path) -> dict[str, bytes]:
    """Content of each file, folders as empty ones."""
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else b"" for p in sorted(root.rglob("*"))}


def outcome(case: Case, state: State) -> Outcome:
    """Runs a case on a disk, and says what does not hold, if anything."""
    with disk(case.prepare, state) as root:
        before = snapshot(root)
        try:
            status, message = case.run(root)
        except Exception:
            return Outcome(case.name, state, -1, "", traceback.format_exc())
        after = snapshot(root)
        message = message.replace(str(root), "DISK")
        lines = [line for line in message.splitlines() if line.startswith("error: ")]
        problem = None
        if status == 0:
            try:
                if state in ("read-only", "full"):
                    raise AssertionError("it says that all is well")
                case.whole(root)
            except Exception as error:
                problem = f"what it wrote is not whole: {error!r}"
        elif status != 2 or len(lines) != 1 or "Traceback" in message:
            problem = f"status {status}: {message[-2000:]}"
        elif "cannot be written" not in lines[0] and "disk is full" not in lines[0] and "read-only" not in lines[0]:
            problem = f"the sentence does not say that it could not be written: {lines[0]}"
        else:
            mine = {k for k in after if not any(fnmatch(part, name) for part in Path(k).parts for name in case.keeps)}
            lost = {k for k, v in before.items() if not after.get(k, b"").startswith(v)}
            changed = {k for k in mine & before.keys() if after[k] != before[k]}
            left = {k for k in mine - before.keys() if after[k] or Path(k).name.startswith(".")}
            if lost | changed | left:
                problem = f"changed or left: {sorted(lost | changed | left)}"
        return Outcome(case.name, state, status, lines[0] if lines else "", problem)


# what writes


def command(main: Callable[[list[str]], int], words: list[str], root: Path) -> tuple[int, str]:
    """A command in this process; DISK stands for the folder."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        status = main([word.replace("DISK", str(root)) for word in words])
    return status, errors.getvalue()


def printing(words: list[str], root: Path) -> tuple[int, str]:
    """A command whose output goes to a file on the disk, as a process."""
    command = [sys.executable, "-m", *words]
    with (root / "out").open("ab") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stderr


def on_page(what: Callable[[Path], object], root: Path) -> tuple[int, str]:
    """Something that a page does; its InputError is what the page shows."""
    from depthscope.core.errors import InputError

    try:
        what(root)
    except InputError as error:
        return 2, f"error: {error}\n"
    return 0, ""


def unchecked(root: Path) -> None:
    """Nothing that is written is looked at."""


def _earlier(name: str, root: Path) -> None:
    (root / name).write_bytes(b"from before" * 100)


def _checkpoint(root: Path) -> None:
    from depthscope.core.checkpoint import CHECKPOINTS

    shutil.copytree(CHECKPOINTS / "graph-house", root / "ck")


def _stopped_run(root: Path) -> None:
    from depthscope.core.cli import main

    status, message = command(main, [*TRAIN, "--max-seconds", "0"], root)
    assert status == 0, message


def _changed(root: Path) -> None:
    """A checkpoint whose user wrote a card of his own."""
    _checkpoint(root)
    (root / "ck" / "README.md").write_text("mine\n")


@contextlib.contextmanager
def temporary_files(root: Path) -> Iterator[None]:
    """Temporary files lie on the disk."""
    before, tempfile.tempdir = tempfile.tempdir, str(root)
    try:
        yield
    finally:
        tempfile.tempdir = before


def in_files(run: Callable[[Path], tuple[int, str]], root: Path) -> tuple[int, str]:
    """A command whose recording is too large for memory, as if the disk had filled up since its size was compared."""
    from unittest.mock import patch

    from depthscope.core import trace
    from depthscope.core.files import buffers

    with patch.object(trace, "MEMORY_BYTES", 0), patch.object(buffers, "FREE_BYTES", -1 << 60), temporary_files(root):
        return run(root)


def _npz(name: str, root: Path) -> None:
    import numpy as np

    with np.load(root / name, allow_pickle=False) as found:
        _ = [found[key].shape for key in found.files]


def _opens(name: str, root: Path) -> None:
    from depthscope.core import checkpoint
    from depthscope.probes.reading import linear_probe

    opened = checkpoint.load(root / name)
    linear_probe.load_scores(opened)


TRAIN = ["train", "graph", "--recipe", "house", "--threads", "1", "--out", "DISK/run"]
TRAIN += [word for setting in SMALL for word in ("--set", setting)]


def cases(inputs: Path) -> list[Case]:
    """All of them; files that are only read lie in `inputs`."""
    from benchmarks.robustness.fuzz.files import paper
    from depthscope.core.cli import main as core
    from depthscope.figures.cli import main as figures
    from depthscope.probes.cli import main as probes

    chain, theirs, plan = inputs / "chain.txt", inputs / "theirs.pt", inputs / "plan.toml"
    chain.write_text(CHAIN)
    theirs.write_bytes(paper("graph"))
    plan.write_text(PLAN)
    one = ["graph-house", str(chain)]

    def case(name: str, main: Callable[[list[str]], int], words: list[str], *how: Any, **more: Any) -> Case:
        return Case(name, partial(command, main, words), *how, **more)

    def printed(name: str, *words: str) -> Case:
        listing = lambda root: json.loads((root / "out").read_bytes())  # noqa: E731
        return Case(
            f"{name} --json >", partial(printing, [*words, "--json"]), listing, keeps=("out",), states=STATES[1:]
        )

    def page(name: str, what: Callable[[Path], object], *how: Any, **more: Any) -> Case:
        return Case(f"page: {name}", partial(on_page, what), *how, **more)

    log, new = ("training.jsonl",), ["--task", "graph", "--out", "DISK/new"]
    in_parts = partial(in_files, partial(command, core, ["trace", *one, "--steps", "1000"]))
    sweep = ["sweep", str(plan), "--out", "DISK/sweep", "--workers", "1"]
    return [
        case("trace --out", core, ["trace", *one, "--out", "DISK/t.npz"], partial(_npz, "t.npz"),
             partial(_earlier, "t.npz")),
        Case("trace in files", in_parts, unchecked),
        case("report --out", figures, ["report", *one, "--out", "DISK/page.html"],
             lambda root: (root / "page.html").read_text().index("</html>"), partial(_earlier, "page.html")),
        case("probes fit", probes, ["fit", "DISK/ck", "--instances", "40"], partial(_opens, "ck"), _checkpoint),
        case("probes patch --out", probes, ["patch", *one, "--out", "DISK/p.npz"], partial(_npz, "p.npz")),
        case("seal", core, ["seal", "DISK/ck"], partial(_opens, "ck"), _changed),
        case("import", core, ["import", str(theirs), *new], partial(_opens, "new")),
        case("train", core, TRAIN, partial(_opens, "run"), keeps=log),
        case("train --resume", core, [*TRAIN, "--resume"], partial(_opens, "run"), _stopped_run, log),
        case("sweep", core, sweep, partial(_opens, "sweep/graph-house-full-s0"), keeps=(".sweep.*", "records", *log)),
        printed("list", "core", "list"),
        printed("generate", "core", "generate", "graph", "--difficulty", "3", "--count", "40"),
        printed("patch", "probes", "patch", *one),
        page("keep a checkpoint", _keep, partial(_opens, "mine")),
        page("upload", _upload, lambda root: next(root.glob("*/config.json"))),
        page("upload a .pt", partial(_upload_pt, theirs), unchecked),
        page("train", _start, unchecked, keeps=("request.json", "stderr.txt", *log)),
    ]  # fmt: skip


def _keep(root: Path) -> None:
    from depthscope.core import checkpoint
    from depthscope.core.exchange import bundle

    bundle.keep(checkpoint.CHECKPOINTS / "graph-house", "mine", root)


def _upload(root: Path) -> None:
    from depthscope.core import checkpoint
    from depthscope.core.exchange import bundle
    from depthscope.ui.visit.uploads import UploadStore

    UploadStore(root).add(bundle.read(checkpoint.CHECKPOINTS / "graph-house"), "mine", "uploaded", "a visit")


def _upload_pt(file: Path, root: Path) -> None:
    from depthscope.ui.checkpoints.upload import from_paper

    with temporary_files(root):
        from_paper(file.read_bytes(), "graph", "theirs.pt")


def _start(root: Path) -> None:
    """Asks for a training, waits for its end, and says what its page would."""
    from depthscope.core.errors import InputError
    from depthscope.core.training.overrides import assignment
    from depthscope.ui.checkpoints.training_request import Request
    from depthscope.ui.checkpoints.training_run import TrainingRuns

    desk = TrainingRuns(root / "runs")
    name = desk.start(Request("graph", "house", 0, dict(map(assignment, SMALL))))
    desk.wait()
    run = desk.run(name)
    if run.state != "done":
        raise InputError(run.error or "the page says nothing")


# the app


def app(inputs: Path) -> Outcome:
    """Starts the app where no folder of its own can be written, and opens its first page in a browser."""
    from benchmarks.speed.serving import visited

    name, state = "the app", "read-only home, full /tmp"
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(disk(lambda root: None, "read-only"))
        full = stack.enter_context(disk(lambda root: None, "full"))
        os.environ["TMPDIR"] = str(inputs)  # the browser's own files are not what is tried
        stack.enter_context(temporary_files(inputs))
        for place in ("/var/tmp", "/tmp"):
            subprocess.run(["mount", "--bind", str(full), place], check=True)
            stack.callback(subprocess.run, ["umount", "-l", place], check=True)
        environment = {**os.environ, "HOME": str(home), "TMPDIR": str(full), "XDG_CACHE_HOME": str(home / "cache")}
        try:
            with visited(environment, ["depthscope.ui.shell.serve"]) as app:
                page = app.page()
                page.goto(app.url)
                page.wait_for_selector("[data-testid=stMainBlockContainer] h3", timeout=90_000)
                headline = page.locator("[data-testid=stMainBlockContainer] h3").first.inner_text()
                wrong = page.locator("[data-testid=stException], [data-testid=stAlert]").all_inner_texts() + app.wrong()
        except Exception as error:
            return Outcome(name, state, 1, "", repr(error))
        return Outcome(name, state, 0, headline, f"{wrong}" if wrong else None)


def main() -> int:
    """Prints a row for each case and disk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="this case alone; can be repeated")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if ALONE not in os.environ:
        as_root = [] if os.getuid() == 0 else ["--map-root-user"]
        words = ["unshare", "--mount", "--propagation", "private", *as_root, sys.executable, "-m", __spec__.name]
        return subprocess.run([*words, *sys.argv[1:]], env={**os.environ, ALONE: "1"}, check=False).returncode
    import torch

    torch.set_num_threads(1)
    found: list[Outcome] = []

    def note(one: Outcome) -> None:
        found.append(one)
        if not args.json:
            print(
                f"{one.name:24}{one.state:26}{one.status:3}  {one.problem or one.message or 'all fitted'}", flush=True
            )

    # not under /tmp, which is taken away from the app
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        inputs = Path(name)
        for case in cases(inputs):
            if not args.only or case.name in args.only:
                for state in case.states:
                    note(outcome(case, state))
        if not args.only or "the app" in args.only:
            note(app(inputs))
    wrong = [one for one in found if one.problem]
    if args.json:
        print(json.dumps({"holds": not wrong, "outcomes": [asdict(one) for one in found]}))
    else:
        print(f"{len(found) - len(wrong)} of {len(found)} hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
