"""The instances offered by name: a handful per task, small enough to read, each showing one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from depthscope.core import tasks
from depthscope.core.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One example.

    Attributes:
        name: Its name in the URL.
        title: Its name on the page.
        caption: What it shows.
        make: Builds the instance.
    """

    name: str
    title: str
    caption: str
    make: Callable[[], Any]


def _drawn(task: str, difficulty: int, seed: int, index: int) -> Callable[[], Any]:
    return lambda: tasks.get(task).generate(difficulty, index + 1, "audited", seed)[index]


def _read(task: str, text: str, **ends: str) -> Callable[[], Any]:
    return lambda: tasks.get(task).parse(text, **ends)


_CYCLE = "".join(f"{a} {b}\n" for a, b in zip("ABCDEFGHIJKL", "BCDEFGHIJKLA", strict=True)) + "M N\nN O\nO M\nO F\n"

_LIBRARIES = """\
app web
app tasks
app cli
web templates
web sessions
tasks queue
cli args
templates markup
sessions store
queue broker
args text
markup unicode
text unicode
store files
store cache
broker sockets
files locks
sockets tls
tls crypto
crypto bignum
docs markdown
markdown markup
"""

GRAPHS = (
    Entry("twelve-hops", "12 hops, reachable", "one way through, many dead ends", _drawn("graph", 12, 8, 0)),
    Entry("twelve-hops-cut", "Its twin, cut", "two edges swapped, same degrees", _drawn("graph", 12, 8, 1)),
    Entry("cycle", "A cycle", "all round the ring to the last node", _read("graph", _CYCLE, source="A", target="L")),
    Entry(
        "libraries",
        "A family of dependencies",
        "does the app rest on bignum?",
        _read("graph", _LIBRARIES, source="app", target="bignum"),
    ),
    Entry("three-hops", "3 hops, reachable", "within the trained range", _drawn("graph", 3, 1, 0)),
    Entry("forty-hops", "40 hops, reachable", "eight times the trained range", _drawn("graph", 40, 2, 0)),
)

FORMULAS = (
    Entry("depth-4", "Depth 4", "must be read to the leaves", _drawn("logic", 4, 9, 0)),
    Entry("depth-8", "Depth 8", "deeper than trained", _drawn("logic", 8, 0, 1)),
    Entry(
        "balanced",
        "Balanced, depth 4",
        "every branch equally deep",
        _read("logic", "(((T & F) | (T & T)) & ((F | T) & (T | F))) & (((T & T) | (F & T)) | ((F | F) & (T & T)))"),
    ),
    Entry(
        "shortcut", "Decided at once", "one branch settles it", _read("logic", "T | ((F & (T | (F & T))) & (T & F))")
    ),
    Entry("chain", "A chain of negations", "!!!!!!T", _read("logic", "!!!!!!T")),
)

_FAMILY = """\
Anna-Lena is the child of Margarete.
Jonas is the sibling of Émile.
Anna-Lena is the parent of Émile.
Siobhán O'Hara is the parent of Jonas.
Noor is the child of Jonas.
Is Margarete the great-grandparent of Noor?
"""

_STRANGERS = """\
Ada is the parent of Byron. Byron is the sibling of Clara.
Dorothy is the child of Edsger.
Is Ada the grandparent of Dorothy?
"""

TEXTS = (
    Entry("chain-5", "A chain of 5 facts", "among others that lead nowhere", _drawn("text", 5, 5, 1)),
    Entry("chain-5-twin", "Its twin", "one fact differs, the question stays", _drawn("text", 5, 5, 0)),
    Entry("chain-2", "A chain of 2", "short enough to check by hand", _drawn("text", 2, 4, 0)),
    Entry("chain-10", "A chain of 10", "twice the trained length", _drawn("text", 10, 2, 0)),
    Entry("chain-10-twin", "Its twin", "one fact of ten differs", _drawn("text", 10, 2, 1)),
    Entry("family", "A family in free text", "names of its own, two words, accents", _read("text", _FAMILY)),
    Entry("strangers", "Two who are not joined", "no facts join them: no answer is right", _read("text", _STRANGERS)),
)

EXAMPLES: dict[str, tuple[Entry, ...]] = {"graph": GRAPHS, "logic": FORMULAS, "text": TEXTS}


def examples(task: str) -> tuple[Entry, ...]:
    """The examples of a task; the first is what a fresh page shows."""
    if task in EXAMPLES:
        return EXAMPLES[task]
    return (
        Entry("first", "A small instance", "drawn by the task's own generator", _drawn(task, 3, 0, 1)),
        Entry("second", "One with the other answer", "drawn beside it", _drawn(task, 3, 0, 0)),
    )


def find(task: str, name: str) -> Any:
    """The instance of an example.

    Raises:
        InputError: If the task has no such example.
    """
    for entry in examples(task):
        if entry.name == name:
            return entry.make()
    known = ", ".join(entry.name for entry in examples(task))
    raise InputError(f"There is no example {name[:40]!r} for this checkpoint; there are {known}.")
