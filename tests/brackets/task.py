"""The brackets, declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, Encoding
from depthscope.core.errors import InputError
from depthscope.core.tasks import SPLITS
from depthscope.core.tasks.paths import Routes
from depthscope.core.tasks.spec import Concept, Drawing, Reading, Task, Tool, Training, Words
from tests.brackets.instance import CLOSED, CLOSING, CONCEPT, NAME, OPENING, Brackets, default_steps

if TYPE_CHECKING:
    from depthscope.core.training.recipes import Recipe

VOCABULARY = ("[PAD]", "[CLS]", "(", ")", "[", "]")
LONGEST = 200


def parse(text: str | bytes, filename: str | None = None) -> Brackets:
    word = (text.decode() if isinstance(text, bytes) else text).strip()
    for column, bracket in enumerate(word, start=1):
        if bracket not in OPENING + CLOSING:
            raise InputError(f"column {column}: {bracket!r} is no bracket; write ( ) [ ]")
    if not 1 <= len(word) <= LONGEST:
        raise InputError(f"a word has 1 to {LONGEST} brackets (got {len(word)})")
    return Brackets(word)


def render(instance: Brackets) -> str:
    return instance.text + "\n"


def encode(instance: Brackets, config: ModelConfig) -> Encoding:
    """[CLS], which has the class of the word, and the brackets."""
    if config.attention != "full":
        raise InputError("brackets are read as tokens, with full attention")
    (kind, _), n = instance.matched, len(instance.text) + 1
    ids = [1, *(VOCABULARY.index(bracket) for bracket in instance.text)]
    return Encoding(
        interface="tokens",
        labels=tuple(VOCABULARY[i] for i in ids),
        token_ids=np.array(ids),
        roles=np.zeros(n, dtype=np.int64),
        edge_index=None,
        answer=0,
        source=0,
        value=np.array([instance.whole, *kind], dtype=np.int8),
        true_from=np.zeros(n, dtype=np.int64),
        known_from=np.array([instance.first_decidable_step(), *instance.height]),
        instance_node=np.array([-1, *range(n - 1)]),
        asked=CLOSED,
    )


def _balanced(rng: np.random.Generator, depth: int) -> str:
    """A balanced word so deep: one tower, and shallow pairs beside it."""
    word = ""
    for _ in range(depth):
        kind = rng.integers(2)
        beside = "".join(OPENING[k] + CLOSING[k] for k in rng.integers(2, size=rng.integers(0, 2))) if word else ""
        word = OPENING[kind] + word + beside + CLOSING[kind]
    return word


def _flipped(word: str, i: int) -> str:
    bracket = word[i]
    pair = OPENING if bracket in OPENING else CLOSING
    return word[:i] + pair[1 - pair.index(bracket)] + word[i + 1 :]


def twin(instance: Brackets, seed: int = 0) -> tuple[Brackets, str]:
    """One bracket becomes one of the other kind."""
    for i in np.random.default_rng(seed).permutation(len(instance.text)).tolist():
        other = Brackets(_flipped(instance.text, i))
        if other.label != instance.label:
            return other, f"bracket {i + 1} is {other.text[i]} where it was {instance.text[i]}"
    raise InputError("no single bracket turns the answer")


def turn(instance: Brackets, i: int) -> tuple[Brackets, str]:
    if not 0 <= i < len(instance.text):
        raise InputError(f"there is no bracket {i + 1}")
    return Brackets(_flipped(instance.text, i)), f"Bracket {i + 1} is of the other kind now."


def harder(instance: Brackets) -> tuple[Brackets, str]:
    return Brackets(f"({instance.text})"), "One pair more around it."


def easier(instance: Brackets) -> tuple[Brackets, str]:
    word = instance.text
    if instance.matched[1][0] != len(word) - 1 or len(word) < 4:
        raise InputError("there is no pair around all to take away")
    return Brackets(word[1:-1]), "The pair around it was taken away."


def generate(difficulty: int, count: int, data: str = "audited", seed: int = 0, split: str = "test") -> list[Brackets]:
    """Balanced words and their twins in turn."""
    if data not in ("audited", "paper") or not 1 <= difficulty <= 40:
        raise InputError("brackets are audited, from 1 to 40 deep")
    rng, out = np.random.default_rng([SPLITS[split], seed, difficulty, 7]), []
    while len(out) < count:
        word = Brackets(_balanced(rng, difficulty))
        out += [word, twin(word, int(rng.integers(1 << 30)))[0]]
    return out[:count]


def oracle(instance: Brackets) -> dict[str, Any]:
    return {"concept": CONCEPT, "value": instance.matched[0], "step": instance.height}


def links(instance: Brackets, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Each pair, the bracket that opens to the one that closes."""
    partner = instance.matched[1]
    first = np.flatnonzero(partner > np.arange(len(partner)))
    return np.stack([first, partner[first]]) + 1, np.ones(len(first), dtype=bool)


def paths(instance: Brackets, encoding: Encoding) -> Routes:
    """Partners see each other; [CLS] sees all."""
    (first, last), _ = links(instance, encoding)
    height, n = np.concatenate([[0], instance.height]), encoding.n_nodes
    everyone = np.arange(1, n)
    pairs = np.concatenate([[last, first], [first, last], [np.zeros(n - 1, dtype=np.int64), everyone]], axis=1)
    from_step = np.concatenate([height[last], height[first], np.where(height[1:] > 0, height[1:], NEVER)])
    nothing = np.zeros(0, dtype=np.int64)
    return Routes(pairs, from_step, nothing, np.zeros((2, 0), dtype=np.int64), nothing, ())


def problem(instance: Brackets, decidable: int | None) -> str:
    said = {0: "some brackets are left open", 1: "every bracket has its partner", 2: "a bracket is wrong"}
    return f"In this word {said[instance.whole]}"


def recipes() -> Sequence[Recipe]:
    """One that trains in seconds."""
    from depthscope.core.training.recipes import Recipe

    model = ModelConfig(
        NAME, len(VOCABULARY), 32, 4, 64, attention="full", readout="classes", position="rope", rope_base=100.0
    )
    return (
        Recipe(
            task=NAME, name="house", model=model, data="audited", difficulty=(1, 3), steps=(3, 8), batches=120,
            batch_size=32, learning_rate=3e-3, warmup=0.1, supervision="node", validation=(1, 2, 3),
            validate_every=60,
        ),
    )  # fmt: skip


TASK = Task(
    name=NAME,
    words=Words(
        noun="word of brackets",
        nouns="brackets",
        question="has each its partner?",
        answers=("unbalanced", "balanced"),
        buttons=("Unbalanced", "Balanced"),
        difficulty="depth",
        unit="levels",
        amount="depth {}",
        typed="Brackets",
        placeholder="([])()",
        help="( ) [ ]",
        one_line=True,
        tokens=VOCABULARY,
    ),
    classes={0: "open", 1: "closed", 2: "wrong"},
    parse=parse,
    render=render,
    encode=encode,
    generate=generate,
    oracle=oracle,
    default_steps=default_steps,
    drawing=Drawing(
        "lines", links, problem=problem, tools=(Tool("turn", "other kind", "x", "( for [, ) for ]"),)
    ),
    reading=Reading(
        Concept(NAME, CONCEPT, "true kind", "levels", (1, 2, 3), 4, values=(0, 1, 2), span="depth {}")
    ),
    training=Training(recipes=recipes, vocabulary=lambda model, data: len(VOCABULARY), validation_count=60),
    twin=twin,
    edits={"turn": turn, "harder": harder, "easier": easier},
    paths=paths,
    most={"audited": 12, "paper": 12},
)  # fmt: skip
