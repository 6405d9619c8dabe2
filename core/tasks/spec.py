"""A task: all that the rest of the house asks of one, declared once, as `TASK` in the task's own folder.

Nobody else asks which task it is. What a task leaves out has a plain default here or in the module that uses it: no
twin, no edits, no path. Compare clrs' specs.py, which declares every intermediate fact of an algorithm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

import numpy as np

from depthscope.core.encoding import NEVER, Encoding, against_rest
from depthscope.core.errors import InputError

if TYPE_CHECKING:
    from depthscope.core.config import ModelConfig
    from depthscope.core.encoding import Lesson
    from depthscope.core.tasks.changes import Change
    from depthscope.core.tasks.paths import Routes
    from depthscope.core.tasks.steering import Place
    from depthscope.core.training.recipes import Recipe

Layout = Literal["layered", "tree", "lines"]
"""How an instance is drawn, by `figures.linked_views.layout`: a graph in layers, from `edges` and `distance` of the
instance; a tree over its tokens, from `level` and `position`; tokens as words in lines, from `Drawing.lines`."""


class Instance(Protocol):
    """One problem with its oracle: a frozen value that is equal to another with the same content."""

    notes: tuple[str, ...]
    """Sentences about what reading changed."""

    @property
    def task(self) -> str:
        """Name of its task."""
        ...

    @property
    def label(self) -> int | None:
        """The right answer, 0 or 1; None where there is none."""
        ...

    @property
    def difficulty(self) -> int | None:
        """Hops, nesting depth, ...; None where it has none."""
        ...

    @property
    def default_steps(self) -> int:
        """T when none are asked for."""
        ...

    def first_decidable_step(self) -> int:
        """First T at which an observer of T steps can answer; NEVER if it never can."""
        ...

    def ceiling(self, steps: int) -> np.ndarray:
        """Expected accuracy of the observer of T = 1..steps, (steps,)."""
        ...

    def question(self) -> dict[str, str]:
        """What is asked beside the instance itself, by the names in `Task.questions`: the ends of a graph."""
        ...

    def asked(self, **question: str | None) -> Instance:
        """The same instance with another question; None leaves a part as it is.

        Raises:
            InputError: If it has no such part, or the part cannot have that value.
        """
        ...


T = TypeVar("T")


def unasked(instance: T, question: Mapping[str, str | None]) -> T:
    """What `asked` gives for an instance that holds its question itself: the instance, if nothing else is asked.

    Raises:
        InputError: If something is asked.
    """
    if any(part is not None for part in question.values()):
        raise InputError("a source and a target are for graphs")
    return instance


@dataclass(frozen=True, eq=False)
class Problem:
    """What instances have in common that hold their question themselves; a subclass is a dataclass with `eq=False`."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare)
        return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)

    def __hash__(self) -> int:
        values = (getattr(self, f.name) for f in fields(self) if f.compare)
        return hash(tuple(x.tobytes() if isinstance(x, np.ndarray) else x for x in values))

    def first_decidable_step(self) -> int:
        """First T at which an observer of T steps can answer."""
        raise NotImplementedError

    def ceiling(self, steps: int) -> np.ndarray:
        """Expected accuracy of the observer of T = 1..steps, (steps,): 1 where it can decide, else a coin."""
        return np.where(np.arange(1, steps + 1) >= self.first_decidable_step(), 1.0, 0.5)

    def question(self) -> dict[str, str]:
        """Nothing is asked beside the instance."""
        return {}

    def asked(self, **question: str | None) -> Self:
        """The instance itself, if nothing else is asked."""
        return unasked(self, question)


@dataclass(frozen=True)
class Concept:
    """An intermediate fact that the oracle knows for every node.

    Attributes:
        task: Task it belongs to.
        name: Name in the traces of the task.
        meaning: What a reading is the probability of.
        unit: What the difficulty counts.
        fitted: Difficulties that probes are fitted on.
        harder: Difficulty beyond them on which they are tried as well.
        values: Its values where it has several; none if it is true or false.
        pace: Steps that one hop takes.
        spreads: Whether it becomes true of a node once a wave from the source arrives, and a probe is asked for that.
        span: Difficulties in words, `{}` for the number or range.
    """

    task: str
    name: str
    meaning: str
    unit: str
    fitted: tuple[int, ...]
    harder: int
    values: tuple[int, ...] = ()
    pace: int = 1
    spreads: bool = False
    span: str = "difficulty {}"


