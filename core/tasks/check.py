"""Whether a task of one's own is whole: all that training, tracing, probing and the pages ask of it, tried out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NOTHING, SPARSE_ABOVE, Encoding
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.kinds.findings import Finding, Wrong, first_line, of_error, tried
from depthscope.core.tasks import paths, twins
from depthscope.core.tasks.concepts import concept_for, features, identities, labels, parts
from depthscope.core.tasks.spec import Task
from depthscope.core.training import recipes
from depthscope.core.training.batches import lesson_of

COUNT = 4
INTERFACES = ("edges", "full")


def check(task: Task) -> list[Finding]:
    """Tries a task on small instances of its own; it may refuse one of the two interfaces, but not both."""
    level = max(2, task.least.get("audited", 1))
    try:
        drawn = task.generate(level, COUNT)
    except Exception as error:  # it is the user's code that is run
        return [of_error("", "generate", error)]
    trial = Trial(task, level, drawn)
    findings = [tried("", name, partial(test, trial)) for name, test in TESTS]
    refused = []
    for attention in INTERFACES:
        small = _config(task, attention, 2)
        config = _config(task, attention, task.training.vocabulary(small, "audited"))
        try:
            encodings = [task.encode(x, config) for x in drawn]
        except InputError as error:
            refused.append(f"{attention}: {first_line(error)}")
            continue
        except Exception as error:
            findings.append(of_error(attention, "encode", error))
            continue
        presentation = Presentation(task, config, drawn, encodings)
        findings += [tried(attention, name, partial(test, presentation)) for name, test in PRESENTATION_TESTS]
    if len(refused) == len(INTERFACES):
        findings.append(Finding("", "encodes something", False, "it refuses every interface: " + "; ".join(refused)))
    return findings


def _config(task: Task, attention: Any, vocabulary: int) -> ModelConfig:
    return ModelConfig(task.name, vocabulary, 16, 2, 16, attention=attention)


def _must(whether: bool, otherwise: str) -> None:
    if not whether:
        raise Wrong(otherwise)


class Trial:
    """A task and some of its instances; each method is one test."""

    def __init__(self, task: Task, level: int, drawn: list[Any]) -> None:
        self.task, self.level, self.drawn = task, level, drawn

    def generated(self) -> None:
        """As many as asked for, the same for the same seed, and more begin with the same."""
        task, level = self.task, self.level
        _must(len(self.drawn) == COUNT, f"`generate` should give {COUNT} instances (got {len(self.drawn)})")
        _must(task.generate(level, COUNT) == self.drawn, "`generate` should give the same instances for the same seed")
        _must(task.generate(level, 2) == self.drawn[:2], "`generate` of fewer should begin with the same instances")
        other = task.generate(level, COUNT, seed=1)
        _must(other != self.drawn, "`generate` should give other instances for another seed")

    def instances(self) -> None:
        """An instance has what `core.tasks.spec.Instance` says."""
        for x in self.drawn:
            _must(x.task == self.task.name, f"an instance's task is {x.task!r}, but it is of {self.task.name!r}")
            _must(x.label in (0, 1, None), f"a label should be 0, 1 or None (got {x.label!r})")
            _must(all(isinstance(note, str) for note in x.notes), "`notes` should be sentences")
            _must(isinstance(x.default_steps, int) and x.default_steps >= 1, "`default_steps` should be from 1")
            _must(x.first_decidable_step() >= 0, "`first_decidable_step` should be a step")
            _must(np.shape(x.ceiling(5)) == (5,), "`ceiling(T)` should have shape (T,)")
            _must(set(x.question()) == set(self.task.questions), "`question()` should have the names in `questions`")
            _must(x.asked(**x.question()) == x, "an instance asked its own question should be the same")
            hash(x)
        _must({x.label for x in self.drawn} >= {0, 1}, "among a few instances both answers should occur")

    def steps(self) -> None:
        """T by difficulty."""
        steps = self.task.default_steps(self.level, "edges")
        _must(isinstance(steps, int) and steps >= 1, f"`default_steps` should be a whole number from 1 (got {steps!r})")

    def texts(self) -> None:
        """What is rendered is read back."""
        for x in self.drawn:
            _must(
                self.task.parse(self.task.render(x), **x.question()) == x, "`parse` should read back what `render` says"
            )

    def oracle(self) -> None:
        """The oracle is JSON and a sentence."""
        for x in self.drawn:
            known = self.task.oracle(x)
            dumps(known)
            _must(isinstance(self.task.oracle_words(known), str), "`oracle_words` should give a sentence")

    def twin(self) -> None:
        """The twin has the other answer, where there are twins."""
        if self.task.twin is None:
            return
        for x in self.drawn:
            try:
                other = twins.find(x)
            except InputError:
                continue
            _must(other.instance.label == 1 - x.label, "a twin should have the other answer")
            if self.task.shared(x) is not x:  # they have more in common than being the same
                _must(twins.shared(other.instance) == twins.shared(x), "twins should have the same `shared`")
                _must(twins.together(x, other.instance), "`together` should know twins")

    def changes(self) -> None:
        """A change keeps the answer or turns it, as it says."""
        for change in self.task.changes:
            for x in self.drawn:
                try:
                    other = change.make(x, np.random.default_rng(0))
                except InputError:
                    continue
                _must((other.label == x.label) == change.keeps, f"{change.name!r} does not keep or turn the answer")

    def recipes(self) -> None:
        """Its own recipes can be trained."""
        for recipe in self.task.training.recipes():
            _must(recipe.task == self.task.name, f"the recipe {recipe.name!r} is of the task {recipe.task!r}")
            recipes.check(recipe)


class Presentation:
    """Instances as one interface shows them; each method is one test."""

    def __init__(self, task: Task, config: ModelConfig, drawn: list[Any], encodings: list[Encoding]) -> None:
        self.task, self.config, self.drawn, self.encodings = task, config, drawn, encodings

    def encoded(self) -> None:
        """Nodes, edges and values are in range."""
        for e in self.encodings:
            n, values = e.n_nodes, e.value[e.carries]
            _must(0 <= e.answer < n and 0 <= e.source < n, "`answer` and `source` should be nodes")
            _must(bool((e.token_ids > 0).all()), "token 0 is padding; no node should have it")
            _must(bool((e.token_ids < self.config.vocabulary).all()), "a token is beyond `Training.vocabulary`")
            _must(bool(self.task.has_class(values).all()), "a node's value should be one of the task's `classes`")
            _must(e.asked in self.task.classes, "`asked` should be one of the task's `classes`")
            if e.edge_index is not None:
                readers = np.unique(e.edge_index[0])
                _must(len(readers) == n, "every node should attend to something, itself if to nothing else")
                _must(bool(((e.edge_index >= 0) & (e.edge_index < n)).all()), "an edge leads to no node")
            _must((e.edge_index is None) == (self.config.attention != "edges"), "edges are for attention along edges")
            _must(n <= SPARSE_ABOVE or e.edge_index is not None, "instances to try are too large")

    def lesson(self) -> None:
        """They can be trained on."""
        lesson = lesson_of(self.drawn, self.task, self.config)
        _must(bool((lesson.value != NOTHING).any()), "no node carries the concept, so that nothing can be supervised")

    def drawn_ones(self) -> None:
        """What figures draw is among the nodes."""
        drawing = self.task.drawing
        for x, e in zip(self.drawn, self.encodings, strict=True):
            links, on = drawing.links(x, e)
            _must(
                links.shape == (2, len(on)), f"links have shape {links.shape}, but {len(on)} are said to decide or not"
            )
            _must(not links.size or 0 <= links.min() <= links.max() < e.n_nodes, "a link joins no nodes")
            _must(len(drawing.labels(x, e)) == e.n_nodes, "every node should have a label")
            _must(all(self.task.legend(e)), "the legend should say something of every ring")
            for texts in (drawing.names(x, e), drawing.meanings(x, e)):
                _must(texts is None or len(texts) == e.n_nodes, "names and meanings should be one a node")
            lines = [i for line in drawing.lines_of(e) for i in line]
            _must(len(lines) == len(set(lines)) and set(lines) <= set(range(e.n_nodes)), "lines should hold nodes once")
            _must(isinstance(drawing.size(x, e), str), "`size` should be words")

    def read(self) -> None:
        """What probes are compared with has a row a node."""
        concept = concept_for(self.config)
        width = features(concept, self.encodings[0], self.config).shape[1]
        for x, e in zip(self.drawn, self.encodings, strict=True):
            n = e.n_nodes
            _must(labels(concept, e, 3).shape == (4, n), "labels of probes should be (T+1, n)")
            rows, columns = features(concept, e, self.config).shape
            _must(rows == n, "`features` should have a row a node")
            _must(columns == width, f"`features` has {width} columns in one instance, {columns} in another")
            _must(identities(concept, e, self.config).shape[0] == n, "`identities` should have a row a node")
            for name, values in (*parts(concept, e).items(), *self.task.reading.orders(x, e, self.config).items()):
                _must(values.shape == (n,), f"{name!r} has shape {values.shape}, but there are {n} nodes")

    def paths(self) -> None:
        """The path's links join nodes."""
        for x, e in zip(self.drawn, self.encodings, strict=True):
            pairs = paths.routes(x, e, self.config).pairs
            _must(not pairs.size or 0 <= pairs.min() <= pairs.max() < e.n_nodes, "a link of the path joins no nodes")


TESTS: tuple[tuple[str, Callable[[Trial], None]], ...] = (
    ("generate", Trial.generated),
    ("instances have what the protocol says", Trial.instances),
    ("default_steps", Trial.steps),
    ("parse reads back what render says", Trial.texts),
    ("oracle", Trial.oracle),
    ("twin, where there is one", Trial.twin),
    ("changes, where there are any", Trial.changes),
    ("recipes, where there are any", Trial.recipes),
)
PRESENTATION_TESTS: tuple[tuple[str, Callable[[Presentation], None]], ...] = (
    ("encode", Presentation.encoded),
    ("can be trained on", Presentation.lesson),
    ("drawing", Presentation.drawn_ones),
    ("reading", Presentation.read),
    ("paths", Presentation.paths),
)
