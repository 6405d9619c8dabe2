"""The plan of a sweep: a TOML or JSON file that lists runs as cross products of seeds, recipes and variants.

[[runs]]
task = "graph"
recipe = "house"                                # or several: ["paper", "paper-perstep"]
seeds = [0, 1, 2]                               # default [0]
set = { batches = 400 }                         # overrides, for all variants
measure = { difficulty = "1-12,20", instances = 200, data = "audited", seed = 0 }    # or false

[runs.variants]                                 # in place of it `name = "..."` names the one variant
full = {}
"no gate" = { "model.gate_bias" = "null" }      # strings are read as --set reads them; TOML has no null
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from depthscope.core.commands.arguments import difficulties
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import plain
from depthscope.core.training import overrides, recipes
from depthscope.core.training.recipes import Recipe

FULL = "full"
"""The variant without overrides."""

MAX_RUNS, MAX_SEED, MAX_BYTES = 10_000, 1_000_000, 1 << 20
KEYS = ("task", "recipe", "seeds", "set", "name", "variants", "measure")


@dataclass(frozen=True)
class Measure:
    """What is measured of a trained run, each difficulty at the task's own number of steps.

    Attributes:
        difficulty: Difficulties.
        instances: Of each.
        data: "audited" or "paper".
        seed: Of the instances.
    """

    difficulty: tuple[int, ...]
    instances: int = 200
    data: Literal["audited", "paper"] = "audited"
    seed: int = 0


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        task: Task.
        recipe: Name of the recipe.
        variant: What the overrides make of it, in words.
        seed: Of weights, data and steps.
        changes: The overrides, by dotted field.
        measure: What is measured when it is trained; None for nothing.
    """

    task: str
    recipe: str
    variant: str
    seed: int
    changes: Mapping[str, Any]
    measure: Measure | None

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.task}-{self.recipe}-{_slug(self.variant)}-s{self.seed}"

    @cached_property
    def varied(self) -> Recipe:
        """The recipe with its overrides."""
        return recipes.varied(recipes.get(self.task, self.recipe), self.changes)

    def settings(self) -> dict[str, Any]:
        """What must agree for the run to be the same one, as a checkpoint keeps it."""
        return plain({"recipe": self.varied, "seed": self.seed})


def read_plan(path: Path | str) -> list[Run]:
    """The runs of a plan, in its order.

    Raises:
        InputError: If the file cannot be read, or a run in it cannot be made.
    """
    path = Path(path)
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"{path} is larger than any plan")
    try:
        text = content.decode()
        plan = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable as {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from None
    groups = plan.get("runs") if isinstance(plan, dict) else None
    if not isinstance(groups, list) or not groups or set(plan) != {"runs"}:
        raise InputError(f"{path} should list runs, and nothing else, under [[runs]]")
    runs: dict[str, Run] = {}
    for i, group in enumerate(groups, start=1):
        try:
            for run in _runs(group):
                if run.name in runs:
                    raise InputError(f"{run.name} is there twice; name the variants apart")
                if len(runs) == MAX_RUNS:
                    raise InputError(f"a plan has at most {MAX_RUNS} runs")
                runs[run.name] = run
        except InputError as error:
            raise InputError(f"{path}, [[runs]] number {i}: {error}") from None
    return list(runs.values())


def _runs(group: Any) -> Iterator[Run]:
    """The runs of one entry."""
    if not isinstance(group, dict):
        raise InputError(f"each entry should be a table (got {group!r:.80})")
    unknown = sorted(set(group) - set(KEYS))
    if unknown:
        raise InputError(f"unknown key {unknown[0]!r:.40}; there are: {', '.join(KEYS)}")
    task, names, seeds = group.get("task"), group.get("recipe"), group.get("seeds", [0])
    names = [names] if isinstance(names, str) else names
    seeds = [seeds] if isinstance(seeds, int) else seeds
    if not isinstance(task, str) or not isinstance(names, list) or not names or not _all(str, names):
        raise InputError("task should be a name, recipe a name or a list of names")
    if not isinstance(seeds, list) or not seeds or not _all(int, seeds) or not all(0 <= s < MAX_SEED for s in seeds):
        raise InputError(f"seeds should be whole numbers from 0 to {MAX_SEED - 1} (got {seeds!r:.80})")
    for name, (variant, changes), seed in itertools.product(names, _variants(group), seeds):
        recipe = recipes.varied(recipes.get(task, name), changes)
        yield Run(task, name, variant, seed, changes, _measure(group.get("measure", {}), recipe))


def _variants(group: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and overrides of each variant."""
    common, variants = group.get("set", {}), group.get("variants")
    if not isinstance(common, dict):
        raise InputError(f"set should be a table of overrides (got {common!r:.80})")
    common = overrides.flat(common)
    if variants is None:
        name = group.get("name", ", ".join(overrides.written(common)) or FULL)
        result = [(name, common)]
    elif "name" in group or not isinstance(variants, dict) or not variants or not _all(dict, variants.values()):
        raise InputError("variants should be a table of overrides by name, in place of a name")
    else:
        result = [(name, common | overrides.flat(changes)) for name, changes in variants.items()]
    for name, _ in result:
        if not isinstance(name, str) or not _slug(name) or len(_slug(name)) > 100:
            raise InputError(f"a variant is named with letters and digits, at most 100 (got {name!r:.120})")
    return result


def _measure(given: Any, recipe: Recipe) -> Measure | None:
    if given is False:
        return None
    if not isinstance(given, dict):
        raise InputError(f"measure should be false or a table (got {given!r:.80})")
    levels = given.get("difficulty", list(recipe.validation))
    try:
        levels = difficulties(",".join(map(str, levels)) if isinstance(levels, list) else str(levels))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"measure: difficulty: {error}") from None
    measure = overrides.replaced(Measure(()), given | {"difficulty": levels}, "measure.")
    if not 1 <= measure.instances <= 1_000_000 or measure.seed < 0:
        raise InputError("measure: instances should be a whole number from 1, seed one from 0")
    return measure


def _all(kind: type, values: Any) -> bool:
    return all(isinstance(v, kind) and not isinstance(v, bool) for v in values)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