@dataclass(frozen=True)
class Words:
    """What a person reads of a task.

    Attributes:
        noun: One instance: "graph".
        nouns: Several: "graphs".
        question: What is asked of each: "is there a path?".
        answers: What the answers 0 and 1 are called in a sentence.
        buttons: The same on a button.
        difficulty: What the difficulty counts, as the title of an axis.
        unit: What so many of them are: "hops".
        amount: A difficulty, `{}` for the number; `one` is used for the number 1.
        one: The same for the number 1; "" if it needs no form of its own.
        no_difficulty: What instances without a difficulty are called.
        typed: Title of the box that an instance is typed into.
        placeholder: An example in it.
        help: What may be typed.
        extensions: Of files that hold one instance.
        one_line: Whether an instance is usually one line.
        roles: What the two nodes marked SOURCE and TARGET are called.
        front: What the rows of the wavefront are sorted by.
        validated_on: What the validation of a training holds, `{}` for the kind of data.
        tokens: The vocabulary that models read, index by index, the padding first; of a graph, what a node is.
    """

    noun: str
    nouns: str
    question: str
    answers: tuple[str, str]
    buttons: tuple[str, str]
    difficulty: str = "difficulty"
    unit: str = "levels"
    amount: str = "difficulty {}"
    one: str = ""
    no_difficulty: str = "no difficulty"
    typed: str = "Instance"
    placeholder: str = ""
    help: str = ""
    extensions: tuple[str, ...] = ("txt",)
    one_line: bool = False
    roles: tuple[str, str] = ("source", "target")
    front: str = "they can be known"
    validated_on: str = "{} instances"
    tokens: tuple[str, ...] = ("",)

    def counted(self, number: int | str) -> str:
        """A difficulty, or a span of them, with what it counts: 1 hop, 1–12 hops, nesting depth 3."""
        return (self.one if self.one and str(number) == "1" else self.amount).format(number)


