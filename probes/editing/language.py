"""The language of interventions: what is changed, at which step, at which nodes, heads and edges of attention.

    zero t=3 node=5,6            h[3] of two nodes becomes 0
    mean t=3 node=5              ... the mean state at that step of nodes of its kind in other instances
    noise t=3 node=5 amount=.5   ... gains Gaussian noise of half the spread of the states
    swap t=3 node=5,6            ... two nodes exchange their states
    add t=3 node=5 amount=2 direction=probe
    patch t=3 node=5             ... the donor's state at the same step
    patch t=3 parts=state,mask,input      from here on the donor's edges and recalled input as well
    hold t=3 node=5              the update that makes h[3] leaves the node as it was; without node: the step is skipped
    repeat t=3 amount=2          this update is done twice more
    gate t=3.. node=5 amount=.1  its update gate is .1, from step 3 to the end
    cut t=4..6 edge=5<2 head=0   node 5 cannot attend to node 2; the rest of its attention is renormalised (geometric:
                                 the weight goes to the next match, or to node 5 itself)
    silence t=4 edge=5<2         ... the weight is lost instead

The first group changes the state h[t] itself, t = 0..T; the second (hold, repeat, gate, cut, silence) the update that
makes h[t] from h[t-1], t = 1..T. An edit is text, JSON and a frozen dataclass alike; `probes.editing.runner` runs it.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from depthscope.core.errors import InputError

StateKind = Literal["zero", "mean", "noise", "swap", "add", "patch"]
UpdateKind = Literal["hold", "repeat", "gate", "cut", "silence"]
STATE_KINDS, UPDATE_KINDS = get_args(StateKind), get_args(UpdateKind)
KINDS = (*STATE_KINDS, *UPDATE_KINDS)

Part = Literal["state", "mask", "input"]
PARTS = get_args(Part)

END = 1 << 30
"""Last step of an edit that goes on to the end."""

MAX_EDITS = 1000
MAX_NUMBER = 1 << 40
PLAIN_NAME = re.compile(r"[\w()&|!^.:-]+")
"""Names of nodes that can stand in the text of an edit as they are."""

MAX_REPEATS = 100

NEEDS = {"noise": ("amount",), "swap": ("nodes",), "add": ("amount", "direction"), "gate": ("amount",)}
NEEDS |= dict.fromkeys(("cut", "silence"), ("edges",))
TAKES = {"noise": ("seed",), "patch": ("parts",), "repeat": ("amount",), "cut": ("heads",), "silence": ("heads",)}


@dataclass(frozen=True)
class Edit:
    """One change to a run.

    Attributes:
        kind: What is done.
        step: t, the first step at which it is done.
        until: The last; None for `step` alone, or for the mask and input of a patch, to the end.
        nodes: Which nodes; None for all.
        edges: Pairs (query, key) of attention.
        heads: Which heads; None for all.
        amount: Spread of the noise, factor of the direction, value of the gate, number of repetitions.
        direction: Name of a direction that the runner is given.
        parts: What a patch takes from the donor.
        seed: Of the noise.

    Raises:
        InputError: If something that the kind needs is missing, or something is given that it does not take.
    """

    kind: str
    step: int
    until: int | None = None
    nodes: tuple[int, ...] | None = None
    edges: tuple[tuple[int, int], ...] | None = None
    heads: tuple[int, ...] | None = None
    amount: float | None = None
    direction: str | None = None
    parts: tuple[str, ...] = ("state",)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"there is no edit {self.kind!r:.40}; there are {', '.join(KINDS)}")
        first = 0 if self.kind in STATE_KINDS else 1
        if not first <= self.step <= self.last:
            raise InputError(f"{self.kind}: steps should run from {first} upwards (got {self.step} to {self.last})")
        for name in NEEDS.get(self.kind, ()):
            if getattr(self, name) is None:
                raise InputError(f"{self.kind} needs {WORDS[name]}=...")
        for name in ("nodes", "edges", "heads"):
            if getattr(self, name) == ():
                raise InputError(f"{self.kind}: {WORDS[name]}= names none; leave it out for all")
        allowed = {*NEEDS.get(self.kind, ()), *TAKES.get(self.kind, ())}
        if self.kind not in ("cut", "silence", "repeat"):
            allowed.add("nodes")
        for field in fields(self)[3:]:
            if getattr(self, field.name) != field.default and field.name not in allowed:
                raise InputError(f"{self.kind} does not take {WORDS[field.name]}=...")
        if self.kind == "swap" and (self.nodes is None or len(self.nodes) != 2):
            raise InputError("swap needs two nodes")
        if self.kind == "patch" and (not self.parts or not set(self.parts) <= set(PARTS)):
            raise InputError(f"a patch has parts among {', '.join(PARTS)}")
        if self.seed < 0:
            raise InputError(f"a seed is a whole number from 0 (got {self.seed})")
        self._check_amount()

    def _check_amount(self) -> None:
        if self.amount is None:
            return
        if not math.isfinite(self.amount):
            raise InputError(f"{self.kind}: amount is a finite number (got {self.amount})")
        if self.kind == "repeat" and not (1 <= self.amount <= MAX_REPEATS and self.amount == int(self.amount)):
            raise InputError(f"a step is repeated 1 to {MAX_REPEATS} times (got {self.amount:g})")
        if self.kind == "gate" and not 0 <= self.amount <= 1:
            raise InputError(f"an update gate is a number from 0 to 1 (got {self.amount:g})")

    @property
    def last(self) -> int:
        """Last step at which it is done."""
        return self.step if self.until is None else self.until

    @property
    def on_state(self) -> bool:
        """Whether it changes h[t] itself, not the update that makes it."""
        return self.kind in STATE_KINDS

    @property
    def start(self) -> int:
        """The step whose unchanged state it starts from."""
        return self.step if self.on_state else self.step - 1

    def at(self, t: int) -> bool:
        """Whether it is done at step t."""
        return self.step <= t <= self.last

    def borrows(self, t: int, part: Part) -> bool:
        """Whether the update from h[t] takes the mask or the input from the donor."""
        to_the_end = self.until is None or t < self.until
        return self.kind == "patch" and part in self.parts and self.step <= t and to_the_end

    def __str__(self) -> str:
        return self.text(str)

    def text(self, name: Callable[[int], str]) -> str:
        """The edit in words, with what a node is called."""
        steps = f"t={self.step}" if self.until is None else f"t={self.step}..{'' if self.until == END else self.until}"
        words = [self.kind, steps]
        if self.nodes is not None:
            words.append("node=" + ",".join(map(name, self.nodes)))
        if self.edges is not None:
            words.append("edge=" + ",".join(f"{name(q)}<{name(k)}" for q, k in self.edges))
        if self.heads is not None:
            words.append("head=" + ",".join(map(str, self.heads)))
        if self.amount is not None:
            words.append("amount=" + repr(float(self.amount)).removesuffix(".0"))
        if self.direction is not None:
            words.append("direction=" + shlex.quote(self.direction))
        if self.parts != ("state",):
            words.append("parts=" + ",".join(self.parts))
        if self.seed:
            words.append(f"seed={self.seed}")
        return " ".join(words)


WORDS = {
    "until": "t", "nodes": "node", "edges": "edge", "heads": "head", "amount": "amount", "direction": "direction",
    "parts": "parts", "seed": "seed",
}  # fmt: skip
"""What a field is called in the text."""


def parse(text: str, labels: Sequence[str] = ()) -> Edit:
    """Reads an edit from its text.

    Args:
        text: One edit.
        labels: Names of the nodes; a node may then be called by a name that only it has, else by its number from 0.
            `#5` is number 5 whatever the names are.

    Raises:
        InputError: If it is no such text.
    """
    try:
        kind, *words = shlex.split(text) or [""]
    except ValueError as error:
        raise InputError(f"{text!r:.80} is not an edit, such as: zero t=3 node=5 ({error})") from None
    given: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name in given or name not in {"t", *WORDS.values()}:
            raise InputError(f"{word!r:.80} in {text!r:.80} is not one of t=, {'=, '.join([*WORDS.values()][1:])}=")
        given[name] = value
    if "t" not in given:
        raise InputError(f"{text!r:.80} does not say at which step: t=3, t=3..6 or t=3..")
    first, dots, last = given["t"].partition("..")
    edges = [pair.partition("<")[::2] for pair in given["edge"].split(",")] if "edge" in given else None
    if edges is not None and not all(q and k for q, k in edges):
        raise InputError(f"{given['edge']!r:.60} is no edge, which is query<key such as 5<2")
    return Edit(
        kind,
        step=_number(first, int),
        until=None if not dots else _number(last, int) if last else END,
        nodes=tuple(node_of(x, labels) for x in given["node"].split(",")) if "node" in given else None,
        edges=tuple((node_of(q, labels), node_of(k, labels)) for q, k in edges) if edges else None,
        heads=tuple(_number(x, int) for x in given["head"].split(",")) if "head" in given else None,
        amount=_number(given["amount"], float) if "amount" in given else None,
        direction=given.get("direction"),
        parts=tuple(given["parts"].split(",")) if "parts" in given else ("state",),
        seed=_number(given.get("seed", "0"), int),
    )


def written(edit: Edit, labels: Sequence[str]) -> str:
    """The text of an edit with its nodes by name where a single node has it, else as #number; `parse` reads it back."""
    count = Counter(labels)

    def name(i: int) -> str:
        label = labels[i] if i < len(labels) else ""
        return label if count[label] == 1 and PLAIN_NAME.fullmatch(label) else f"#{i}"

    return edit.text(name)


