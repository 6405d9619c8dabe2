"""The lines that compute what is shown, to copy: the one builder of commands and of Python, and what they read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from depthscope.core import tasks
from depthscope.ui.visit import uploads
from depthscope.ui.visit.address import Example, Generated, UserInput
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.text import plain


def command(*words: str, **options: Any) -> str:
    """A line for a shell.

    Args:
        words: Of the command, without the program's name.
        options: By name; a list is repeated, True is a flag, None and False are left out.
    """
    line = ["depthscope", *words]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list) else [value]:
            if one is True:
                line.append(flag)
            elif one is not None and one is not False:  # what begins with a dash would be taken for an option
                line += [f"{flag}={one}"] if str(one).startswith("-") else [flag, str(one)]
    return shlex.join(line)


def python(imports: Sequence[str], *lines: str) -> str:
    """Lines of Python below their imports.

    Args:
        imports: Dotted names, of the package without its own name: "core.checkpoint"; "name as other" renames.
        lines: What stands below.
    """
    by_module: dict[str, list[str]] = {}
    for dotted in imports:
        path, _, alias = dotted.partition(" as ")
        module, _, name = path.rpartition(".")
        by_module.setdefault(module, []).append(f"{name} as {alias}" if alias else name)
    standard = ["from pathlib import Path", ""] if by_module.pop("pathlib", None) else []
    ours = [f"from depthscope.{m} import {', '.join(sorted(names))}" for m, names in sorted(by_module.items())]
    return "\n".join([*standard, *ours, "", *lines])


def arguments(options: dict[str, Any]) -> str:
    """Options as they follow in the brackets of a call."""
    return "".join(f", {name}={value!r}" for name, value in options.items())


def on_instance(view: View, instrument: str, **options: Any) -> tuple[str, str]:
    """The command and the code that run an instrument on the open instance, saved as `file_of` names it."""
    name, ends, origin = file_of(view), view.instance.question(), view.address.origin
    task = view.instance.task
    form = origin.format or None if isinstance(origin, UserInput) and tasks.get(task).formats else None
    steps = view.trace.steps
    options_ = ends | {"format": form, "steps": steps, **options, "json": True}
    code = python(
        ["pathlib.Path", "core.checkpoint", "core.tasks.many", f"probes.instruments.{instrument}"],
        f"opened, name = checkpoint.load({view.checkpoint.name!r}), {name!r}",
        "content = Path(name).read_bytes()",
        f"own = many.parsed({task!r}, content, {ends.get('source')!r}, {ends.get('target')!r}, name, {form!r})",
        f"result = {instrument}.measure(opened, [own], steps={steps}{arguments(options)})",
        "print(result.table())",
    )
    return command("probe", instrument, view.checkpoint.name, name, **options_), code


def of_trace(view: View) -> tuple[str, str]:
    """The command and the code that compute the open trace, from the instance saved as text."""
    name, steps = view.checkpoint.name, view.trace.steps
    code = python(
        ["pathlib.Path", "core.checkpoint", "core.tasks", "core.trace.record", "probes.reading.of_trace.readings"],
        f"opened = checkpoint.load({name!r})",
        f'instance = tasks.get({view.instance.task!r}).parse(Path("instance.txt").read_text())',
        f"trace = record(opened, instance, {steps})",
        "values, notes = readings(opened, trace)  # name -> (T+1, n), what fills the nodes",
    )
    return command("trace", name, "instance.txt", steps=steps, out="t.npz"), code


def file_of(view: View) -> str:
    """Name of the file that holds the instance: the user's own, or as the page saves it."""
    origin = view.address.origin
    if isinstance(origin, UserInput):
        return origin.file or "instance.txt"
    if isinstance(origin, Example):
        return f"{origin.name}.txt"
    assert isinstance(origin, Generated)
    return f"{view.instance.task}-{origin.difficulty}-{origin.seed}-{origin.answer}.txt"


def as_file(view: View) -> bytes:
    """The instance as that file holds it."""
    origin = view.address.origin
    if isinstance(origin, UserInput):
        return origin.content
    return tasks.get(view.instance.task).render(view.instance).encode()


def instance_offer(view: View) -> tuple[str, str, Callable[[], bytes]]:
    """The instance to take away, under the name that the copied lines read it by."""
    return "Instance", file_of(view), lambda: as_file(view)


def show(command: str, code: str | None = None) -> None:
    """A command, Python that does the same, and how a checkpoint that is this visit's own comes to where they run."""
    name = next((upload.name for upload in uploads.mine() if upload.name in command), None)
    if name is not None:
        st.caption(
            f"{plain(name)} is held for this visit: *Download* it on the Checkpoints page and unpack it in the folder "
            "where these lines run, or keep it there under a name of its own."
        )
    st.code(command, language="bash", wrap_lines=True)
    if code is not None:
        st.code(code, language="python", wrap_lines=True)
