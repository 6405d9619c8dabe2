"""How a text becomes nodes for a model: its words, or its facts with mentions joined by equal names.

Words: `[CLS] A is the parent of B . ... query : A is the grandparent of C [SEP]`, full attention.

Facts: three nodes a fact, (subject, relation, object), and four of the question, which begins with `query`. The two
mentions of a fact attend to each other, and mentions of a name to its other mentions. A mention's token is what it is
to the other one, so that "A is the parent of B" and "B is the child of A" are one fact; the question states none, and
its mentions only tell which is which.

One plan serves a batch of training and a single instance alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from depthscope.core.config import ModelConfig
from depthscope.core.encoding import NEVER, NOTHING, SOURCE, TARGET, Batch, Encoding, Lesson
from depthscope.core.errors import InputError
from depthscope.core.tasks.text.generate import TextArrays
from depthscope.core.tasks.text.instance import (
    CLS,
    FIRST_NAME,
    FIRST_RELATION,
    NAME,
    NAMES,
    OFFSETS,
    TOKEN,
    VOCABULARY,
    TextInstance,
)

SUBJECT, OBJECT = FIRST_NAME, FIRST_NAME + 1
"""Tokens of the question's mentions along edges, where names have no identity and no place in the sentence."""

RELATION_TOKEN = np.zeros(2 * max(OFFSETS) + 1, np.int64)
RELATION_TOKEN[np.array(OFFSETS) + max(OFFSETS)] = FIRST_RELATION + np.arange(len(OFFSETS))


@dataclass(frozen=True)
class Layout:
    """Texts as rows of tokens, padded to n.

    Attributes:
        tokens: (B, n) vocabulary index, 0 where padded.
        person: (B, n) index of the person mentioned, -1 for none.
        sentence: (B, n) index of the sentence, -1 for none.
        source: (B,) place of the question's subject.
        answer: (B,) place of the question's object.
        asked: (B,) place of the question's relation.
    """

    tokens: np.ndarray
    person: np.ndarray
    sentence: np.ndarray
    source: np.ndarray
    answer: np.ndarray
    asked: np.ndarray

    def read_by(self, config: ModelConfig) -> np.ndarray:
        """The tokens that a model reads, (B, n).

        A readout of a sum is told by itself what is asked, so that the word for it is hidden from the states: they
        would else prejudge offsets that training never affirmed.
        """
        if config.readout != "sum":
            return self.tokens
        tokens = self.tokens.copy()
        tokens[np.arange(len(tokens)), self.asked] = TOKEN["query"]
        return tokens


FACT = ("subject", "is", "the", "relation", "of", "object", ".")
QUESTION = ("query", ":", *FACT[:-1], "[SEP]")
PARTS = ("subject", "relation", "object")


def lay(facts: np.ndarray, n_facts: np.ndarray, query: np.ndarray, token: np.ndarray, *, words: bool) -> Layout:
    """Puts facts and question into rows.

    Args:
        facts: (B, F, 3) subject, offset, object.
        n_facts: (B,) facts used.
        query: (B, 3).
        token: (B, m) vocabulary index of each person's name.
        words: Whether all words are there, or mentions and relations alone.
    """
    b, f, _ = facts.shape
    fact, question = (FACT, QUESTION) if words else (PARTS, ("query", *PARTS))
    body, ending = _sentences(facts, fact, token, words), _sentences(query[:, None], question, token, words)
    if not words:  # the question states nothing: its mentions only tell which is which
        ending[0, ..., question.index("subject")], ending[0, ..., question.index("object")] = SUBJECT, OBJECT
    body[2], ending[2] = np.arange(f)[:, None], f
    start, used = int(words), np.arange(f)[None] < n_facts[:, None]
    end = start + len(fact) * n_facts  # where the question begins
    blank = np.array([0, -1, -1])[:, None, None]  # token, person, sentence
    rows = np.tile(blank, (1, b, start + len(fact) * f + len(question)))
    rows[:, :, start : start + len(fact) * f] = np.where(used[..., None], body, blank[..., None]).reshape(3, b, -1)
    rows[:, np.arange(b)[:, None], end[:, None] + np.arange(len(question))] = ending[:, :, 0]
    if words:
        rows[0, :, 0] = CLS
    place = {part: end + question.index(part) for part in PARTS}
    cut = rows[:, :, : int(end.max()) + len(question)]
    return Layout(*cut, source=place["subject"], answer=place["object"], asked=place["relation"])


def _sentences(facts: np.ndarray, plan: tuple[str, ...], token: np.ndarray, words: bool) -> np.ndarray:
    """Vocabulary index and person of each word of each fact, and room for the sentence, (3, B, F, len(plan))."""
    out = np.full((3, *facts.shape[:2], len(plan)), -1)
    for j, part in enumerate(plan):
        if part not in PARTS:
            out[0, ..., j] = TOKEN[part]
            continue
        offset = -facts[..., 1] if part == "object" else facts[..., 1]  # what the object is to the subject
        out[0, ..., j] = RELATION_TOKEN[offset + max(OFFSETS)]
        if part != "relation":
            out[1, ..., j] = person = facts[..., PARTS.index(part)]
            if words:
                out[0, ..., j] = np.take_along_axis(token, person, axis=1)
    return out


