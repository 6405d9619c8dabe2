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
from typing import Literal

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
        prepare: Fills the disk before it is closed or full.
        run: Writes; returns status and what it said on stderr.
        whole: Raises if what it wrote is not whole.
        keeps: Names of what may have grown or come without being the result itself.
        states: Disks on which it is tried.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], tuple[int, str]]
    whole: Callable[[Path], object]
    keeps: tuple[str, ...] = ()
    states: tuple[State, ...] = STATES


@dataclass(frozen=True)
class Outcome:
    """How one case ended on one disk."""

    name: str
    state: str
    status: int
    said: str
    problem: str | None


@contextlib.contextmanager
def disk(prepare: Callable[[Path], None], state: State) -> Iterator[Path]:
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
            status, said = case.run(root)
        except Exception:
            return Outcome(case.name, state, -1, "", traceback.format_exc())
        after = snapshot(root)
        said = said.replace(str(root), "DISK")
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        problem = None
        if status == 0:
            try:
                if state in ("read-only", "full"):
                    raise AssertionError("it says that all is well")
                case.whole(root)
            except Exception as error:
                problem = f"what it wrote is not whole: {error!r}"
        elif status != 2 or len(lines) != 1 or "Traceback" in said:
            problem = f"status {status}: {said[-2000:]}"
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
    said, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(told):
        status = main([word.replace("DISK", str(root)) for word in words])
    return status, said.getvalue()