def node_of(text: str, labels: Sequence[str]) -> int:
    """Index of a node by its name, or by its number where no single node has that name; by #number always.

    Raises:
        InputError: If there is no such node, or several have the name.
    """
    named = [i for i, label in enumerate(labels) if label == text]
    if text[:1] == "#" and text[1:].isdecimal():
        return _number(text[1:], int)
    if len(named) == 1:
        return named[0]
    if text.isdecimal():
        return _number(text, int)
    if named:
        raise InputError(
            f"{len(named)} nodes are called {text!r:.40}; name one by its number from 0, such as {named[0]}"
        )
    raise InputError(f"there is no node {text!r:.40}; a number from 0 is one, too")


def _number(text: str, kind: type) -> Any:
    try:
        number = kind(text)
    except ValueError:
        raise InputError(f"{text!r:.40} is not a {'whole ' if kind is int else ''}number") from None
    if not _of_size(number):
        raise InputError(f"{text!r:.40} is too large a number")
    return number


def dumps(edits: Sequence[Edit]) -> str:
    """A list of edits as JSON, nodes by number; what is at its default is left out."""
    rows = []
    for edit in edits:
        default = {f.name: f.default for f in fields(edit)}
        rows.append({k: v for k, v in asdict(edit).items() if v != default[k]})
    return json.dumps(rows)


