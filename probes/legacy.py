"""Instruments that are still declared apart from their modules; goes when the last of them is converted."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from depthscope.probes.instrument import Instrument, NoOptions


@dataclass(frozen=True)
class Option:
    """An argument."""

    flag: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Legacy:
    """An instrument as it was declared."""

    NAME: str
    SUMMARY: str
    module: str
    instances: int = 1
    options: Sequence[Option] = ()
    spread: bool = False


@dataclass(frozen=True)
class Old(Instrument):
    """An instrument whose module has measure(checkpoint, instances, ...), unfit and table."""

    module: Any = None
    flags: Sequence[Option] = ()

    def __call__(self, checkpoint: Any, instances: Any, **settings: Any) -> Any:
        """Measures."""
        return self.module.measure(checkpoint, instances, **settings)

    def arguments(self) -> Any:
        """Its flags."""
        for one in self.flags:
            yield one.flag, one.flag.lstrip("-").replace("-", "_"), one.settings

    def table(self, result: Any) -> str:
        """Its table."""
        return self.module.table(result)


LEGACY: tuple[Legacy, ...] = (
)


def get(name: str) -> Old:
    """The instrument of a module that is not converted."""
    old = next(x for x in LEGACY if name == x.NAME)
    module = importlib.import_module(old.module)
    return Old(
        name, old.SUMMARY, module.measure, NoOptions, module.unfit, old.instances, old.spread, module, old.options
    )
