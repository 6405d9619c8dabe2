"""Which instrument runs on which shipped checkpoint, as the table in docs/instruments/README.md.

python -m probes.applicability                     rewrites the table
python -m probes.applicability --run [NAME ...]    runs every instrument that applies, on a few easy instances
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from core import atomic, checkpoint
from core.checkpoint import Checkpoint
from core.errors import InputError
from probes import concepts, subjects
from probes.instruments import INSTRUMENTS, Instrument

PAGE = Path(__file__).parent.parent / "docs" / "instruments" / "README.md"

RUNS = "runs"

HEAD = """# Instruments

One page each: the question, the formula, the controls, how to read it, the pitfalls. `python -m probes NAME --help`
lists the options; every command takes your own instance, a file of many, or draws some.

Which instrument runs on which shipped checkpoint; a number stands for the sentence below that says why not. The table
is written by `python -m probes.applicability`, and a test fails when it is out of date.
"""


def reasons(opened: Checkpoint) -> dict[str, str | None]:
    """Name of every instrument to why it does not apply to a checkpoint, None where it does."""
    found: dict[str, str | None] = {"fit": None, "exit": None, "trivial": None}
    try:
        concepts.concept_for(opened.config)
    except InputError as error:
        found["fit"] = str(error)
    return found | {instrument.NAME: instrument.load().unfit(opened) for instrument in INSTRUMENTS}


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
    file = {"fit": "linear-probe", "exit": "exit-rules"}.get(instrument, instrument)
    return f"[{instrument}]({file}.md)" if (PAGE.parent / f"{file}.md").is_file() else instrument


EASY, FEW, SHORT = 2, 8, 8
"""Difficulty, instances and steps of a trial run."""

MANY = 40
"""Instances of harder ones, of what looks into failures, where the easy ones have none."""


def _hard(opened: Checkpoint) -> int:
    """A difficulty at which a few steps are not enough, and which the checkpoint can read."""
    return min(2 * subjects.trained(opened), concepts.concept_for(opened.config).harder)


def trial(opened: Checkpoint, instrument: Instrument) -> str:
    """Runs an instrument on a few easy instances: what became of it, in one line."""
    module = instrument.load()
    why = module.unfit(opened)
    if why is not None:
        return f"does not apply: {why}"
    start, refused = time.perf_counter(), ""
    for difficulty, count in ((EASY, FEW), (_hard(opened), MANY)):
        try:
            drawn = subjects.draw(opened, [difficulty], count)
            table = module.table(module.measure(opened, drawn, steps=SHORT))
        except InputError as error:
            refused = f"refused at difficulty {difficulty}: {error}"
            continue
        return f"ran at difficulty {difficulty} in {time.perf_counter() - start:.0f} s: {table.splitlines()[0]}"
    return refused


def main() -> None:
    """Writes the page, or tries everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="runs instead of writing")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of checkpoints or instruments (default: all)")
    args = parser.parse_args()
    if not args.run:
        atomic.write(PAGE, page())
        return
    checkpoints = [entry["name"] for entry in checkpoint.available()]
    chosen = [name for name in checkpoints if name in args.names] or checkpoints
    wanted = [x for x in INSTRUMENTS if x.NAME in args.names] or INSTRUMENTS
    for name in chosen:
        opened = checkpoint.load(name)
        for instrument in wanted:
            print(f"{name} {instrument.NAME}: {trial(opened, instrument)}", flush=True)


if __name__ == "__main__":
    main()
