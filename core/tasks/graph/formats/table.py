"""Tables: csv, tsv and npy files that hold an adjacency matrix or a list of edges.

A square table of more than two rows (names in the first row and column aside) is a matrix: row = from, column = to,
anything but 0 is an edge. Two or three columns are a list of edges, the third a weight that is ignored.
"""

from __future__ import annotations

import csv
import io
import re
import warnings

import numpy as np

from depthscope.core.errors import InputError
from depthscope.core.tasks.graph.formats.draft import MAX_EDGES, MAX_NODES, Draft, check_counts
from depthscope.core.tasks.graph.formats.edge_list import take_header

COMMENT = re.compile(r"\s*#(\s|$)")  # not "#love,#hate", which may be nodes
HEADERS = {
    ("source", "target"), ("from", "to"), ("src", "dst"), ("src", "dest"), ("start", "end"), ("tail", "head"),
    ("u", "v"), ("node1", "node2"), ("fromnodeid", "tonodeid"), ("parent", "child"),
}  # fmt: skip

Rows = list[list[str]]


def read(text: str, as_matrix: bool | None = None) -> Draft:
    """Read a table with commas, semicolons, tabs or spaces between its cells.

    Args:
        text: The file; lines of comment (`#`) may come first and may name source and target.
        as_matrix: Whether it is a matrix; None to tell by the shape.

    Raises:
        InputError: With the line that cannot be read.
    """
    draft = Draft()
    rows, lines = _rows(text, draft)
    if not rows:
        return draft
    matrix = None if as_matrix is False else _as_matrix(rows, lines, sure=bool(as_matrix))
    if matrix is not None:
        _add_matrix(draft, *matrix)
    elif as_matrix:
        raise InputError(f"the table is not square: {len(rows)} rows and {len(rows[0])} columns; complete the matrix")
    else:
        _add_edges(draft, rows, lines)
    return draft


def read_matrix(text: str) -> Draft:
    """Read a table as an adjacency matrix, whatever its shape.

    Raises:
        InputError: As `read`.
    """
    return read(text, as_matrix=True)


def read_npy(data: bytes, as_matrix: bool | None = None) -> Draft:
    """Read an array file: (n, n) with n > 2 is a matrix, (E, 2) or (E, 3) a list of edges.

    Raises:
        InputError: If it is no plain array of numbers, or has another shape.
    """
    values = _load_array(data)
    n_rows, n_columns = values.shape
    draft = Draft()
    if as_matrix is None:
        as_matrix = n_rows == n_columns and n_rows > 2
    if as_matrix:
        if n_rows != n_columns:
            raise InputError(f"the array is not square: its shape is {values.shape}; a matrix has a row a node")
        _add_matrix(draft, [str(i) for i in range(n_rows)], values)
    elif n_columns in (2, 3):
        check_counts(0, n_rows)
        for start, end in values[:, :2].tolist():
            draft.edge(draft.node(_text(start)), draft.node(_text(end)))
    else:
        raise InputError(f"the array has the shape {values.shape}; give a square matrix, or 2 or 3 columns of edges")
    return draft


