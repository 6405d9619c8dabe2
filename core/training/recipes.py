"""Recipes: architecture, data and training settings by name. `paper` is the author's to the letter, `house` is ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from depthscope.core import tasks
from depthscope.core.config import FORMER, ModelConfig
from depthscope.core.errors import InputError
from depthscope.core.training import overrides


@dataclass(frozen=True)
class Curriculum:
    """Difficulty that grows with success.

    Attributes:
        start: Greatest difficulty at the beginning.
        threshold: A level is passed when the running accuracy of the answers at that level exceeds this.
        memory: Weight of the past in the running accuracy.
    """

    start: int = 2
    threshold: float = 0.93
    memory: float = 0.95


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made.

    Attributes:
        task: Task it learns.
        name: Name of the recipe.
        model: Architecture.
        data: "paper" or "audited".
        difficulty: Least and greatest difficulty trained on.
        steps: T is drawn from this range for every batch.
        batches: Optimiser steps in all.
        batch_size: Instances a batch.
        parts: Parts of like length that a batch is computed in, one after the other, so that short instances are not
            padded to the longest. The gradient is that of the whole batch, but that with supervision of every node the
            answer weighs as many times as its instance has nodes.
        learning_rate: Peak of AdamW's learning rate.
        warmup: Share of the batches in which the learning rate rises; it then falls as a cosine to zero.
        supervision: "answer": loss on the answer; "node": on the concept at every node that the oracle knows by then,
            and on the answer.
        alpha: 0 is silent thinking (loss at the last step only), 1 a loss at every step, between them the mixture.
        samples: Instances of a training set drawn once; None draws each batch afresh.
        nodes: Least and greatest number of nodes (graph).
        extra: Least and greatest of what lengthens an instance without deepening it, so that training covers the
            lengths of deeper instances: distractors of an audited text, facts by which the chain of the paper's texts
            goes on beyond the two people, depth of the siblings of a formula. None draws it as in tests.
        extra_from: Batch from which instances are lengthened; shorter ones are learned sooner.
        drift: Share of the chains of a text that keep their direction, so that far offsets occur in short ones.
        turns: Whether those chains turn back once.
        either_way: Whether half of the facts of the paper's texts are told from the other side.
        curriculum: None for all difficulties at once.
        bfloat16: Whether matrix products run in bfloat16 where the machine gains by it.
        validation: Difficulties of the validation.
        validate_every: Batches between two validations.
        weight_decay: Of AdamW.
        clip: Greatest norm of the gradient.
        kind: Kind of the model, a name in `core.kinds`.
        start: Checkpoint that training goes on from, named as `core.checkpoint.load` takes it; None for new weights.
            Of another readout it takes all but the readout.
        ponder: Weight of the model's own cost in the loss (ACT's ponder cost); 0 for models that have none.
    """

    task: str
    name: str
    model: ModelConfig
    data: Literal["paper", "audited"]
    difficulty: tuple[int, int]
    steps: tuple[int, int]
    batches: int
    batch_size: int
    learning_rate: float
    warmup: float
    supervision: Literal["answer", "node"]
    validation: tuple[int, ...]
    validate_every: int
    alpha: float = 0.0
    samples: int | None = None
    nodes: tuple[int, int] = (8, 16)
    extra: tuple[int, int] | None = None
    extra_from: int = 0
    drift: float = 0.0
    turns: bool = False
    either_way: bool = False
    curriculum: Curriculum | None = None
    bfloat16: bool = False
    weight_decay: float = 0.01
    clip: float = 1.0
    kind: str = "depth-recurrent"
    ponder: float = 0.0
    parts: int = 1
    start: str | None = None


