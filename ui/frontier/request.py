"""What the Frontier page measures: an address whose origin is a sample, or a person's own instances.

Owns what it opens with, its bounds, and the lines that compute the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from depthscope.core import frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.ui.visit.address import Address, Sample, UserInput, identity
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.widgets.copy_instance import command, python
from depthscope.ui.work.difficulty import difficulties
from depthscope.ui.work.measure import Request, Source

DATA = ("audited", "paper")
MAX_CELLS = 200_000
"""Difficulties x steps that a page draws."""


def first(opened: Checkpoint) -> Address:
    """What is measured of a checkpoint until something else is asked for."""
    hard = frontier.default_difficulties(opened)
    levels = tasks.get(opened.config.task).first_difficulties or f"{hard[0]}-{hard[-1]}"
    sample = Sample(levels, 200 if opened.config.attention == "edges" else 100)
    steps = frontier.default_steps(opened, max(difficulties(sample.difficulty)))
    return Address(opened.name, sample, steps=steps)


def checked(address: Address) -> Address:
    """The same address, if a page can show it.

    Raises:
        InputError: If it is out of bounds; the message says what to change.
    """
    origin, rows, steps = address.origin, 1, address.steps or 1
    if isinstance(origin, Sample):
        if origin.data not in DATA:
            raise InputError(f"The data should be one of {', '.join(DATA)} (got {origin.data[:40]!r}).")
        rows = len(difficulties(origin.difficulty))
    if rows * steps > MAX_CELLS:
        raise InputError(
            f"{rows:,} difficulties x {steps:,} steps are too many to draw, at most {MAX_CELLS:,} cells are; "
            "ask for fewer, or measure them on the command line."
        )
    return address


def frontier_lines(address: Address) -> tuple[str, str]:
    """The command and the code that measure the same frontier."""
    sample, opening = address.origin, _opening(address)
    if isinstance(sample, Sample):
        how = f"{difficulties(sample.difficulty)}, steps={address.steps}, instances={sample.instances}"
        result = ["result = frontier.run(", f"    opened, {how}, data={sample.data!r}, seed={sample.seed}", ")"]
    else:
        result = [f"result = frontier.measure(opened, own, steps={address.steps})"]
    imports = [*_imports(address), "core.frontier"]
    code = python(imports, *opening, *result, "print(result.accuracy, frontier.t75(result))")
    return command("frontier", address.checkpoint, **_options(address)), code


def exit_request(address: Address, read: Callable[[], list[Any]]) -> Request:
    """Measuring the exit rules on the same instances.

    Args:
        address: What the page shows.
        read: Reads a person's own instances.
    """
    sample, name, steps = address.origin, address.checkpoint, address.steps
    if isinstance(sample, Sample):
        levels = sample.difficulty
        return Request("exit", name, levels, sample.instances, steps, sample.seed, data=sample.data)
    lines = [f"scores = exit_rules.measure(opened, own, steps={steps})", "print(scores.to_json())"]
    code = python([*_imports(address), "probes.instruments.exit as exit_rules"], *_opening(address), *lines)
    of = command("probe", "exit", name, **_options(address)), code
    return Request("exit", name, steps=steps, source=Source(fingerprint(identity(sample)), read, lambda _: of))


def trivial_lines(
    address: Address, levels: list[int], instances: int, data: str, seed: int, where_wrong: bool = False
) -> tuple[str, str]:
    """The command and the code that score trivial rules on one kind of data, or the model where they err."""
    line = command(
        "probe", "trivial", address.checkpoint, difficulty=",".join(map(str, levels)), instances=instances, data=data,
        seed=seed, json=True, where_wrong=where_wrong,
    )  # fmt: skip
    code = python(
        ["core.checkpoint", "probes.instruments.trivial"],
        f"opened = checkpoint.load({address.checkpoint!r})",
        f"print(trivial.{'where_wrong' if where_wrong else 'score'}(opened, {levels}, {instances}, {data!r}, {seed}))",
    )
    return line, code


def _options(address: Address) -> dict[str, Any]:
    origin = address.origin
    if not isinstance(origin, Sample):
        return {"input": _file(address), "steps": address.steps, "json": True}
    levels = origin.difficulty.replace(" ", "")
    of_sample = {"instances": origin.instances, "data": origin.data, "seed": origin.seed}
    return {"difficulty": levels, "steps": address.steps, **of_sample, "json": True}


def _imports(address: Address) -> list[str]:
    own = [] if isinstance(address.origin, Sample) else ["pathlib.Path", "core.tasks.many"]
    return [*own, "core.checkpoint"]


def _opening(address: Address) -> list[str]:
    """The lines that open the checkpoint and a person's own instances."""
    opened = f"opened = checkpoint.load({address.checkpoint!r})"
    if isinstance(address.origin, Sample):
        return [opened]
    read = "own = many.measurable(opened.config, Path(name).read_text(), name)"
    return [opened, f"name = {_file(address)!r}", read]


def _file(address: Address) -> str:
    assert isinstance(address.origin, UserInput)
    return address.origin.file or "instances.jsonl"
