"""Imports as they were before `core`, `probes` and `figures` became parts of `depthscope`.

A script that says `from core.protocol import Shapes` in a checkout gets `depthscope.core.protocol`, the same module,
and a note on stderr. In the wheel there is no `core` to import.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from depthscope.core.named import PARTS

RENAMED = {
    "core.adapters": "core.kinds",
    "core.arrival": "core.frontier",
    "core.batch": "core.answer_many",
    "core.export": "core.exchange.npz",
    "core.geometric": "core.nearest_match",
    "core.importing": "core.exchange.paper_import",
    "core.inputs": "core.tasks.read",
    "core.lessons": "core.training.batches",
    "core.lines": "core.tasks.many",
    "core.plain": "core.files.strict_json",
    "core.room": "core.files.buffers",
    "core.sweep": "core.sweeps.run",
    "core.training_log": "core.training.log",
    "probes.alike": "probes.maths.similarity",
    "probes.concepts": "core.tasks.concepts",
    "probes.edits": "probes.editing.language",
    "probes.intervene": "probes.editing.runner",
    "probes.linear": "probes.reading.linear_probe",
    "probes.readings": "probes.reading.of_trace",
    "probes.sample": "probes.reading.nodes",
}
"""Modules that have another name, and not only another folder."""

FOLDERS = {
    "core": ("training", "exchange", "files", "tasks", "sweeps"),
    "probes": ("instruments", "reading", "editing", "measuring", "maths"),
    "figures": ("instruments", "frontier", "linked_views", "attention_maps", "report_page", "style"),
}
"""Where a module of each part may have gone."""


def now(name: str) -> str | None:
    """The present name of a module by its former one; None if there is none."""
    part, _, rest = name.partition(".")
    for old, new in RENAMED.items():
        if name == old or name.startswith(old + "."):
            return f"depthscope.{new}{name[len(old) :]}"
    candidates = [f"depthscope.{name}", *(f"depthscope.{part}.{folder}.{rest}" for folder in FOLDERS.get(part, ()))]
    for candidate in candidates:
        try:
            if find_spec(candidate) is not None:
                return candidate
        except ModuleNotFoundError:  # of a folder on the way
            continue
    return None


class _Former(MetaPathFinder, Loader):
    """Finds modules under the names they had, and gives those that stand under the present ones."""

    noted = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        part, _, rest = fullname.partition(".")
        if part not in PARTS or not rest or rest == "__main__":
            return None
        name = now(fullname)
        if name is None:
            raise ModuleNotFoundError(
                f"there is no {fullname} any more; write `from depthscope.{part}...`", name=fullname
            )
        if not _Former.noted:
            _Former.noted = True
            print(f"note: {fullname} is {name} now; write `from {name} import ...`", file=sys.stderr)
        present = importlib.import_module(name)
        return ModuleSpec(fullname, self, loader_state=(present, present.__spec__))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return spec.loader_state[0]

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state[1]  # the import system has put the former name there


def install() -> None:
    """Lets former names be imported; done by a part that is imported under its bare name."""
    if not any(isinstance(finder, _Former) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Former())