PAPER_GRAPH = Recipe(
    task="graph",
    name="paper",
    model=ModelConfig(
        "graph", vocabulary=27, width=128, heads=4, mlp_width=256, readout="pair", activation="relu",
        identity="vocabulary", depth_embedding=20, recall=False, state_norm=False, dropout=0.1,
    ),
    data="paper",
    difficulty=(1, 5),
    steps=(5, 8),
    samples=12_000,
    batches=40 * (12_000 // 64),
    batch_size=64,
    learning_rate=3e-4,
    warmup=0.0,
    supervision="answer",
    validation=(1, 2, 3, 4, 6, 8, 10, 12),
    validate_every=12_000 // 64 * 5,
)  # fmt: skip

HOUSE_GRAPH = Recipe(
    task="graph",
    name="house",
    model=ModelConfig("graph", vocabulary=2, state_noise=0.3),
    data="audited",
    difficulty=(1, 5),
    steps=(5, 12),
    batches=800,
    batch_size=32,
    learning_rate=1e-3,
    warmup=0.05,
    supervision="node",
    validation=tuple(range(1, 13)),
    validate_every=100,
)

PAPER_LOGIC = Recipe(
    task="logic",
    name="paper",
    model=ModelConfig(
        "logic", vocabulary=9, width=256, heads=8, mlp_width=1024, attention="full", readout="cls", position="rope",
        depth_embedding=28, recall=False, state_norm=False, layer_scale=1e-4, dropout=0.1,
    ),
    data="paper",
    difficulty=(1, 8),
    steps=(4, 16),
    samples=64_000,
    batches=30 * (64_000 // 128),
    batch_size=128,
    learning_rate=3e-4,
    warmup=0.0,
    supervision="answer",
    validation=(2, 4, 6, 8, 10),
    validate_every=64_000 // 128,
    bfloat16=True,
    parts=16,
)  # fmt: skip

HOUSE_TREE = Recipe(
    task="logic",
    name="house-tree",
    model=ModelConfig("logic", vocabulary=10),
    data="audited",
    difficulty=(1, 6),
    steps=(8, 24),
    batches=800,
    batch_size=32,
    learning_rate=1e-3,
    warmup=0.1,
    supervision="node",
    validation=(2, 4, 6, 8, 16),
    validate_every=200,
)

HOUSE_LOGIC_TOKENS = Recipe(
    task="logic",
    name="house-tokens",
    model=ModelConfig(
        "logic", vocabulary=10, width=128, heads=8, mlp_width=256, attention="full", geometric=True, bracket_bias=True,
        state_noise=0.1,
    ),
    data="audited",
    difficulty=(1, 6),
    steps=(8, 24),
    batches=3000,
    batch_size=64,
    learning_rate=1e-3,
    warmup=0.1,
    supervision="node",
    validation=(2, 4, 6, 8),
    validate_every=250,
    extra=(0, 5),
    extra_from=1000,
    curriculum=Curriculum(),
    bfloat16=True,
    parts=4,
)  # fmt: skip

HOUSE_GRAPH_TOKENS = Recipe(
    task="graph",
    name="house-tokens",
    model=ModelConfig(
        "graph", vocabulary=4, width=64, heads=4, mlp_width=128, attention="full", position="rope", rope_base=100.0,
        equal_bias=True, distance_bias=True, state_noise=0.1,
    ),
    data="audited",
    difficulty=(1, 5),
    steps=(8, 20),
    batches=2500,
    batch_size=32,
    learning_rate=1e-3,
    warmup=0.1,
    supervision="node",
    validation=(1, 2, 3, 4, 5, 8, 12),
    validate_every=250,
    curriculum=Curriculum(start=1),
    bfloat16=True,
)  # fmt: skip

HOUSE_TEXT_TOKENS = Recipe(
    task="text",
    name="house-tokens",
    model=ModelConfig(
        "text", vocabulary=54, width=128, heads=8, mlp_width=256, attention="full", position="rope", rope_base=100.0,
        readout="offset", equal_bias=True, distance_bias=True, state_noise=0.1,
    ),
    data="audited",
    difficulty=(1, 5),
    steps=(12, 24),
    batches=2500,
    batch_size=32,
    learning_rate=1e-3,
    warmup=0.1,
    supervision="node",
    validation=(1, 2, 3, 4, 5, 8, 10),
    validate_every=250,
    extra=(2, 12),
    extra_from=1250,
    drift=0.5,
    curriculum=Curriculum(start=1),
    bfloat16=True,
)  # fmt: skip

HOUSE_FACTS = replace(
    HOUSE_TEXT_TOKENS,
    name="house-facts",
    model=ModelConfig("text", vocabulary=54, readout="offset", equal_bias=True, state_noise=0.2, gate_bias=1.0),
    batches=3000,
    validation=(1, 2, 3, 4, 5, 8, 12),
    extra=None,
    turns=True,
)

PAPER_TEXT = replace(
    PAPER_LOGIC,
    task="text",
    model=replace(PAPER_LOGIC.model, task="text", vocabulary=54, identity="vocabulary", depth_embedding=20),
    difficulty=(2, 5),
    steps=(1, 12),
    samples=60_000,
    batches=40 * (60_000 // 128),
    validation=(2, 3, 4, 5, 6, 8),
    validate_every=60_000 // 128,
    parts=4,
)

# The house block on the paper's own data and in its range of difficulty, with the answer alone as supervision.
HOUSE_GRAPH_ON_PAPER = replace(HOUSE_GRAPH, name="house-on-paper", data="paper", supervision="answer")
HOUSE_LOGIC_ON_PAPER = replace(
    HOUSE_LOGIC_TOKENS,
    name="house-on-paper",
    model=replace(HOUSE_LOGIC_TOKENS.model, bracket_bias=False),
    data="paper",
    difficulty=(1, 8),
    samples=64_000,
    supervision="answer",
    extra=None,
    curriculum=Curriculum(start=1),
)
HOUSE_TEXT_ON_PAPER = replace(
    HOUSE_TEXT_TOKENS,
    name="house-on-paper",
    model=replace(HOUSE_TEXT_TOKENS.model, identity="vocabulary", equal_bias=False),
    data="paper",
    difficulty=(2, 5),
    supervision="answer",
    steps=(8, 20),
    extra=None,
    drift=0.0,
    curriculum=Curriculum(start=2),
    validation=(2, 3, 4, 5, 6, 8),
)

# The same, but for a readout that sums over the words: it learns to count them, sooner than to follow names, and a
# count goes on beyond the lengths trained on.
HOUSE_SUM_ON_PAPER = replace(
    HOUSE_TEXT_ON_PAPER,
    name="house-sum-on-paper",
    model=replace(HOUSE_TEXT_ON_PAPER.model, readout="sum"),
    steps=(1, 16),
    batches=300,
    parts=2,
    curriculum=None,
    validation=(2, 3, 4, 5, 6, 7, 8, 9),
    validate_every=100,
)


def _with_equal(recipe: Recipe) -> Recipe:
    """The same with the learned bias on equal tokens."""
    return replace(recipe, name=f"{recipe.name}-equal", model=replace(recipe.model, equal_bias=True))


# Who is joined to whom is learned soon where the answer node gathers it, and a count goes on beyond the lengths trained
# on. So the first learns who belongs to the chain, and then its readout is exchanged for the sum, which counts them.
HOUSE_SUM_ON_PAPER_EQUAL = replace(
    _with_equal(HOUSE_SUM_ON_PAPER),
    start="text-house-on-paper-equal",
    steps=(6, 12),
    batch_size=64,
    warmup=0.05,
)

# Baselines: the house's task, data, loss, batches, batch size, width and T, without its mechanisms (recall, gate, state
# norm, noise). `weight-tied` has the shared block and step embeddings alone; `act` lets each node halt as well;
# `fixed-depth` shares nothing. A step lacks the house's gate and recall, so it costs about four fifths of one.

PLAIN_GRAPH = replace(
    HOUSE_GRAPH.model, recall=False, state_norm=False, gate_bias=None, state_noise=0.0, depth_embedding=12
)
PLAIN_TREE = replace(HOUSE_TREE.model, recall=False, state_norm=False, gate_bias=None, depth_embedding=24)
TIED_GRAPH = replace(HOUSE_GRAPH, name="weight-tied", model=PLAIN_GRAPH)
TIED_TREE = replace(HOUSE_TREE, name="weight-tied", model=PLAIN_TREE)

ACT_GRAPH = replace(TIED_GRAPH, name="act", kind="act", ponder=0.01)
ACT_TREE = replace(TIED_TREE, name="act", kind="act", ponder=0.01)

# As many blocks as the greatest T that the house is trained with, and always all of them: 12 times the weights, and 12
# steps a batch where the house has 8.5 on average.
FIXED_GRAPH = replace(TIED_GRAPH, name="fixed-depth", kind="fixed-depth", steps=(12, 12))

# Width, data, curriculum and batch size of `house-tokens`, two thirds of its batches, read from left to right without
# hints. A step is a GRU cell on one token, where a step of `house-tokens` is a block on all: a run over 43 tokens
# (depth 6) multiplies less than one step there. `steps` are the lengths trained on.
GRU_LOGIC = replace(
    HOUSE_LOGIC_TOKENS,
    name="gru",
    kind="gru",
    model=ModelConfig("logic", vocabulary=10, width=128, heads=1, mlp_width=64, attention="none"),
    steps=(5, 100),
    batches=2000,
    validation=(1, 2, 3, 4, 5, 6, 8),
    validate_every=250,
    extra=None,
    bfloat16=False,
    parts=1,
)

RECIPES = (
    PAPER_GRAPH,
    replace(PAPER_GRAPH, name="paper-perstep", alpha=1.0),
    HOUSE_GRAPH,
    replace(HOUSE_GRAPH, name="house-perstep", alpha=1.0),
    HOUSE_GRAPH_TOKENS,
    HOUSE_GRAPH_ON_PAPER,
    PAPER_LOGIC,
    HOUSE_TREE,
    HOUSE_LOGIC_TOKENS,
    HOUSE_LOGIC_ON_PAPER,
    _with_equal(HOUSE_LOGIC_ON_PAPER),
    PAPER_TEXT,
    HOUSE_FACTS,
    HOUSE_TEXT_TOKENS,
    HOUSE_TEXT_ON_PAPER,
    _with_equal(HOUSE_TEXT_ON_PAPER),
    HOUSE_SUM_ON_PAPER,
    HOUSE_SUM_ON_PAPER_EQUAL,
    TIED_GRAPH,
    ACT_GRAPH,
    FIXED_GRAPH,
    TIED_TREE,
    ACT_TREE,
    GRU_LOGIC,
)


def offered() -> tuple[Recipe, ...]:
    """The recipes here, and those that tasks declare themselves."""
    return (*RECIPES, *(recipe for name in tasks.names() for recipe in tasks.get(name).training.recipes()))


def get(task: str, name: str) -> Recipe:
    """A recipe by task and name.

    Raises:
        InputError: If there is none.
    """
    for recipe in offered():
        if (recipe.task, recipe.name) == (task, name):
            return recipe
    known = ", ".join(f"{r.task} {r.name}" for r in offered())
    raise InputError(f"there is no recipe {name!r:.40} for {task!r:.40}; there are: {known}")


def varied(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with some settings replaced, for ablations.

    Args:
        recipe: The recipe; it keeps its task and name.
        changes: Value by dotted field, in types that JSON has: {"model.gate_bias": None, "difficulty": [1, 3]}.

    Raises:
        InputError: If a field is unknown, a value is not allowed, or the settings do not fit each other.
    """
    for name in ("task", "name", "model.task", "model.attention"):
        if name in changes:
            raise InputError(f"{name} cannot be set: that would be another recipe")
    if not changes:
        return recipe
    changed = overrides.replaced(recipe, {_named_now(name): value for name, value in changes.items()})
    check(changed)
    return changed


def _named_now(name: str) -> str:
    """A dotted field by the name that it has now."""
    head, _, field = name.rpartition("model.")
    return f"model.{FORMER[field]}" if not head and field in FORMER else name


def check(recipe: Recipe) -> None:
    """Whether a recipe can be trained as its settings say.

    Raises:
        InputError: If a number is out of range, or a setting would be passed over or need another one.
    """
    model, task = recipe.model, tasks.get(recipe.task)
    for name in ("batches", "batch_size", "validate_every"):
        _within(name, getattr(recipe, name), 1, overrides.MAX_COUNT)
    _within("batch_size", recipe.batch_size, 2, 100_000)
    for name, low, high in (("warmup", 0, 1), ("alpha", 0, 1), ("weight_decay", 0, 1e3), ("clip", 1e-9, 1e9)):
        _within(name, getattr(recipe, name), low, high)
    _within("learning_rate", recipe.learning_rate, 1e-12, 1e3)
    for name, least, most in (("difficulty", 1, 300), ("steps", 1, 10_000), ("nodes", 2, 300)):
        low, high = getattr(recipe, name)
        if not least <= low <= high <= most:
            raise InputError(f"{name} should rise within {least} to {most} (got {[low, high]})")
    _within("parts", recipe.parts, 1, recipe.batch_size)
    for difficulty in recipe.validation:
        _within("validation", difficulty, 1, 300)
    if recipe.samples is not None:
        _within("samples", recipe.samples, recipe.batch_size, 10_000_000)
    elif task.training.lesson is not None and recipe.data not in task.training.fresh:
        raise InputError(
            f"data={recipe.data} of {task.words.nouns} needs samples: they are drawn once, not afresh for every batch"
        )
    if recipe.curriculum is not None:
        _within("curriculum.start", recipe.curriculum.start, *recipe.difficulty)
        _within("curriculum.memory", recipe.curriculum.memory, 0, 1)
    if model.state_noise and not model.state_norm:
        raise InputError(
            f"model.state_norm=false leaves the state noise of {model.state_noise:g} without the norm that gives it "
            "its scale; set model.state_noise=0 as well"
        )
    if not model.reads_nodes and recipe.supervision == "node":
        raise InputError(f"supervision=node needs a readout at every node, and model.readout={model.readout} has none")
    if model.attention == "edges" and model.bracket_bias:
        raise InputError("model.bracket_bias is for full attention; along edges it would be passed over")
    needed = task.training.vocabulary(model, recipe.data)
    if model.vocabulary < needed:
        raise InputError(f"model.vocabulary should be at least {needed} here (got {model.vocabulary})")


def _within(name: str, number: float, low: float, high: float) -> None:
    if not low <= number <= high:
        raise InputError(f"{name} should be from {low:g} to {high:g} (got {number:g})")
