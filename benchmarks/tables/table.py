"""A table: rows of named cells, as Markdown for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.files.atomic import write
from depthscope.core.files.strict_json import dumps

ROOT = Path(__file__).parents[2]
PAGE, KEPT = ROOT / "docs" / "results" / "tables.md", ROOT / "checkpoints" / "tables"


@dataclass(frozen=True)
class Share:
    """An accuracy with its 95% interval.

    Attributes:
        accuracy: In [0, 1].
        low: Lower end of its interval.
        high: Upper end.
        n: Instances.
        steps: T, where it belongs to one.
    """

    accuracy: float
    low: float
    high: float
    n: int
    steps: int | None = None

    def __str__(self) -> str:
        return f"{share(self.accuracy)} [{share(self.low)}, {share(self.high)}]"


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Its name on the command line.
        title: What it shows.
        command: What remakes it.
        notes: Sentences under it.
        rows: Cells by column; all rows have the same columns, and what a row lacks is None.
    """

    name: str
    title: str
    command: str
    notes: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]

    def markdown(self) -> str:
        """The table with its title, command and notes."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        lines = [" | ".join(columns), "|".join(["---"] * len(columns))]
        lines += [" | ".join(_text(row.get(name)) for name in columns) for row in self.rows]
        body = "\n".join(f"| {lines[0]} |" if i == 0 else f"|{x}|" for i, x in enumerate(lines))
        return "\n\n".join([f"**{self.title}.** `{self.command}`", body, *self.notes])


def keep(path: Path, content: Any, page: Path, table: Table, name: str | None = None) -> None:
    """Writes what a table is made of as JSON, and the table between its marks on a page of docs/results."""
    write(path, dumps(content, indent=1) + "\n")
    write(page, placed(page.read_text(), name or table.name, table.markdown()))


def placed(page: str, name: str, body: str) -> str:
    """The page with a table between its two marks; a table without marks is added at the end."""
    start, end = f"<!-- table {name} -->", f"<!-- end of table {name} -->"
    block = f"{start}\n{body}\n{end}"
    if start not in page:
        return f"{page.rstrip()}\n\n{block}\n"
    before, _, rest = page.partition(start)
    return before + block + rest.partition(end)[2]


def about(checkpoint: Checkpoint) -> dict[str, Any]:
    """The columns that every table begins with."""
    trained = checkpoint.training
    span = trained.get("difficulty")
    return {
        "checkpoint": checkpoint.name,
        "hints": checkpoint.config.hints,
        "supervision": supervision(trained),
        "parameters": f"{checkpoint.n_parameters:,}",
        "trained on": f"{span[0]}-{span[1]}" if span else None,
    }


def supervision(training: Mapping[str, Any]) -> str:
    """What the loss was on, in the words of the tables."""
    recipe = training.get("recipe") or {}
    everywhere = "every node" if recipe.get("supervision") == "node" else "answer only"
    alpha = recipe.get("alpha") or 0
    return everywhere if not alpha else f"{everywhere}, alpha = {alpha:g}"


def even(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Rows that all have the columns of any, difficulties in order at the end."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    columns.sort(key=lambda name: int(name) if name.isdigit() else -1)
    return tuple({name: row.get(name) for name in columns} for row in rows)


def over_seeds(values: Sequence[float]) -> str:
    """Median over seeds, and the range where they differ."""
    middle, low, high = (share(float(x)) for x in (np.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low}-{high})"


def share(value: float) -> str:
    """A share as the tables write it."""
    return f"{value:.3f}".removeprefix("0") if value < 1 else "1.000"


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).replace("|", "\\|")
