"""Which instrument runs on which shipped checkpoint: the table in docs/instruments/README.md, and a record of trials.

python -m benchmarks.applicability                     rewrites the table
python -m benchmarks.applicability --run [NAME ...]    runs every instrument that applies, on a few easy instances, and
                                                   keeps in docs/instruments/runs.json what came of each
python -m benchmarks.applicability --run --restamp     only what is not in the record, or was tried on other weights or
                                                   with other code; nothing is stamped that was not run

`make record` is the last of these. A row is stamped with digests of the weights and of the instrument's code: its
module and all that this imports of `depthscope.probes`, without comments, docstrings and spaces.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import multiprocessing
import time
import tokenize
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from depthscope.core import checkpoint
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.files import atomic, digests
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks import concepts
from depthscope.probes import registry as instruments
from depthscope.probes.instruments import trivial
from depthscope.probes.measuring import instances as subjects
from depthscope.probes.reading import linear_probe

PAGE = Path(__file__).parent.parent / "docs" / "instruments" / "README.md"
RECORD = PAGE.parent / "runs.json"

FIT, TRIVIAL = "fit", "trivial"
NAMES = (FIT, TRIVIAL, *instruments.NAMES)
"""Rows of the table."""

AGAIN = "make record"

RUNS = "runs"

HEAD = """# Instruments

Each has a page with the question, the formula, the controls, how to read it, and the pitfalls. `depthscope probe NAME
--help` lists the options. Every command measures an instance of yours, a file of many, or generated ones.

