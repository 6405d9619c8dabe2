"""Where the program lies, and where it keeps what is written without a path being named."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout, or the folder of the installed package: beside core/ lie checkpoints/, docs/ and app.py."""

IS_CHECKOUT = (ROOT / "pyproject.toml").is_file()

IMPORTS = ROOT if IS_CHECKOUT else ROOT.parent
"""A process that starts in this folder finds `depthscope`."""


def install(extra: str) -> str:
    """The command that adds an extra to this installation."""
    return f"pip install -e '.[{extra}]'" if IS_CHECKOUT else f"pip install 'depthscope[{extra}]'"


def home() -> Path:
    """The checkout; once installed, a folder of the user's: DEPTHSCOPE_HOME, or ~/.depthscope."""
    return ROOT if IS_CHECKOUT else Path(os.environ.get("DEPTHSCOPE_HOME") or Path.home() / ".depthscope")
