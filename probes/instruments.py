"""The instruments by name: what each asks, before it is imported.

An instrument is a module of `probes` with three functions:

    unfit(checkpoint) -> str | None             one sentence why it does not apply, None if it does
    measure(checkpoint, instances, *, steps=None, seed=0, progress=None, **options) -> result
    table(result) -> str                        what the command prints

A result is a frozen dataclass of numbers, arrays and texts, with the control and the uncertainty beside each figure;
`core.plain.dumps` makes JSON of it, `probes.results.save_npz` a file of arrays. `progress(done, total)` is called now
and then; what it raises stops the work. What would take more memory than there should be is refused before it starts.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Option:
    """An argument of one instrument, as argparse takes it; `flag` without dashes is the keyword of `measure`."""

    flag: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keyword(self) -> str:
        """Its name in `measure`."""
        return self.flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class Instrument:
    """What is said of an instrument before it is imported.

    Attributes:
        NAME: Of the command, and of the page in docs/instruments.
        SUMMARY: What it asks.
        module: Where it is.
        instances: How many instances are drawn when nobody gives any.
        options: Its own arguments.
    """

    NAME: str
    SUMMARY: str
    module: str
    instances: int = 1
    options: Sequence[Option] = ()

    def load(self) -> ModuleType:
        """The module; torch only comes along now."""
        return importlib.import_module(self.module)


INSTRUMENTS: tuple[Instrument, ...] = ()


def get(name: str) -> Instrument:
    """An instrument by name; KeyError if there is none."""
    return {instrument.NAME: instrument for instrument in INSTRUMENTS}[name]
