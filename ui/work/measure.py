"""A card for an instrument: measured when it is asked for, with progress and a way to stop, then its figure.

What is shown is the result that `depthscope probe NAME` prints: the same function measures both.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.files.strict_json import dumps
from depthscope.probes import registry as instruments
from depthscope.probes.measuring import instances as subjects
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.widgets import copy_instance as lines, explain
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import work as background
from depthscope.ui.work.work import Progress, Work

SEED = 0


@dataclass(frozen=True)
class Asked:
    """What an instrument is asked of a checkpoint, on drawn instances: intervals and controls need more than one.

    Attributes:
        name: The instrument.
        checkpoint: What is measured.
        difficulty: Of the instances, one or several; None takes the hardest it was trained on.
        instances: How many of each.
        steps: T; None takes the default.
        options: Of the instrument.
    """

    name: str
    checkpoint: Checkpoint
    difficulty: int | tuple[int, ...] | None = None
    instances: int | None = None
    steps: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of all that the result depends on."""
        options = tuple((name, str(value)) for name, value in sorted(self.options.items()))
        return fingerprint(self.name, self.checkpoint.sha256, self.difficulty, self.count, self.steps, options)

    @property
    def levels(self) -> list[int] | None:
        """The difficulties that are drawn, None for the hardest trained on."""
        if self.difficulty is None:
            return None
        return [self.difficulty] if isinstance(self.difficulty, int) else list(self.difficulty)

    @property
    def count(self) -> int:
        """How many instances are drawn."""
        return self.instances or instruments.get(self.name).instances

    @property
    def command(self) -> str:
        """The line of a shell that measures the same."""
        words = ["depthscope", "probe", self.name, self.checkpoint.name]
        words += ["--difficulty", ",".join(map(str, self.levels))] if self.levels else []
        words += ["--instances", str(self.count)]
        words += [] if self.steps is None else ["--steps", str(self.steps)]
        for name, value in self.options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        return shlex.join(words)

    @property
    def code(self) -> str:
        """The lines of Python that measure the same."""
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return "\n".join(
            [
                "from depthscope.core import checkpoint",
                "from depthscope.probes import registry",
                "from depthscope.probes.measuring import instances",
                "",
                f"opened = checkpoint.load({self.checkpoint.name!r})",
                f"drawn = instances.draw(opened, {self.levels}, {self.count})",
                f"measure = registry.get({self.name!r})",
                f"result = measure(opened, drawn, steps={self.steps}{options})",
                "print(measure.table(result))",
            ]
        )


def card(title: str, asked: Asked, question: str, draw: Callable[[Any], None]) -> None:
    """A framed instrument: why it does not apply, or the button, the progress, the figure.

    Args:
        title: Of the card.
        asked: What is measured.
        question: One sentence, shown before it is measured.
        draw: Draws a result, with its sentence.
    """
    name = asked.name
    with st.container(border=True, gap="xsmall", height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{title}**")
            explain.popover(name)
        why = instruments.get(name).unfit(asked.checkpoint)
        if why is not None:
            st.caption(f"{question} It does not apply here: {plain(whole(why))}")
            return
        work = _work(asked)
        found = background.result(work)
        if found is None:
            st.caption(question)
            if not background.under_way(work):
                st.button("Measure", on_click=background.start, args=(work,), key=f"measure {name}")
            return
        draw(found)
        _take_away(asked, found)


def _work(asked: Asked) -> Work:
    """The measurement on a thread of its own; its result is kept for every visit."""

    def run(progress: Progress) -> Iterator[Any]:
        opened = asked.checkpoint
        drawn = subjects.draw(opened, asked.levels, asked.count, seed=SEED)
        measure = instruments.get(asked.name)
        yield measure(opened, drawn, steps=asked.steps, seed=SEED, progress=progress, **asked.options)

    return Work(f"instrument {asked.name}", asked.key, run)


def _take_away(asked: Asked, found: Any) -> None:
    name = asked.name
    with st.expander("Numbers, command and code"):
        st.code(instruments.get(name).table(found), language=None)
        lines.show(asked.command, asked.code)
        file = f"{asked.checkpoint.name}-{name}.json"
        st.download_button(
            "JSON", lambda: dumps(found), file, "application/json", on_click="ignore", key=f"{name} json"
        )