def printing(words: list[str], root: Path) -> tuple[int, str]:
    """A command whose output goes to a file on the disk, as a process."""
    with (root / "out").open("ab") as out:
        done = subprocess.run(
            [sys.executable, "-m", *words], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    return done.returncode, done.stderr


def asked(what: Callable[[Path], object], root: Path) -> tuple[int, str]:
    """Something that a page does; its InputError is what the page shows."""
    from depthscope.core.errors import InputError

    try:
        what(root)
    except InputError as error:
        return 2, f"error: {error}\n"
    return 0, ""


def nothing(_root: Path) -> None:
    """An empty disk."""


def _earlier(name: str, root: Path) -> None:
    (root / name).write_bytes(b"from before" * 100)


def _checkpoint(root: Path) -> None:
    from depthscope.core.checkpoint import CHECKPOINTS

    shutil.copytree(CHECKPOINTS / "graph-house", root / "ck")


def _stopped_run(root: Path) -> None:
    from depthscope.core.cli import main

    status, said = command(main, [*TRAIN, "--max-seconds", "0"], root)
    assert status == 0, said


def _changed(root: Path) -> None:
    """A checkpoint whose user wrote a card of his own."""
    _checkpoint(root)
    (root / "ck" / "README.md").write_text("mine\n")


def in_files(run: Callable[[Path], tuple[int, str]], root: Path) -> tuple[int, str]:
    """A command whose recording is too large for memory, as if the disk had filled up since its size was compared."""
    from depthscope.core import trace
    from depthscope.core.files import buffers

    plain = (trace.MEMORY_BYTES, buffers.FREE_BYTES, tempfile.tempdir)
    trace.MEMORY_BYTES, buffers.FREE_BYTES, tempfile.tempdir = 0, -1 << 60, str(root)
    try:
        return run(root)
    finally:
        trace.MEMORY_BYTES, buffers.FREE_BYTES, tempfile.tempdir = plain


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
    html = partial(lambda root: (root / "page.html").read_text().index("</html>"))
    listing = lambda root: json.loads((root / "out").read_bytes())  # noqa: E731
    return [
        Case("trace --out", partial(_earlier, "t.npz"), partial(command, core, ["trace", *one, "--out", "DISK/t.npz"]),
             partial(_npz, "t.npz")),
        Case("trace in files", nothing,
             partial(in_files, partial(command, core, ["trace", *one, "--steps", "1000"])), nothing),
        Case("report --out", partial(_earlier, "page.html"),
             partial(command, figures, ["report", *one, "--out", "DISK/page.html"]), html),
        Case("probes fit", _checkpoint, partial(command, probes, ["fit", "DISK/ck", "--instances", "40"]),
             partial(_opens, "ck")),
        Case("probes patch --out", nothing, partial(command, probes, ["patch", *one, "--out", "DISK/p.npz"]),
             partial(_npz, "p.npz")),
        Case("seal", _changed, partial(command, core, ["seal", "DISK/ck"]), partial(_opens, "ck")),
        Case("import", nothing, partial(command, core, ["import", str(theirs), "--task", "graph", "--out", "DISK/new"]),
             partial(_opens, "new")),
        Case("train", nothing, partial(command, core, TRAIN), partial(_opens, "run"), ("training.jsonl",)),
        Case("train --resume", _stopped_run, partial(command, core, [*TRAIN, "--resume"]), partial(_opens, "run"),
             ("training.jsonl",)),
        Case("sweep", nothing, partial(command, core, ["sweep", str(plan), "--out", "DISK/sweep", "--workers", "1"]),
             partial(_opens, "sweep/graph-house-full-s0"), (".sweep.*", "records", "training.jsonl")),
        Case("list --json >", nothing, partial(printing, ["core", "list", "--json"]), listing, ("out",), STATES[1:]),
        Case("generate --json >", nothing,
             partial(printing, ["core", "generate", "graph", "--difficulty", "3", "--count", "40", "--json"]), listing,
             ("out",), STATES[1:]),
        Case("patch --json >", nothing, partial(printing, ["probes", "patch", *one, "--json"]), listing, ("out",),
             STATES[1:]),
        Case("page: keep a checkpoint", nothing, partial(asked, _keep), partial(_opens, "mine")),
        Case("page: upload", nothing, partial(asked, _upload), lambda root: next(root.glob("*/config.json"))),
        Case("page: upload a .pt", nothing, partial(asked, partial(_upload_pt, theirs)), nothing),
        Case("page: train", nothing, partial(asked, _start), nothing, ("request.json", "stderr.txt", "training.jsonl")),
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

    before, tempfile.tempdir = tempfile.tempdir, str(root)
    try:
        from_paper(file.read_bytes(), "graph", "theirs.pt")
    finally:
        tempfile.tempdir = before


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
    from playwright.sync_api import sync_playwright

    from benchmarks.speed.serving import CHROMIUM, serving

    name, state = "the app", "read-only home, full /tmp"
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(disk(nothing, "read-only"))
        full = stack.enter_context(disk(nothing, "full"))
        os.environ["TMPDIR"] = str(inputs)  # the browser's own files are not what is tried
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for place in ("/var/tmp", "/tmp"):
            subprocess.run(["mount", "--bind", str(full), place], check=True)
            stack.callback(subprocess.run, ["umount", "-l", place], check=True)
        environment = {**os.environ, "HOME": str(home), "TMPDIR": str(full), "XDG_CACHE_HOME": str(home / "cache")}
        log = inputs / "log.txt"
        try:
            with serving(log, environment, start=["depthscope.ui.shell.serve"]) as (url, _):
                page = browser.new_page()
                page.goto(url)
                page.wait_for_selector("[data-testid=stMainBlockContainer] h3", timeout=90_000)
                said = page.locator("[data-testid=stMainBlockContainer] h3").first.inner_text()
                wrong = page.locator("[data-testid=stException], [data-testid=stAlert]").all_inner_texts()
        except Exception as error:
            return Outcome(name, state, 1, "", f"{error!r}; {log.read_text(errors='replace')[-2000:]}")
        text = log.read_text(errors="replace")
        problem = f"{wrong}" if wrong else text[-2000:] if "Traceback" in text else None
        return Outcome(name, state, 0, said, problem)


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
            print(f"{one.name:24}{one.state:26}{one.status:3}  {one.problem or one.said or 'all fitted'}", flush=True)

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
