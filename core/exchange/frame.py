"""Results as tidy tables for other tools: pandas is imported here alone, and only when a table is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from depthscope.core.errors import InputError

if TYPE_CHECKING:
    import pandas

ESTIMATE = ("value", "low", "high", "n")
"""Fields of an estimate with its interval; each of its elements is one row."""


def table(columns: Mapping[str, Any]) -> pandas.DataFrame:
    """A table of columns of one length.

    Raises:
        InputError: If pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("a table needs pandas, which is not installed: pip install pandas") from None
    return pandas.DataFrame(dict(columns))


def frame_of(result: Any) -> pandas.DataFrame:
    """All numbers of a result, one row each.

    Args:
        result: A dataclass of numbers, arrays, estimates and further dataclasses, as instruments give them.

    Returns:
        Columns name (dotted where results are nested), index (of the element, "" of a single number), value, and low,
        high and n of estimates, NaN elsewhere. Texts are left out.

    Raises:
        InputError: If pandas is not installed.
    """
    columns: dict[str, list[Any]] = {name: [] for name in ("name", "index", *ESTIMATE)}
    for name, fields in _numbers(result, ""):
        shape = np.shape(fields["value"])
        for index in np.ndindex(shape):
            columns["name"].append(name)
            columns["index"].append(",".join(map(str, index)))
            for field in ESTIMATE:
                values = fields.get(field)
                columns[field].append(np.nan if values is None else np.broadcast_to(values, shape)[index])
    return table(columns)


def _numbers(result: Any, prefix: str) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Name and fields of each array of numbers in a result."""
    rows = []
    for name, value in (vars(result) if is_dataclass(result) else result).items():
        if is_dataclass(value) or isinstance(value, Mapping):
            fields = dict(vars(value) if is_dataclass(value) else value)
            if set(ESTIMATE[:3]) <= fields.keys():
                rows.append((prefix + name, {k: np.asarray(fields[k]) for k in ESTIMATE if k in fields}))
            else:
                rows += _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, tuple | list) and value and is_dataclass(value[0]):
            for i, one in enumerate(value):
                rows += _numbers(one, f"{prefix}{name}.{i}.")
        elif value is not None:
            array = np.asarray(
                [np.nan if x is None else x for x in value] if isinstance(value, tuple | list) else value
            )
            if array.dtype.kind in "biuf":
                rows.append((prefix + name, {"value": array}))
    return rows
