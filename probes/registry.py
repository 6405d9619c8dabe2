"""The instruments by name. Those of the house are modules of `probes.instruments`; others are named at start-up.

An instrument of one's own is named as an adapter is: `--instrument MODULE:NAME` on the command line, or with commas
between them in the environment variable DEPTHSCOPE_INSTRUMENTS, for the app as well.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from depthscope.core.errors import InputError
from depthscope.core.named import name_each, named
from depthscope.probes.instrument import Instrument

NAMES = (
    "exit", "wavefront", "attention", "lens", "commitment", "interaction", "patch", "steps", "knockout", "similarity",
    "foretell", "highway", "steer", "automaton", "invariances", "agreement", "lyapunov", "pca", "convergence",
    "fixed-points", "repair", "do",
)  # fmt: skip
"""Instruments of the house, each the module of that name."""

COMMANDS = ("fit", "trivial")
"""Commands of `probes.commands` that are no instruments."""

VARIABLE = "DEPTHSCOPE_INSTRUMENTS"

_named: dict[str, Instrument] = {}
"""Those that the user named since the program began."""


def get(name: str) -> Instrument:
    """An instrument by name; KeyError if there is none."""
    if name in _named:
        return _named[name]
    if name not in NAMES:
        raise KeyError(name)
    return importlib.import_module(f"depthscope.probes.instruments.{name.replace('-', '_')}").measure


def names() -> tuple[str, ...]:
    """All names: those of the house, then those that the user named."""
    return (*NAMES, *_named)


def name_all(instruments: Iterable[str] = ()) -> None:
    """Imports the instruments that the command line and the environment name.

    Raises:
        InputError: If there is no such instrument, importing it fails, or its name is taken.
    """
    name_each(VARIABLE, instruments, _name)


def _name(text: str) -> None:
    instrument = named(text, Instrument, "an instrument")
    if instrument.name in (*NAMES, *COMMANDS) or _named.get(instrument.name, instrument) is not instrument:
        raise InputError(f"there is an instrument {instrument.name!r:.40} already; give yours another name")
    _named[instrument.name] = instrument
