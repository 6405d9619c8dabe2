"""Arrays of an npz from anyone: nothing is unpickled, and what is no such file is one sentence."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from depthscope.core.errors import InputError


def arrays(path: Path, needed: Sequence[str], version: int) -> dict[str, np.ndarray]:
    """The arrays in a file by name, without its `version`.

    Args:
        path: An npz.
        needed: Names that it has to hold.
        version: The latest that is read; a file that names none is of the first.

    Raises:
        InputError: If it is no npz, of a later version, or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            result = {name: file[name] for name in file.files}
        given = int(result.pop("version", np.array(1)))
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, ValueError, TypeError, AttributeError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{path} is no npz that can be read") from None
    if given > version:
        raise InputError(f"{path} is of version {given}, and this program reads up to {version}; install a newer one")
    if lacking := [name for name in needed if name not in result]:
        raise InputError(f"{path} is no trace: it lacks {lacking[0]}")
    return result