def loads(text: str, labels: Sequence[str] = ()) -> list[Edit]:
    """Reads a list of edits: JSON, or one edit in words a line.

    Raises:
        InputError: If it is neither.
    """
    if text.lstrip().startswith("["):
        return [_from_json(row) for row in _rows(text)]
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_EDITS:
        raise InputError(f"at most {MAX_EDITS} edits are read (got {len(lines)})")
    return [parse(line, labels) for line in lines]


def _rows(text: str) -> list[Any]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the edits are not JSON: {error}") from None
    if len(rows) > MAX_EDITS:
        raise InputError(f"at most {MAX_EDITS} edits are read (got {len(rows)})")
    return rows


_LISTS = {"nodes", "heads", "parts"}
_TYPES = {"kind": str, "step": int, "until": int, "amount": (int, float), "direction": str, "seed": int}


def _from_json(row: Any) -> Edit:
    if not isinstance(row, dict) or not {"kind", "step"} <= row.keys() <= {f.name for f in fields(Edit)}:
        raise InputError(f"an edit is an object with kind, step and what the kind takes (got {row!r:.80})")
    given: dict[str, Any] = {}
    for name, value in row.items():
        if name == "edges":
            fine = isinstance(value, list) and all(isinstance(p, list) and _whole(p) and len(p) == 2 for p in value)
            given[name] = tuple(tuple(pair) for pair in value) if fine else None
        elif name in _LISTS:
            fine = isinstance(value, list) and (
                all(isinstance(x, str) for x in value) if name == "parts" else _whole(value)
            )
            given[name] = tuple(value) if fine else None
        else:
            fine = isinstance(value, _TYPES[name]) and not isinstance(value, bool) and _of_size(value)
            given[name] = value
        if not fine:
            raise InputError(f"{name} of an edit cannot be {value!r:.60}")
    return Edit(**given)


def _of_size(value: Any) -> bool:
    """Whether a whole number, if it is one, can be the number of anything."""
    return not isinstance(value, int) or abs(value) <= MAX_NUMBER


def _whole(values: list[Any]) -> bool:
    return all(isinstance(x, int) and not isinstance(x, bool) and x >= 0 for x in values)


def check(edits: Sequence[Edit], n_nodes: int, heads: int, steps: int) -> None:
    """Checks edits against a run.

    Raises:
        InputError: If an edit speaks of a step, node or head that the run does not have.
    """
    for edit in edits:
        nodes = [*(edit.nodes or ()), *(i for pair in edit.edges or () for i in pair)]
        if edit.step > steps:
            raise InputError(f"{edit}: the run has {steps} steps")
        if any(not 0 <= i < n_nodes for i in nodes):
            raise InputError(f"{edit}: the nodes are 0 to {n_nodes - 1}")
        if edit.kind in ("cut", "silence") and not heads:
            raise InputError(f"{edit}: this model has no attention")
        if any(not 0 <= i < heads for i in edit.heads or ()):
            raise InputError(f"{edit}: the heads are 0 to {heads - 1}")