def _load_array(data: bytes) -> np.ndarray:
    """A 2-dimensional array of finite numbers."""
    try:
        with warnings.catch_warnings(action="ignore"):  # numpy warns of headers that Python 2 wrote
            values = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # numpy hands the header to Python's own parser and passes on whatever that raises
        what = " ".join(str(error).partition("If you trust")[0].split())[:150].rstrip(".")
        raise InputError(f"the file is not a numpy array ({what}); save numbers with numpy.save") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        raise InputError("the file is not a numpy array of plain numbers; save integers or floats with numpy.save")
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"the array has the shape {values.shape}; give a square matrix, or 2 or 3 columns of edges")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0].tolist()
        raise InputError(f"row {row + 1}, column {column + 1} of the array is not a finite number; write 0 or 1")
    return values


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _rows(text: str, draft: Draft) -> tuple[Rows, list[int]]:
    """The cells without empty rows, and the line each row ends on; takes source and target from comments above."""
    stream = io.StringIO(text, newline=None)
    number, line = 0, ""
    for number, line in enumerate(stream):
        if line.strip() and not take_header(line, number + 1, draft) and not COMMENT.match(line):
            break
    else:
        return [], []
    rest = line + stream.read()
    delimiter = next((c for where in (line, rest) for c in "\t,;" if c in where), " ")
    reader = csv.reader(io.StringIO(rest), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, lines = [], []
    try:
        for cells in reader:
            if len(cells) > MAX_NODES + 1 or len(rows) > MAX_NODES + MAX_EDGES:
                raise InputError(f"line {number + reader.line_num} goes over the limit of columns or rows; take a part")
            row = [cell.strip() for cell in cells]
            if delimiter == " ":
                row = [cell for cell in row if cell]
            if any(row):
                rows.append(row)
                lines.append(number + reader.line_num)
    except csv.Error as error:
        raise InputError(f"line {number + reader.line_num} is not a row of a table ({error}); correct it") from None
    return rows, lines


def _as_matrix(rows: Rows, lines: list[int], sure: bool) -> tuple[list[str], np.ndarray] | None:
    """Names and (n, n) values if the table is a matrix, with or without names in the first row and column.

    Args:
        rows: The cells.
        lines: Line of each row, for errors.
        sure: Whether the table is known to be a matrix, so that 2 rows will do and faults are errors.
    """
    height, width = len(rows), max(map(len, rows))
    if not sure and (height < 3 or _known_header(rows[0])):
        return None
    if height > MAX_NODES + 1 or abs(height - width) > 1:
        return None
    for row, line in zip(rows, lines, strict=True):
        if len(row) != width and (sure or width > 3):
            raise InputError(f"line {line} has {len(row)} cells where the matrix has {width}; complete the row")
        if len(row) != width:
            return None
    head, side = rows[0], [row[0] for row in rows]
    if height == width and _numbers(rows) is not None:
        return [str(i) for i in range(height)], _finite(rows, lines, 0)
    if height == width > 1 and head[1:] == side[1:]:
        names, body, skipped = head[1:], [row[1:] for row in rows[1:]], 1
    elif height == width + 1 and (sure or width > 3 or _is_zeros_and_ones(rows[1:])):
        names, body, skipped = head, rows[1:], 1
    elif width == height + 1 and (sure or width > 3):
        names, body, skipped = side, [row[1:] for row in rows], 0
    else:
        return _not_a_matrix(rows, lines) if height == width and (sure or width > 3) else None
    if _numbers(body) is None and not (sure or width > 3):
        return None
    if len(set(names)) != len(names):
        raise InputError("two columns of the matrix have the same name; give each node its own")
    return names, _finite(body, lines[skipped:], width - len(body[0]))


def _not_a_matrix(rows: Rows, lines: list[int]) -> tuple[list[str], np.ndarray]:
    """A square table with text in it that does not name rows and columns alike: say where it fails."""
    if len(rows) > 1 and _numbers([row[1:] for row in rows[1:]]) is not None:
        raise InputError("the names of the rows and of the columns differ; give both the same names in the same order")
    return [], _finite(rows, lines, 0)


def _numbers(cells: Rows) -> np.ndarray | None:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return None


def _is_zeros_and_ones(cells: Rows) -> bool:
    values = _numbers(cells)
    return values is not None and bool(np.isin(values, (0, 1)).all())


def _finite(cells: Rows, lines: list[int], skipped_columns: int) -> np.ndarray:
    """The cells as finite numbers.

    Raises:
        InputError: With the line and the column of the first cell that is none.
    """
    values = _numbers(cells)
    if values is not None and np.isfinite(values).all():
        return values
    for row, line in zip(cells, lines, strict=True):
        for column, cell in enumerate(row, 1 + skipped_columns):
            value = _numbers([[cell]])
            if value is None or not np.isfinite(value).all():
                raise InputError(
                    f"line {line}, column {column}: {cell[:40]!r} is not a finite number; "
                    "write 0 for no edge and 1 for an edge"
                )
    raise InputError("the rows of the matrix differ in length; complete them")


def _add_matrix(draft: Draft, names: list[str], values: np.ndarray) -> None:
    check_counts(0, int(np.count_nonzero(values)))
    for name in names:
        draft.node(name)
    draft.pairs.extend(np.argwhere(values).ravel().tolist())


def _add_edges(draft: Draft, rows: Rows, lines: list[int]) -> None:
    width = max(map(len, rows))
    header = _is_edge_header(rows)
    named = header and _known_header(rows[0])
    if width > 3 and not named:
        raise InputError(
            f"the table has {len(rows)} rows and {width} columns; a matrix is square, a list of edges has "
            "2 or 3 columns or begins with the header source,target"
        )
    columns = [cell.lower() for cell in rows[0]] if named else []
    kind = columns.index("type") if "type" in columns else None  # Gephi's; says which edges are undirected
    if header:
        draft.notes.append("The first row was read as a header.")
    for row, line in zip(rows[header:], lines[header:], strict=True):
        if not row[0] or (len(row) > 1 and not row[1] and any(row[1:])):
            raise InputError(f"line {line} has an empty cell where a node should be; write its name")
        start = draft.node(row[0])
        if len(row) > 1 and row[1]:
            undirected = kind is not None and len(row) > kind and row[kind].lower() == "undirected"
            draft.edge(start, draft.node(row[1]), not undirected)


def _known_header(row: list[str]) -> bool:
    return len(row) > 1 and tuple(cell.lower() for cell in row[:2]) in HEADERS


def _is_edge_header(rows: Rows) -> bool:
    """Whether the first row names the columns: by words known for it that are no nodes, or as text above numbers."""
    head, rest = rows[0], rows[1:]
    if len(head) < 2 or not rest:
        return False
    if _known_header(head):
        return not any(name in row[:2] for name in head[:2] for row in rest)
    columns = [[row[i] for row in rest if len(row) > i and row[i]] for i in range(min(3, len(head)))]
    above = [bool(x) and _numbers([[head[i]]]) is None and _numbers([x]) is not None for i, x in enumerate(columns)]
    return all(above[:2]) or any(above[2:])
