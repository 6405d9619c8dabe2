"""Which instrument runs on which shipped checkpoint, as the table in docs/instruments/README.md.

python -m probes.applicability        rewrites the table
"""

from __future__ import annotations

from pathlib import Path

from core import atomic, checkpoint
from core.checkpoint import Checkpoint
from core.errors import InputError
from probes import concepts
from probes.instruments import INSTRUMENTS

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


if __name__ == "__main__":
    atomic.write(PAGE, page())