def no_links(instance: Any, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Links of an instance that has none to draw."""
    return np.zeros((2, 0), dtype=np.int64), np.zeros(0, dtype=bool)


@dataclass(frozen=True)
class Tool:
    """What a click and a key of the editor do to a node.

    Attributes:
        name: Of an edit of the task that is done to one place; "edge" is done to two.
        text: On its button.
        key: As the browser calls it.
        title: What it does.
    """

    name: str
    text: str
    key: str
    title: str


@dataclass(frozen=True)
class Drawing:
    """What figures draw and say of one instance; all text is plain and has to be escaped where it is drawn.

    Attributes:
        layout: How its nodes are placed.
        links: (instance, encoding) -> (2, E) pairs (from, to) of nodes, and which are decisive, (E,) bool.
        lines: encoding -> nodes of each line, the first on top, none for no lines; None: one line in the layout
            "lines", none in others.
        encoded: (instance, encoding) -> the instance that an encoding speaks of, where it was rewritten.
        whole: instance -> its links among its own nodes, (2, E), and which are decisive, where a model may have several
            tokens for one of them; None if none has.
        labels: (instance, encoding) -> what each node is called, n texts.
        names: (instance, encoding) -> what each node stands for where its label does not say it; None for no such text.
        meanings: (instance, encoding) -> what the oracle's value at each node says; None for the words of the classes.
        legend: What is said of a node with the asked value, with another, with one that is not known yet, and with one
            that never is; None for the words of the classes.
        problem: (instance, first decidable step or None) -> the instance and what its oracle says, no full stop; None
            for a plain sentence.
        path: instance -> what its path is called, and what the links of the path are among.
        size: (instance, encoding) -> how large it is, in words.
        tools: Of the editor.
        tools_hint: What it says before a node is chosen.
        edits_lines: Whether an edit is done to a line (the first drawn is the last) and not to a node.
    """

    layout: Layout
    links: Callable[[Any, Encoding], tuple[np.ndarray, np.ndarray]] = no_links
    lines: Callable[[Encoding], list[list[int]]] | None = None
    encoded: Callable[[Any, Encoding], Any] = lambda instance, encoding: instance
    whole: Callable[[Any], tuple[np.ndarray, np.ndarray]] | None = None
    labels: Callable[[Any, Encoding], tuple[str, ...] | list[str]] = lambda instance, encoding: encoding.labels
    names: Callable[[Any, Encoding], list[str | None] | None] = lambda instance, encoding: None
    meanings: Callable[[Any, Encoding], list[str | None] | None] = lambda instance, encoding: None
    legend: tuple[str, str, str, str] | None = None
    problem: Callable[[Any, int | None], str] | None = None
    path: Callable[[Any], tuple[str, str]] = lambda instance: ("the path that decides", "the links")
    size: Callable[[Any, Encoding], str] = lambda instance, encoding: f"{encoding.n_nodes:,} nodes"
    tools: tuple[Tool, ...] = ()
    tools_hint: str = "Choose a node to change it."
    edits_lines: bool = False

    def lines_of(self, encoding: Encoding) -> list[list[int]]:
        """Nodes that are written in lines."""
        if self.lines is not None:
            return self.lines(encoding)
        return [list(range(encoding.n_nodes))] if self.layout == "lines" else []

    def is_layered(self, encoding: Encoding) -> bool:
        """Whether every node is one of the instance's own, in layers."""
        return self.layout == "layered" and encoding.one_node_each


def identities(encoding: Encoding) -> np.ndarray:
    """What tells nodes apart before the first step where they have no names: the token, (n, 1) int64."""
    return encoding.token_ids[:, None]


def unseen(concept: Concept, encoding: Encoding) -> dict[str, np.ndarray]:
    """The nodes at distances that no probe was fitted on, by the name of the part."""
    far = (encoding.true_from > max(concept.fitted)) & (encoding.true_from != NEVER)
    return {"unseen": encoding.carries & far}


@dataclass(frozen=True)
class Reading:
    """What probes look for in the states, and what they are compared with.

    Attributes:
        concept: The concept; `concepts.concept_for` gives it as a model meets it.
        concept_for: (concept, config) -> the concept as a model with this config meets it.
        data_for: config -> the data that probes of such a model are fitted on.
        features: encoding -> what can be said of each node without any thinking, (n, f) float64; None for one column a
            kind of token, and its place.
        identities: encoding -> what tells nodes apart before the first step where they have no names, (n, k) int64.
        parts: (concept, encoding) -> nodes on which scores are reported apart from all others, name to (n,) bool.
        computed: encoding -> nodes whose value has to be worked out, where others show theirs; None if none show it.
        orders: (instance, encoding, config) -> in which order a wave could reach the nodes, name to (n,) int64, -1
            for a node that is not in it.
    """

    concept: Concept
    concept_for: Callable[[Concept, ModelConfig], Concept] = lambda concept, config: concept
    data_for: Callable[[ModelConfig], str] = lambda config: "audited"
    features: Callable[[Encoding], np.ndarray] | None = None
    identities: Callable[[Encoding], np.ndarray] = identities
    parts: Callable[[Concept, Encoding], dict[str, np.ndarray]] = unseen
    computed: Callable[[Encoding], np.ndarray | None] = lambda encoding: None
    orders: Callable[[Any, Encoding, ModelConfig], dict[str, np.ndarray]] = lambda instance, encoding, config: {
        "step": np.where(encoding.has_from != NEVER, encoding.has_from, -1)
    }


@dataclass(frozen=True)
class Training:
    """How models of the task are trained.

    Attributes:
        recipes: Recipes beside those of `core.training.recipes`; called late, since a config needs its task known.
        lesson: Draws a batch of `core.training.batches` fast, (recipe, rng, difficulty (B,), split, nodes, extra) ->
            Lesson; None makes it from `generate` and `encode`.
        training_set: Draws the set of a recipe with `samples`, (recipe, seed) -> (Lesson, difficulty); None likewise.
        fresh: Data that `lesson` draws.
        vocabulary: (config, data) -> rows of the embedding that a model needs.
        validation_count: Instances of each difficulty in a validation.
        answer_weight: Weight of the answer beside the mean over all nodes, where every node is supervised.
        marks_ends: Whether source and target are marked in the embedding, as an instance asks about two nodes.
        sums: Whether values add up along the path, so that a readout "sum" has something to count.
    """

    recipes: Callable[[], Sequence[Recipe]] = lambda: ()
    lesson: Callable[..., Lesson] | None = None
    training_set: Callable[[Recipe, int], tuple[Lesson, np.ndarray]] | None = None
    fresh: tuple[str, ...] = ("audited", "paper")
    vocabulary: Callable[[ModelConfig, str], int] = lambda config, data: 2
    validation_count: int = 200
    answer_weight: float = 0.0
    marks_ends: bool = False
    sums: bool = False


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: Its name on the command line and in a checkpoint's config.
        words: What a person reads of it.
        classes: Values that a node's readout tells apart, consecutive, each with its word; two or more.
        parse: (text, filename=None, **options) -> Instance; options are `formats` and `questions`.
        render: Instance -> its text, which `parse` reads back.
        encode: (Instance, ModelConfig) -> Encoding.
        generate: (difficulty, count, data="audited", seed=0, split="test") -> Instances, the same for the same seed.
        oracle: Instance -> what is true of it, as `generate --json` prints it.
        oracle_words: The same as one sentence.
        default_steps: (difficulty, attention) -> T when none are asked for.
        drawing: What figures draw and say.
        reading: What probes look for.
        training: How models are trained.
        before: Class of a node while its concept is not true yet.
        highest: Greatest value that a node can have once it is true, where `before` is no such value; None: that of the
            last class.
        questions: Names of what can be asked beside the instance: ("source", "target") of a graph.
        formats: Names of file formats that `parse` takes as `format`; it is then given bytes, and each says its own
            encoding.
        asks: Instance -> what JSON says of its question.
        as_given: (Instance, config) -> the instance that a model is in fact given, rewritten to what it knows.
        decidable: (Instance, Encoding) -> first step at which the oracle can answer what the model was given.
        twin: (Instance, seed) -> the least different instance with the other answer, and a sentence on the change.
        shared: What an instance has in common with its twin.
        together: Whether two instances with the same `shared` are the same, or twins.
        same_answer: (Instance, seed) -> an instance with the same answer that differs as little as a twin does, or
            None; None: the twin of a twin by other changes.
        identify: (Instance, node) -> what one of its nodes is across instances, and what it is called; None: its name,
            or its place where there are no `names`.
        rules: Trivial rules by name: instances -> the probability that each answers 1, (n,); one half is a coin.
        counts: Instances -> what counting gives, (n, k), from which one more rule is learned; None for none.
        scrambled: (Instance, rng) -> the same parts with the names of all shuffled; None where there are none.
        edits: Edits by hand: name to (Instance, *places) -> the changed instance, and a sentence.
        places: Instance -> what an edit is done to, and how many there are of it; None where edits check it themselves.
        changes: Changes that keep the answer or turn it (`core.tasks.changes`).
        absent: Why other tasks' changes are not among them.
        paths: (Instance, Encoding) -> its links and those on the answer's path (`core.tasks.paths`).
        steering: (Instance, Encoding, unit) -> what is steered there and what should follow (`core.tasks.steering`).
        own_score: What `score` is, where several answers may be right or an answer is more than one node; None for
            whether the sign of the contrast is the label.
        own_contrast: What `contrast` is; None for the readout of the answer's node.
        most: Greatest difficulty offered, by kind of data.
        least: Least difficulty, by kind of data, where it is not 1.
        first_difficulties: What the frontier opens with; "" for up to twice the trained.
    """

    name: str
    words: Words
    classes: Mapping[int, str]
    parse: Callable[..., Any]
    render: Callable[[Any], str]
    encode: Callable[[Any, ModelConfig], Encoding]
    generate: Callable[..., list[Any]]
    oracle: Callable[[Any], dict[str, Any]]
    default_steps: Callable[..., int]
    drawing: Drawing
    reading: Reading
    training: Training = field(default_factory=Training)
    oracle_words: Callable[[dict[str, Any]], str] = lambda known: "; ".join(f"{k} {v}" for k, v in known.items())
    before: int = 0
    highest: int | None = None
    questions: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    asks: Callable[[Any], dict[str, str]] = lambda instance: instance.question()
    as_given: Callable[[Any, ModelConfig], Any] = lambda instance, config: instance
    decidable: Callable[[Any, Encoding], int] = lambda instance, encoding: instance.first_decidable_step()
    twin: Callable[[Any, int], tuple[Any, str]] | None = None
    shared: Callable[[Any], Any] = lambda instance: instance
    together: Callable[[Any, Any], bool] = lambda first, second: first == second
    same_answer: Callable[[Any, int], Any | None] | None = None
    identify: Callable[[Any, int], tuple[Any, str]] | None = None
    rules: Mapping[str, Callable[[Sequence[Any]], np.ndarray]] = field(default_factory=dict)
    counts: Callable[[Sequence[Any]], np.ndarray] | None = None
    scrambled: Callable[[Any, np.random.Generator], Any] | None = None
    edits: Mapping[str, Callable[..., tuple[Any, str]]] = field(default_factory=dict)
    places: Callable[[Any], tuple[str, int]] | None = None
    changes: tuple[Change, ...] = ()
    absent: tuple[str, ...] = ()
    paths: Callable[[Any, Encoding], Routes] | None = None
    steering: Callable[[Any, Encoding, int], Place | None] | None = None
    own_score: Callable[[Any, Encoding, np.ndarray], np.ndarray] | None = None
    own_contrast: Callable[[Encoding, np.ndarray], np.ndarray] | None = None
    most: Mapping[str, int] = field(default_factory=lambda: {"audited": 20, "paper": 20})
    least: Mapping[str, int] = field(default_factory=dict)
    first_difficulties: str = ""

    def __post_init__(self) -> None:
        values = sorted(self.classes)
        if len(values) < 2 or values != list(range(values[0], values[0] + len(values))):
            raise ValueError(f"{self.name}: classes should be two or more consecutive values (got {values})")
        if self.before not in self.classes:
            raise ValueError(f"{self.name}: `before` should be one of the classes {values} (got {self.before})")

    @property
    def layout(self) -> Layout:
        """How its instances are drawn."""
        return self.drawing.layout

    @property
    def concept(self) -> Concept:
        """What probes look for."""
        return self.reading.concept

    @property
    def lowest(self) -> int:
        """Value of class 0: class = value - lowest."""
        return min(self.classes)

    def legend(self, encoding: Encoding) -> tuple[str, str, str, str]:
        """What is said of a node with the asked value, another, one that is not known yet, and one that never is."""
        if self.drawing.legend is not None:
            return self.drawing.legend
        others = [word for value, word in self.classes.items() if value != encoding.asked]
        rest = " or ".join(others) if len(others) <= 3 else "another"
        return f"known: {self.classes[encoding.asked]}", f"known: {rest}", "not decidable yet", "not decidable"

    def node_logits(self, encoding: Encoding, readout: np.ndarray) -> np.ndarray:
        """A readout as one logit a node, (T+1, n): of K classes, (T+1, n, K), the asked one against the rest."""
        return readout if readout.ndim == 2 else against_rest(readout, encoding.asked - self.lowest)

    def contrast(self, encoding: Encoding, readout: np.ndarray) -> np.ndarray:
        """The scalar that lenses and patching follow, from a readout of nodes, (T+1, n) or (T+1, n, K) -> (T+1,)."""
        if self.own_contrast is not None:
            return self.own_contrast(encoding, readout)
        return self.node_logits(encoding, readout)[:, encoding.answer]

    def score(self, instance: Any, encoding: Encoding, readout: np.ndarray) -> np.ndarray:
        """Whether the whole answer is right, from a readout of nodes, (T+1, n) or (T+1, n, K) -> (T+1,) bool."""
        if self.own_score is not None:
            return self.own_score(instance, encoding, readout)
        return (self.contrast(encoding, readout) > 0) == bool(instance.label)

    def class_of(self, value: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Class index of each value of the concept where it is true; that of `before` elsewhere."""
        return np.where(true & self.has_class(value), value, self.before) - self.lowest

    def has_class(self, value: Any) -> Any:
        """Whether each value, of an array or a tensor, is one that a class stands for; NOTHING is not."""
        return (value >= self.lowest) & (value <= (max(self.classes) if self.highest is None else self.highest))
