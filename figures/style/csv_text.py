"""The one writer of CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(columns: Sequence[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV: a line of names, then a line a row; what needs quotes has them."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(columns)
    table.writerows(rows)
    return out.getvalue()
