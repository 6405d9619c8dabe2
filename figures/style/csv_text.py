"""The one writer of CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def csv_text(columns: Sequence[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV: a line of names, then a line a row; what needs quotes has them."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(columns)
    table.writerows(rows)
    return out.getvalue()


def number(value: Any) -> Any:
    """A cell: a fraction with six digits, whole numbers and text as they are, nothing for None and NaN."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float | np.floating) else value