def allowed(layout: Layout) -> np.ndarray:
    """Which keys each query may attend to along facts and equal names, (B, n, n) bool; padding attends to itself."""
    sentence, person = layout.sentence, layout.person
    mention = (person >= 0)[:, :, None] & (person >= 0)[:, None, :]
    states = (sentence < sentence.max(1, keepdims=True))[:, :, None]  # the last sentence asks
    same = (sentence[:, :, None] == sentence[:, None, :]) & states
    equal = person[:, :, None] == person[:, None, :]
    return ((same | equal) & mention) | np.eye(sentence.shape[1], dtype=bool)[None]


def lesson(arrays: TextArrays, config: ModelConfig) -> Lesson:
    """Texts with the oracle's word on every mention: its offset, and from which step; those apart are never joined."""
    token = FIRST_NAME + (arrays.name if config.identity == "vocabulary" else np.zeros_like(arrays.name))
    words = config.attention == "full"
    layout = lay(arrays.facts, arrays.n_facts, arrays.query, token, words=words)
    person, rows = layout.person, np.arange(len(arrays))
    mention = person >= 0
    offset = np.take_along_axis(arrays.offset, np.maximum(person, 0), axis=1)
    distance = np.take_along_axis(arrays.distance, np.maximum(person, 0), axis=1)
    roles = np.zeros_like(layout.tokens)
    roles[rows, layout.source] |= SOURCE
    roles[rows, layout.answer] |= TARGET
    ids = torch.from_numpy(layout.read_by(config))
    batch = Batch(
        token_ids=ids,
        roles=torch.from_numpy(roles),
        valid=ids > 0,
        answer=torch.from_numpy(layout.answer),
        source=torch.from_numpy(layout.source),
        allowed=None if words else torch.from_numpy(allowed(layout)),
        entity=torch.from_numpy(person + 1),
        asked=torch.from_numpy(arrays.query[:, 1]),
    )
    return Lesson(
        batch,
        torch.from_numpy(arrays.label),
        torch.from_numpy(np.where(mention, offset, NOTHING)),
        torch.from_numpy(np.where(mention & (distance >= 0), distance, NEVER)),
        torch.zeros(ids.shape, dtype=torch.long),
    )


def encode(instance: TextInstance, config: ModelConfig) -> Encoding:
    """A text as a model reads it: its words, or its facts.

    Args:
        instance: The text.
        config: Of the model; where its names have an identity, they are the paper's twenty.

    Raises:
        InputError: If the model is of another task, or knows fewer names than there are people.
    """
    if config.task != NAME:
        raise InputError(f"this checkpoint reads {config.task}, not a text")
    words, notes = config.attention == "full", ()
    token = np.full(instance.n_names, FIRST_NAME)
    if config.identity == "vocabulary":
        ids, notes = known_names(instance)
        token = np.array(ids)
    query = np.array([instance.query])
    layout = lay(instance.facts[None], np.array([len(instance.facts)]), query, token[None], words=words)
    tokens, person = layout.tokens[0], layout.person[0]
    mention, where = person >= 0, np.maximum(person, 0)
    joined = mention & (instance.distance[where] >= 0)
    distance = np.where(joined, instance.distance[where], NEVER)
    roles = np.zeros(len(tokens), np.int64)
    roles[layout.source[0]] |= SOURCE
    roles[layout.answer[0]] |= TARGET
    return Encoding(
        interface="tokens" if words else "edges",
        labels=tuple(
            instance.names[p] if p >= 0 else VOCABULARY[t]
            for t, p in zip(tokens.tolist(), person.tolist(), strict=True)
        ),
        token_ids=layout.read_by(config)[0],
        roles=roles,
        edge_index=None if words else np.stack(np.nonzero(allowed(layout)[0])),
        answer=int(layout.answer[0]),
        source=int(layout.source[0]),
        value=np.where(mention, instance.offset[where], NOTHING).astype(np.int16),
        true_from=distance,
        known_from=distance,
        instance_node=person,
        entity=person + 1,
        asked=instance.query[1],
        before=NOTHING,
        notes=tuple(notes),
    )


def known_names(instance: TextInstance) -> tuple[list[int], tuple[str, ...]]:
    """A name of the vocabulary for every person: names among the twenty keep their own, others get free ones in order.

    Returns:
        The token id of each person's name, and a sentence that shows who was renamed, if anyone was.

    Raises:
        InputError: If there are more people than names.
    """
    if instance.n_names > len(NAMES):
        raise InputError(
            f"the text names {instance.n_names:,} people but this checkpoint knows only {len(NAMES)} names; "
            "take a shorter text or a checkpoint that takes any names"
        )
    free = iter([name for name in NAMES if name not in instance.names])
    known = [name if name in NAMES else next(free) for name in instance.names]
    renamed = [f"{name[:40]} is {new}" for name, new in zip(instance.names, known, strict=True) if name != new]
    notes = (f"This checkpoint knows only {len(NAMES)} names: {', '.join(renamed)}.",) if renamed else ()
    return [TOKEN[name] for name in known], notes
