"""What a frontier is asked of, its form in the URL, and the lines that compute the same. Owns the codec and bounds."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from depthscope.core import arguments, frontier
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.ui.visit.selection import MAX_NAME, MAX_STEPS, number

PARAMETERS = ("checkpoint", "difficulty", "steps", "instances", "data", "seed", "content", "file")
"""Parameters of the URL that are a request's."""

DATA = ("audited", "paper")
MAX_INSTANCES = 100_000
MAX_CELLS = 200_000
"""Difficulties x steps that a page draws."""

FIRST = {"graph": "1-12", "logic": "1-8"}
"""Difficulties that a page opens with; for other tasks those up to twice the trained."""


@dataclass(frozen=True)
class Request:
    """Which frontier.

    Attributes:
        checkpoint: Name of the checkpoint.
        difficulty: Range of difficulties, as the command line takes it.
        steps: T.
        instances: For each difficulty.
        data: "audited" or "paper".
        seed: Of the instances.
        content: Digest of a user's own instances, which then take the place of drawn ones.
        file: Name of their file, only ever shown.
    """

    checkpoint: str
    difficulty: str
    steps: int
    instances: int = 200
    data: str = "audited"
    seed: int = 0
    content: str | None = None
    file: str | None = None


def first(opened: Checkpoint) -> Request:
    """What is asked of a checkpoint when nobody has said anything."""
    task = opened.config.task
    hard = frontier.default_difficulties(opened)
    asked = FIRST.get(task, f"{hard[0]}-{hard[-1]}")
    steps = frontier.default_steps(opened, max(difficulties(asked)))
    return Request(opened.name, asked, steps, 200 if opened.config.attention == "edges" else 100)


def difficulties(text: str) -> list[int]:
    """Difficulties such as `1-12,20`, from the least.

    Raises:
        InputError: If the text is no such range.
    """
    try:
        return sorted(arguments.difficulties(text.replace(" ", "").replace("–", "-")))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"The range of difficulty cannot be read: {error}.") from None


def checked(request: Request) -> Request:
    """The same request, if a page can show it.

    Raises:
        InputError: If it is out of bounds; the message says what to change.
    """
    if request.data not in DATA:
        raise InputError(f"The data should be one of {', '.join(DATA)} (got {request.data[:40]!r}).")
    rows = 1 if request.content else len(difficulties(request.difficulty))
    if rows * request.steps > MAX_CELLS:
        raise InputError(
            f"{rows:,} difficulties x {request.steps:,} steps are too many to draw, at most {MAX_CELLS:,} cells are; "
            "ask for fewer, or measure them on the command line."
        )
    return request


def to_query(request: Request) -> dict[str, str]:
    """The request as parameters of a URL; a user's own instances by their digest."""
    if request.content is not None:
        own = {"content": request.content, **({"file": request.file} if request.file else {})}
        return {"checkpoint": request.checkpoint, "steps": str(request.steps), **own}
    drawn = ("checkpoint", "difficulty", "steps", "instances", "data", "seed")
    return {name: str(getattr(request, name)) for name in drawn}


def from_query(query: Mapping[str, str], default_of: Callable[[str], Request], chosen: str) -> Request:
    """The request that a URL makes.

    Args:
        query: Parameters of the URL.
        default_of: What is asked of a checkpoint by default.
        chosen: Name of the checkpoint where the URL names none.

    Raises:
        InputError: If a parameter makes no sense.
    """
    default = default_of(query.get("checkpoint", chosen)[:MAX_NAME])
    content, file = query.get("content"), query.get("file")
    return checked(
        Request(
            default.checkpoint,
            query.get("difficulty", default.difficulty)[:MAX_NAME],
            number(query, "steps", 1, MAX_STEPS, default.steps),
            number(query, "instances", 1, MAX_INSTANCES, default.instances),
            query.get("data", default.data)[:MAX_NAME],
            number(query, "seed", 0, 2**31 - 1, default.seed),
            content and content[:MAX_NAME],
            file and file[:MAX_NAME],
        )
    )


def command(request: Request, named: str = "frontier") -> str:
    """The line of a shell that computes the same numbers."""
    words = ["depthscope", *named.split(), request.checkpoint]
    if request.content is not None:
        words += ["--input", request.file or "instances.jsonl", "--steps", str(request.steps)]
    else:
        words += ["--difficulty", request.difficulty.replace(" ", ""), "--steps", str(request.steps)]
        words += ["--instances", str(request.instances), "--data", request.data, "--seed", str(request.seed)]
    return shlex.join([*words, "--json"])


def code(request: Request) -> str:
    """The lines of Python that compute the same numbers."""
    imports, lines, groups = _start(request, "arrival, checkpoint, frontier")
    if groups == "frontier.grouped(own)":
        lines.append(f"result = frontier.measure(opened, own, steps={request.steps})")
    else:
        asked = f"{difficulties(request.difficulty)}, steps={request.steps}, instances={request.instances}"
        lines += ["result = frontier.run(", f"    opened, {asked}, data={request.data!r}, seed={request.seed}", ")"]
    return "\n".join([*imports, "", *lines, "print(result.accuracy, arrival.t75(result))"])


def exit_code(request: Request) -> str:
    """The lines of Python that compute the scores of the exit rules."""
    own = request.content is not None
    imports, lines, groups = _start(request, "checkpoint" if own else "checkpoint, frontier")
    instances = "own" if own else f"[x for _, group in {groups} for x in group]"
    lines.append(f"instances = {instances}")
    lines.append(f"scores = exit_rules.measure(opened, instances, steps={request.steps}, seed={request.seed})")
    return "\n".join(
        [
            *imports,
            "from depthscope.probes.instruments import exit as exit_rules",
            "",
            *lines,
            "print(scores.to_json())",
        ]
    )


def trivial_lines(
    request: Request, asked: list[int], instances: int, data: str, where_wrong: bool = False
) -> tuple[str, str]:
    """The line of a shell, and of Python, that score trivial rules on one kind of data, or the model where they err."""
    measure = "where_wrong" if where_wrong else "score"
    words = ["depthscope", "probe", "trivial", request.checkpoint, "--difficulty", ",".join(map(str, asked))]
    words += ["--instances", str(instances), "--data", data, "--seed", str(request.seed), "--json"]
    words += ["--where-wrong"] * where_wrong
    code = [
        "from depthscope.core import checkpoint",
        "from depthscope.probes.instruments import trivial",
        "",
        f"opened = checkpoint.load({request.checkpoint!r})",
        f"print(trivial.{measure}(opened, {asked}, {instances}, {data!r}, {request.seed}))",
    ]
    return shlex.join(words), "\n".join(code)


def _start(request: Request, names: str) -> tuple[list[str], list[str], str]:
    """Imports, the lines that open the checkpoint and the instances, and how the groups of instances are called."""
    opened = f"opened = checkpoint.load({request.checkpoint!r})"
    if request.content is None:
        asked = f"{difficulties(request.difficulty)}, {request.instances}, {request.data!r}, {request.seed}"
        return [f"from depthscope.core import {names}"], [opened], f"frontier.drawn(opened, {asked})"
    read = [
        f"name = {request.file or 'instances.jsonl'!r}",
        "own = many.measurable(opened.config, Path(name).read_text(), name)",
    ]
    return (
        [
            "from pathlib import Path",
            "",
            f"from depthscope.core import {names}",
            "from depthscope.core.tasks import many",
        ],
        [opened, *read],
        "frontier.grouped(own)",
    )
