"""Changes to an instance that keep its answer, and others that turn it while every count stays.

    graph   rename, permute, shuffle                        twin: two edges swap their ends, all degrees stay
    logic   mirror, twice                                   twin: one atom flipped; matched: a T and an F change places
    text    rename, shuffle, restate, twice                 twin: one fact changed; matched: two facts swap relations

Owns making them; what a model makes of them is measured in `probes.instruments.invariances`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.tasks import twins
from depthscope.core.tasks.graph.instance import GraphInstance
from depthscope.core.tasks.logic.instance import NOT, VOCABULARY, F, LogicInstance, T
from depthscope.core.tasks.logic.twin import decides
from depthscope.core.tasks.text.instance import TextInstance
from depthscope.core.tasks.text.twin import chain, consistent

TRIES = 60
"""Pairs that are tried in the search for a twin whose counts are matched."""

Make = Callable[[Any, np.random.Generator], Any]
"""An instance and random numbers to the changed instance; InputError where there is none."""


@dataclass(frozen=True)
class Change:
    """A change.

    Attributes:
        name: Its name.
        title: What is done, in words.
        keeps: Whether the answer stays; it turns otherwise.
        make: Does it.
    """

    name: str
    title: str
    keeps: bool
    make: Make


def rename(instance: GraphInstance | TextInstance, rng: np.random.Generator) -> Any:
    """The same instance, its names dealt out anew."""
    return replace(instance, names=tuple(instance.names[i] for i in rng.permutation(len(instance.names))))


def permute(graph: GraphInstance, rng: np.random.Generator) -> GraphInstance:
    """The same graph, its nodes in another order; names and edges go along."""
    to = rng.permutation(graph.n_nodes)
    names = tuple(graph.names[i] for i in np.argsort(to))
    return replace(
        graph, names=names, edges=to[graph.edges], source=int(to[graph.source]), target=int(to[graph.target])
    )


def shuffle(instance: GraphInstance | TextInstance, rng: np.random.Generator) -> Any:
    """The same instance, its edges or facts in another order."""
    if isinstance(instance, GraphInstance):
        return replace(instance, edges=rng.permutation(instance.edges))
    return replace(instance, facts=rng.permutation(instance.facts))


def restate(text: TextInstance, rng: np.random.Generator) -> TextInstance:
    """The same text, every fact said from its other end."""
    del rng
    return replace(text, facts=text.facts[:, ::-1] * np.array([1, -1, 1]))


def twice(instance: LogicInstance | TextInstance, rng: np.random.Generator) -> Any:
    """The facts of a text, or a whole formula joined to itself by &, read twice."""
    del rng
    if isinstance(instance, TextInstance):
        return replace(instance, facts=np.concatenate([instance.facts, instance.facts]))
    return tasks.get("logic").parse(f"({instance.text}&{instance.text})")


def mirror(formula: LogicInstance, rng: np.random.Generator) -> LogicInstance:
    """The same formula, the two sides of every operator swapped by a coin."""
    written = [""] * formula.n_subformulas
    for i in formula.bottom_up:
        kind, a, b = int(formula.kind[i]), int(formula.left[i]), int(formula.right[i])
        if a < 0:
            written[i] = VOCABULARY[kind]
        elif kind == NOT:
            written[i] = VOCABULARY[kind] + written[a]
        else:
            a, b = (b, a) if rng.random() < 0.5 else (a, b)
            written[i] = f"({written[a]}{VOCABULARY[kind]}{written[b]})"
    return tasks.get("logic").parse(written[formula.root])


def twin(instance: Any, rng: np.random.Generator) -> Any:
    """The twin of `core.tasks.twins`."""
    return twins.find(instance, int(rng.integers(1 << 30))).instance


def matched(instance: LogicInstance | TextInstance, rng: np.random.Generator) -> Any:
    """An instance with the other answer and the same counts of every word.

    Raises:
        InputError: If none was found.
    """
    if instance.label is not None:
        pairs = _atoms(instance) if isinstance(instance, LogicInstance) else _facts(instance)
        for i in rng.permutation(len(pairs))[:TRIES]:
            other = _swapped(instance, *pairs[i].tolist())
            if other.label == 1 - instance.label and (isinstance(other, LogicInstance) or consistent(other)):
                return other
    raise InputError("no swap of two that keeps all counts turns the answer")


def _atoms(formula: LogicInstance) -> np.ndarray:
    """Pairs of an atom that decides and one of the other value, (P, 2)."""
    atoms = np.flatnonzero(formula.left < 0)
    deciding = atoms[decides(formula)[atoms]]
    one, other = np.meshgrid(deciding, atoms, indexing="ij")
    pairs = np.stack([one.ravel(), other.ravel()], axis=1)
    return pairs[formula.kind[pairs[:, 0]] != formula.kind[pairs[:, 1]]]


def _facts(text: TextInstance) -> np.ndarray:
    """Pairs of a fact of the chain and one that says another relation, (P, 2)."""
    one, other = np.meshgrid(np.array(chain(text), dtype=np.int64), np.arange(len(text.facts)), indexing="ij")
    pairs = np.stack([one.ravel(), other.ravel()], axis=1)
    return pairs[text.facts[pairs[:, 0], 1] != text.facts[pairs[:, 1], 1]]


def _swapped(instance: Any, one: int, other: int) -> Any:
    """Two atoms, or the relations of two facts, in each other's place."""
    if isinstance(instance, LogicInstance):
        kind = instance.kind.copy()
        kind[one], kind[other] = T + F - kind[one], T + F - kind[other]
        return replace(instance, kind=kind)
    facts = instance.facts.copy()
    facts[[one, other], 1] = facts[[other, one], 1]
    return replace(instance, facts=facts)


CHANGES: dict[str, tuple[Change, ...]] = {
    "graph": (
        Change("rename", "names dealt out anew", True, rename),
        Change("permute", "nodes in another order", True, permute),
        Change("shuffle", "edges in another order", True, shuffle),
        Change("twin", "two edges swap ends, degrees stay", False, twin),
    ),
    "logic": (
        Change("mirror", "sides of operators swapped", True, mirror),
        Change("twice", "(f & f)", True, twice),
        Change("twin", "one atom flipped", False, twin),
        Change("matched", "a T and an F change places", False, matched),
    ),
    "text": (
        Change("rename", "names dealt out anew", True, rename),
        Change("shuffle", "facts in another order", True, shuffle),
        Change("restate", "facts said from the other end", True, restate),
        Change("twice", "all facts said twice", True, twice),
        Change("twin", "one fact changed", False, twin),
        Change("matched", "two facts swap relations", False, matched),
    ),
}
"""The changes of each task."""

ABSENT = {
    "graph": ("twice: an edge is there once", "restate: an edge can be said in one way alone"),
    "logic": ("rename: a formula has no names", "shuffle: a formula has no parts without an order but its sides"),
    "text": ("permute: people have no order but that of the facts",),
}
"""Why the others are not among them."""
