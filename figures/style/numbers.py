"""The numbers of a figure as a table, taken from the figure itself, so that they are what it shows."""

from __future__ import annotations

import html
import re
from typing import Any

import numpy as np
import plotly.graph_objects as go

from depthscope.figures.style.csv_text import csv_text, number

HEAD = ("series", "x", "y", "z", "low", "high", "label")

MARKUP = re.compile("</?[bi]>|<br>")
"""What figures write into labels; all other angle brackets of theirs are escaped names."""


def as_csv(fig: go.Figure) -> str:
    """Every point, bar and cell of a figure, a row each.

    Args:
        fig: Of scatters, bars and heatmaps.

    Returns:
        CSV with the columns of `HEAD`; those that no series has are left out. A line's bounds are the ends of its error
        bars; a cell has its value in z. An interval that is drawn as a band is two series without a name.

    Raises:
        ValueError: If a series is of another kind.
    """
    traces: Any = fig.data
    rows = [row for k, trace in enumerate(traces) for row in _rows(trace, _words(trace.name) or f"series {k + 1}")]
    used = [i for i in range(len(HEAD)) if any(row[i] != "" for row in rows)] or [0]
    return csv_text([HEAD[i] for i in used], ([row[i] for i in used] for row in rows))


def _rows(trace: Any, name: str) -> list[list[Any]]:
    if trace.type in ("scatter", "scattergl", "bar"):
        x, y, text = _list(trace.x), _list(trace.y), _list(trace.text)
        up, down = (_list(getattr(trace.error_y, end)) for end in ("array", "arrayminus"))
        down = down or up
        rows = []
        for i, v in enumerate(y):
            ends = (_off(v, down, i, -1), _off(v, up, i, 1))
            rows.append([name, number(_at(x, i, i)), number(v), "", *ends, _words(_at(text, i, ""))])
        return rows
    if trace.type == "heatmap":
        z = np.asarray(trace.z)
        x, y = _list(trace.x) or list(range(z.shape[1])), _list(trace.y) or list(range(z.shape[0]))
        text = None if trace.text is None else np.asarray(trace.text)
        return [
            [name, number(x[j]), number(y[i]), number(z[i, j]), "", "", "" if text is None else _words(text[i, j])]
            for i in range(z.shape[0])
            for j in range(z.shape[1])
        ]
    raise ValueError(f"a {trace.type} has no table")


def _list(values: Any) -> list[Any]:
    return [] if values is None or isinstance(values, str) else list(values)


def _at(values: list[Any], i: int, otherwise: Any) -> Any:
    return values[i] if i < len(values) else otherwise


def _off(value: Any, by: list[Any], i: int, sign: int) -> Any:
    return number(value + sign * by[i]) if i < len(by) and by[i] is not None and value is not None else ""


def _words(text: Any) -> str:
    """A label as it is read, without the markup that Plotly draws it from."""
    if text is None:
        return ""
    lines = MARKUP.sub(lambda tag: "; " if tag[0] == "<br>" else "", str(text))
    return html.unescape(lines)