The table shows which instrument runs on which shipped checkpoint; a number refers to the sentence below the table that
says why it does not. `python -m benchmarks.applicability` writes the table, and a test fails when it is out of date.
[runs.json](runs.json) has the outcome of each cell on a few easy instances, written by `make record`; a test fails when
a cell was never run on the shipped weights with the code as it is.
"""


def code(name: str) -> str:
    """Digest of the code of an instrument: its module and all that this imports of probes."""
    module = linear_probe.__name__ if name == FIT else f"depthscope.probes.instruments.{name.replace('-', '_')}"
    files, left = {module}, [module]
    while left:
        found = _read(left.pop())[1] - files
        files |= found
        left += found
    return digests.of("".join(_read(file)[0] for file in sorted(files)).encode())


@cache
def _read(module: str) -> tuple[str, frozenset[str]]:
    """What a module of ours says, without comments, docstrings and spaces, and which modules of probes it imports."""
    path = _file(module)
    assert path is not None
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = lines[token.start[0] - 1][: token.start[1]]
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    own = frozenset(name for name in imported if name.startswith("depthscope.probes.") and _file(name))
    return "".join("".join(lines).split()), own


def _file(module: str) -> Path | None:
    """The file of a module of ours, if it is one."""
    path = PAGE.parents[2].joinpath(*module.split(".")[1:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def reasons(opened: Checkpoint, names: Iterable[str] = NAMES) -> dict[str, str | None]:
    """Name of instruments to why each does not apply to a checkpoint, None where it does."""
    return {name: _unfit(opened, name) for name in names}


def _unfit(opened: Checkpoint, name: str) -> str | None:
    if name == TRIVIAL:
        return None
    if name != FIT:
        return instruments.get(name).unfit(opened)
    try:
        concepts.concept_for(opened.config)
    except InputError as error:
        return str(error)
    return None


def page() -> str:
    """The page: an instrument a row, a checkpoint a column."""
    names = [entry["name"] for entry in checkpoint.available()]
    columns = [reasons(checkpoint.load(name)) for name in names]
    sentences = list(dict.fromkeys(why for column in columns for why in column.values() if why is not None))
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for instrument in columns[0] if columns else ():
        cells = [column[instrument] for column in columns]
        shown = (RUNS if why is None else f"({sentences.index(why) + 1})" for why in cells)
        lines.append(f"| {_link(instrument)} | {' | '.join(shown)} |")
    notes = [f"{i}. {sentence[:1].upper()}{sentence[1:]}." for i, sentence in enumerate(sentences, start=1)]
    return "\n".join([HEAD, *lines, *(["", *notes] if notes else [])]) + "\n"


def _link(instrument: str) -> str:
    """Its name, as a link to its page where there is one."""
    return f"[{instrument}]({instrument}.md)" if (PAGE.parent / f"{instrument}.md").is_file() else instrument


EASY, FEW, SHORT = 2, 6, 4
"""Difficulty, instances and steps of a trial run."""

MANY = 40
"""Instances of harder ones, of what looks into failures, where the easy ones have none."""

HURRIED = 2
"""Steps where a model is right on those as well."""

FEWER = {"fixed-points": 1, "patch": 2, "do": 2, "lyapunov": 2, "interaction": 2, "steer": 4}
"""Instances of what takes long for each."""


def _hard(opened: Checkpoint) -> int:
    """A difficulty at which a few steps are not enough, and which the checkpoint can read."""
    return min(2 * subjects.trained(opened), concepts.concept_for(opened.config).harder)


RAN, UNFIT, REFUSED = "ran", "does not apply", "refused"


@dataclass(frozen=True)
class Trial:
    """What came of one instrument on one checkpoint.

    Attributes:
        checkpoint: Its name.
        instrument: Name of the instrument.
        sha256: Of the weights.
        code: Digest of the instrument's code.
        became: RAN, UNFIT or REFUSED.
        said: First line of its table, or the sentence why it does not apply or was refused.
        seconds: That it took.
    """

    checkpoint: str
    instrument: str
    sha256: str
    code: str
    became: str
    said: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.checkpoint} {self.instrument}: {self.became} in {self.seconds:.0f} s: {self.said}"


def trial(opened: Checkpoint, name: str) -> Trial:
    """Runs an instrument on a few easy instances, and stores nothing."""
    start, why = time.perf_counter(), reasons(opened, [name])[name]
    became, said = (UNFIT, why) if why is not None else _ran(opened, name)
    seconds = round(time.perf_counter() - start, 1)
    return Trial(opened.name, name, opened.sha256, code(name), became, said, seconds)


def _ran(opened: Checkpoint, name: str) -> tuple[str, str]:
    """What became of it, and what it said."""
    try:
        if name == FIT:
            scores = linear_probe.fit(opened, instances=linear_probe.MIN_INSTANCES)[1]
            return RAN, f"{len(scores.tests)} sets of nodes, fitted on {scores.n_train:,} nodes"
        if name == TRIVIAL:
            data = concepts.data_for(opened.config)
            found = trivial.score(opened, [EASY], FEW, data, 0)
            return RAN, ", ".join(f"{x.rule} {x.accuracy.value[0]:.3f}" for x in found)
    except InputError as error:
        return REFUSED, str(error)
    instrument, refused = instruments.get(name), ""
    hard = _hard(opened)
    for difficulty, count, steps in ((EASY, FEWER.get(name, FEW), SHORT), (hard, MANY, SHORT), (hard, MANY, HURRIED)):
        try:
            drawn = subjects.draw(opened, [difficulty], count)
            return RAN, instrument.table(instrument(opened, drawn, steps=steps)).splitlines()[0]
        except InputError as error:
            refused = f"at difficulty {difficulty}: {error}"
    return REFUSED, refused


def recorded(path: Path | None = None) -> list[Trial]:
    """The trials that were kept; none if there is no record.

    Raises:
        InputError: If it is no record.
    """
    path = RECORD if path is None else path
    try:
        rows = json.loads(path.read_text()) if path.exists() else []
        return [Trial(**{"code": "", **row}) for row in rows]  # rows of earlier versions name no code
    except (ValueError, TypeError):
        raise InputError(f"{path} is no record of trials; make it anew: {AGAIN}") from None


def keep(trials: Iterable[Trial], path: Path | None = None) -> None:
    """Puts trials into the record: each replaces the earlier one of the same cell, all others stay."""
    path = RECORD if path is None else path
    cells = {(x.checkpoint, x.instrument): x for x in (*recorded(path), *trials)}
    rows = [dumps(vars(cells[cell])) for cell in sorted(cells)]
    atomic.write(path, "[\n" + ",\n".join(rows) + "\n]\n")


def gaps(path: Path | None = None) -> Iterator[tuple[str, str, str]]:
    """Checkpoint, instrument and a sentence for every cell of the table that the record does not support.

    Args:
        path: The record.
    """
    cells = {(x.checkpoint, x.instrument): x for x in recorded(path)}
    for name in (entry["name"] for entry in checkpoint.available()):
        opened = checkpoint.load(name)
        for instrument, why in reasons(opened).items():
            found = cells.get((name, instrument))
            if found is None:
                yield name, instrument, "was never tried"
            elif found.sha256 != opened.sha256:
                yield name, instrument, "was tried on other weights"
            elif found.code != code(instrument):
                yield name, instrument, "was tried with other code"
            elif found.became != (RAN if why is None else UNFIT) or not found.said:
                yield name, instrument, f"is said to {'not apply' if why else 'run'}, but {found.became}: {found.said}"


def main() -> None:
    """Writes the page, or tries everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="runs instead of writing")
    parser.add_argument("--restamp", action="store_true", help="with --run: only what the record lacks or has stale")
    parser.add_argument("--workers", type=int, default=1, help="processes, of one thread each (default 1)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of checkpoints or instruments (default: all)")
    args = parser.parse_args()
    if not args.run:
        atomic.write(PAGE, page())
        return
    checkpoints = [entry["name"] for entry in checkpoint.available()]
    if unknown := sorted({*args.names} - {*checkpoints, *NAMES}):
        parser.error(f"{unknown[0]!r} is neither a shipped checkpoint nor an instrument")
    wanted = [name for name in NAMES if name in args.names] or NAMES
    chosen = [name for name in checkpoints if name in args.names] or checkpoints
    cells = [(name, instrument) for name in chosen for instrument in wanted]
    if args.restamp:
        lacking = {(name, instrument) for name, instrument, _ in gaps()}
        cells = [cell for cell in cells if cell in lacking]
    before = {(x.checkpoint, x.instrument): x for x in recorded()}
    for found in _tried(cells, args.workers):
        keep([found])  # one by one: what was tried stays when the rest is stopped
        earlier = before.get((found.checkpoint, found.instrument))
        differs = earlier is not None and (earlier.became, earlier.said) != (found.became, found.said)
        print(f"{found}\n    BEFORE: {earlier.became}: {earlier.said}" if earlier and differs else found, flush=True)


def _tried(cells: list[tuple[str, str]], workers: int) -> Iterator[Trial]:
    """Trials of these cells as they end; those that took longest before begin."""
    if workers == 1:
        yield from (_try(*cell) for cell in cells)
        return
    took = {(x.checkpoint, x.instrument): x.seconds for x in recorded()}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, torch.set_num_threads, (1,)) as pool:
        trials = [pool.submit(_try, *cell) for cell in sorted(cells, key=lambda cell: -took.get(cell, 0))]
        yield from (done.result() for done in as_completed(trials))


def _try(name: str, instrument: str) -> Trial:
    return trial(checkpoint.load(name), instrument)


if __name__ == "__main__":
    main()
