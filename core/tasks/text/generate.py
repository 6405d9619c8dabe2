"""Generators of texts, vectorised over a batch: the paper's, and the audited one whose negatives are twins.

In the paper every fact of the chain points along it, so that counting the words parent and child answers most
questions. In audited texts every fact has a random orientation, ups and downs are mixed, and distractors branch off the
chain as well as stand apart. A twin differs in one fact of the chain and is asked the same question; which of the two
is right is a coin, so that the question and the words are distributed alike for both labels. Offsets stay within
`REACH`, however long the chain, so that depth is tested apart from magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depthscope.core.encoding import MAX_OFFSET
from depthscope.core.errors import InputError
from depthscope.core.tasks import SPLITS
from depthscope.core.tasks.text.instance import NAMES, TextInstance

MAX_CHAIN = 200
PAPER_MAX_CHAIN = 12
REACH = 4
"""Largest offset from the queried person that occurs in audited texts."""

SIBLING_SHARE = 0.2
STEADY = 0.9
"""Probability that a chain with a direction takes a step that way, siblings aside."""

BRANCH_SHARE = 0.6
"""Share of the distractors that branch off; the others stand apart."""


@dataclass(frozen=True)
class TextArrays:
    """Texts of one batch, padded to F facts and m people.

    Attributes:
        facts: (B, F, 3) rows (subject, offset, object) in the order of the text.
        n_facts: (B,) facts of each text; the first ones are used.
        query: (B, 3) subject, offset, object.
        name: (B, m) index of each person's name, all different.
        distance: (B, m) facts between the queried person and each, -1 where none join them.
        offset: (B, m) generations between them; 0 where no facts join them.
    """

    facts: np.ndarray
    n_facts: np.ndarray
    query: np.ndarray
    name: np.ndarray
    distance: np.ndarray
    offset: np.ndarray

    def __len__(self) -> int:
        """Number of texts, B."""
        return len(self.facts)

    @property
    def label(self) -> np.ndarray:
        """1 where the facts give the offset that is asked for, (B,)."""
        return (self.offset[np.arange(len(self)), self.query[:, 2]] == self.query[:, 1]).astype(np.int64)

    def instances(self) -> list[TextInstance]:
        """The texts one by one."""
        out = []
        for b in range(len(self)):
            facts = self.facts[b, : self.n_facts[b]].astype(np.int64)
            people = np.append(facts[:, [0, 2]], self.query[b, [0, 2]])
            people, first, place = np.unique(people, return_index=True, return_inverse=True)
            order = np.argsort(first)  # in the order in which they are named, as they are read
            people, mentions = people[order], np.argsort(order)[place].reshape(-1, 2)
            query = (int(mentions[-1, 0]), int(self.query[b, 1]), int(mentions[-1, 1]))
            names = tuple(person(int(i)) for i in self.name[b, people])
            rows = np.column_stack([mentions[:-1, 0], facts[:, 1], mentions[:-1, 1]])
            out.append(TextInstance(names, rows, query))
        return out


def person(index: int) -> str:
    """A name: the paper's twenty, then the same with a number."""
    again = index // len(NAMES)
    return NAMES[index % len(NAMES)] + (str(again + 1) if again else "")


def _walk(rng: np.random.Generator, offset: np.ndarray, upwards: np.ndarray | float = 0.5) -> np.ndarray:
    """A step to a parent, child or sibling that stays within reach, for each offset; up with a given probability."""
    up = np.where(rng.random(offset.shape) < upwards, 1, -1)
    up = np.where(np.abs(offset + up) > REACH, -up, up)
    return np.where(rng.random(offset.shape) < SIBLING_SHARE, 0, up)


def _chains(rng: np.random.Generator, chain: np.ndarray, drift: float, turns: bool) -> tuple[np.ndarray, np.ndarray]:
    """Steps of two chains that differ in one step and in the offset of their ends, both within reach, (B, K) each.

    A share `drift` of them keeps its direction, so that short chains, too, come to the far offsets; with `turns` they
    turn back once, and leave them again.
    """
    b, most = len(chain), int(chain.max())
    upwards = np.full((b, most), 0.5)
    if drift:
        keeps, way = rng.random((b, 1)) < drift, rng.random((b, 1)) < 0.5
        turn = 1 + rng.random((b, 1)) * chain[:, None] if turns else np.full((b, 1), most)
        up = way == (np.arange(most)[None] < turn)
        upwards = np.where(keeps, np.where(up, STEADY, 1 - STEADY), upwards)
    steps, twin = np.zeros((b, most), np.int64), np.zeros((b, most), np.int64)
    todo = np.arange(b)
    while len(todo):
        offset, drawn = np.zeros(len(todo), np.int64), []
        for k in range(most):
            drawn.append(_walk(rng, offset, upwards[todo, k]))
            offset = offset + drawn[-1]
        one = np.stack(drawn, axis=1)
        where = (rng.random(len(todo)) * chain[todo]).astype(np.int64)
        rows = np.arange(len(todo))
        other = one.copy()
        other[rows, where] = (one[rows, where] + 1 + rng.integers(1, 3, len(todo))) % 3 - 1
        inside = np.arange(most)[None] < chain[todo, None]
        fine = (np.abs(np.where(inside, other, 0).cumsum(1)) <= REACH).all(1)
        steps[todo[fine]], twin[todo[fine]] = one[fine], other[fine]
        todo = todo[~fine]
    return steps, twin


def _add_distractors(
    rng: np.random.Generator,
    chain: np.ndarray,
    extra: np.ndarray,
    links: np.ndarray,
    twin: np.ndarray,
    distance: np.ndarray,
    offset: np.ndarray,
    twin_offset: np.ndarray,
) -> None:
    """Writes distractors behind the chains of twins, the same in both: on branches of the chain, or apart from it.

    Args:
        rng: Random numbers.
        chain: (P,) facts of each chain.
        extra: (P,) distractors of each.
        links: (P, F, 3) facts of the first of each pair, and `twin` those of the second.
        twin: The same.
        distance: (P, m) facts between the queried person and each, -1 where none join them.
        offset: (P, m) generations between them in the first, and `twin_offset` in the second.
        twin_offset: The same.
    """
    rows = np.arange(len(chain))
    n_names, apart = chain + 1, np.zeros(distance.shape, bool)
    for d in range(int(extra.max())):
        live = d < extra
        branch = rng.random(len(chain)) < BRANCH_SHARE
        choice = rng.random(distance.shape)
        near = np.argmax(choice * (distance >= 0), axis=1)  # a person on the chain or on a branch of it
        fresh = ~apart.any(1) | (rng.random(len(chain)) < 0.5)
        far = np.where(fresh, n_names, np.argmax(choice * apart, axis=1))
        old = np.where(branch, near, far)
        new = n_names + (~branch & fresh)
        step = _walk(rng, np.where(branch, offset[rows, near], 0))
        # on the twin's branch the same step may lead out of reach; then it goes to a sibling in both
        out = branch & (np.abs(twin_offset[rows, near] + step) > REACH)
        step = np.where(out, 0, step)
        at = chain + d
        r = rows[live]
        links[r, at[live]] = twin[r, at[live]] = np.stack([old, step, new], axis=1)[live]
        joined = live & branch
        distance[rows[joined], new[joined]] = distance[rows[joined], near[joined]] + 1
        offset[rows[joined], new[joined]] = (offset[rows, near] + step)[joined]
        twin_offset[rows[joined], new[joined]] = (twin_offset[rows, near] + step)[joined]
        lone = live & ~branch
        apart[rows[lone], new[lone]] = True
        first = lone & fresh
        apart[rows[first], old[first]] = True
        n_names = np.where(live, new + 1, n_names)


def audited(
    rng: np.random.Generator,
    chain: np.ndarray,
    extra: np.ndarray | None = None,
    drift: float = 0.0,
    turns: bool = False,
) -> TextArrays:
    """Pairs of twins that differ in one fact of the chain and are asked the same; one of them, at random, is right.

    Args:
        rng: Random numbers.
        chain: (P,) facts between the two people asked about, at least 1.
        extra: (P,) distractors of each, at least 1; None draws 2 to half the chain and 4 more.
        drift: Share of the chains that keep their direction; 0 in tests.
        turns: Whether those turn back once.

    Returns:
        2 P texts; twins share their names and the order of their facts.
    """
    p, most = len(chain), int(chain.max())
    if extra is None:
        extra = rng.integers(2, chain // 2 + 5)
    n_facts, k = chain + extra, np.arange(most)
    size, people = int(n_facts.max()), most + 1 + 2 * int(extra.max())
    steps, twin_steps = _chains(rng, chain, drift, turns)
    rows = np.arange(p)

    # (subject, step, object) of every fact: the chain first, then distractors
    links = np.zeros((p, size, 3), np.int64)
    twin = np.zeros_like(links)
    on_chain = k[None] < chain[:, None]
    a, i = np.nonzero(on_chain)
    links[a, i] = np.stack([i, steps[a, i], i + 1], axis=1)
    twin[a, i] = np.stack([i, twin_steps[a, i], i + 1], axis=1)

    distance = np.where(np.arange(people)[None] <= chain[:, None], np.arange(people)[None], -1)
    offset, twin_offset = np.zeros((p, people), np.int64), np.zeros((p, people), np.int64)
    for values, own in ((offset, steps), (twin_offset, twin_steps)):
        values[:, 1 : most + 1] = np.where(on_chain, own, 0).cumsum(1) * on_chain
    _add_distractors(rng, chain, extra, links, twin, distance, offset, twin_offset)
    turned = rng.random((p, size)) < 0.5
    order = np.argsort(rng.random((p, size)) + (np.arange(size)[None] >= n_facts[:, None]), axis=1)
    both = np.stack([links, twin], axis=1).reshape(2 * p, size, 3)
    turned, order = np.repeat(turned, 2, axis=0), np.repeat(order, 2, axis=0)
    both = np.where(turned[..., None], both[..., ::-1] * [1, -1, 1], both)
    both = np.take_along_axis(both, order[..., None], axis=1)
    offsets = np.stack([offset, twin_offset], axis=1).reshape(2 * p, people)
    right = 2 * rows + rng.integers(0, 2, p)  # the twin that the question fits
    asked = offsets[right, chain]
    query = np.stack([np.zeros(2 * p, np.int64), np.repeat(asked, 2), np.repeat(chain, 2)], axis=1)
    name = np.argsort(rng.random((p, max(people, len(NAMES)))), axis=1)[:, :people]
    distances = np.repeat(distance, 2, axis=0)
    return TextArrays(
        both, np.repeat(n_facts, 2), query, np.repeat(name, 2, axis=0), distances,
        np.where(distances >= 0, offsets, 0),
    )  # fmt: skip


def paper(
    rng: np.random.Generator,
    chain: np.ndarray,
    label: np.ndarray,
    extra: np.ndarray | None = None,
    either_way: bool = False,
) -> TextArrays:
    """The paper's texts: some facts up and then some down, all along the chain, and two to four facts about others.

    The last two arguments are for training alone; without them counting answers the question, and with them it has to
    be found out who stands between the two people, and from whom to whom a fact leads.

    Args:
        rng: Random numbers.
        chain: (B,) facts between the two people asked about, at most PAPER_MAX_CHAIN.
        label: (B,) 0 or 1; a wrong question is two or four generations off.
        extra: (B,) facts by which the chain goes on before and after the two people; None for none.
        either_way: Whether half of the facts are told from the other side: not "A is the parent of B", but "B is the
            child of A".

    Source: arXiv 2603.21676 and its public code; there, one text in a hundred contradicts itself about the others.
    """
    length, first = chain, np.zeros_like(chain)
    if extra is not None:
        length, first = chain + extra, rng.integers(0, extra + 1)
    b, most, people = len(chain), int(length.max()), len(NAMES)
    rows, k = np.arange(b), np.arange(most)
    up = (rng.random(b) * (length + 1)).astype(np.int64)
    step = np.where(k[None] < up[:, None], 1, -1)
    on_chain = k[None] < length[:, None]
    facts = np.zeros((b, most + 4, 3), np.int64)
    a, i = np.nonzero(on_chain)
    facts[a, i] = np.stack([i, step[a, i], i + 1], axis=1)
    n_facts, wanted = length.copy(), rng.integers(2, 5, b)
    seen = np.zeros((b, people, people), bool)
    joined = np.arange(people)[None].repeat(b, 0)  # who is joined by distractors so far, and how far above the others
    above = np.zeros((b, people), np.int64)
    for d in range(4):  # a pair drawn twice, or against what was said, is left out, so that some texts have fewer
        keys = rng.random((b, people)) + (np.arange(people)[None] <= length[:, None])
        pair = np.argsort(keys, axis=1)[:, :2]
        low, high = pair.min(1), pair.max(1)
        other_step = rng.integers(-1, 2, b)
        shift = above[rows, pair[:, 0]] - other_step - above[rows, pair[:, 1]]
        one, other = joined[rows, pair[:, 0]], joined[rows, pair[:, 1]]
        keep = (d < wanted) & ~seen[rows, low, high] & ((one != other) | (shift == 0))
        seen[rows, low, high] |= keep
        facts[rows[keep], n_facts[keep]] = np.stack([pair[:, 0], other_step, pair[:, 1]], axis=1)[keep]
        n_facts = n_facts + keep
        moved = keep[:, None] & (joined == other[:, None])
        above = above + np.where(moved, shift[:, None], 0)
        joined = np.where(moved, one[:, None], joined)
    order = np.argsort(rng.random((b, most + 4)) + (np.arange(most + 4)[None] >= n_facts[:, None]), axis=1)
    facts = np.take_along_axis(facts, order[..., None], axis=1)
    if either_way:
        turned = rng.random(facts.shape[:2]) < 0.5
        facts = np.where(turned[..., None], facts[..., ::-1] * [1, -1, 1], facts)
    who = np.arange(people)[None]
    offset = np.zeros((b, people), np.int64)
    offset[:, 1 : most + 1] = np.where(on_chain, step, 0).cumsum(1)
    offset = np.where(who <= length[:, None], offset - offset[rows, first][:, None], 0)
    distance = np.where(who <= length[:, None], np.abs(who - first[:, None]), -1)
    true = offset[rows, first + chain]
    delta = np.array([2, -2, 4, -4])
    legal = np.abs(true[:, None] + delta[None]) <= MAX_OFFSET
    wrong = true + delta[np.argmax(rng.random((b, 4)) * legal, axis=1)]
    query = np.stack([first, np.where(label == 1, true, wrong), first + chain], axis=1)
    name = np.argsort(rng.random((b, people)), axis=1)
    return TextArrays(facts, n_facts, query, name, distance, offset)


def draw(
    rng: np.random.Generator,
    chain: np.ndarray,
    data: str,
    extra: np.ndarray | None = None,
    drift: float = 0.0,
    turns: bool = False,
    either_way: bool = False,
) -> TextArrays:
    """As many texts as there are entries in `chain`, half of them right.

    Args:
        rng: Random numbers.
        chain: (B,), B even; for audited data the twins of row 2i take chain[2i].
        data: "audited" or "paper".
        extra: (B,) what lengthens each: distractors of audited texts (None draws them), facts by which the paper's
            chain goes on (None for none).
        drift: Share of the chains that keep their direction (audited data).
        turns: Whether those turn back once.
        either_way: Whether half of the facts are told from the other side (the paper's data; audited data always has
            such facts).
    """
    if data == "audited":
        return audited(rng, chain[::2], None if extra is None else extra[::2], drift, turns)
    return paper(rng, chain, (np.arange(len(chain)) % 2 == 0).astype(np.int64), extra, either_way)


def generate(
    difficulty: int, count: int, data: str = "audited", seed: int = 0, split: str = "test"
) -> list[TextInstance]:
    """Texts of one length of chain, right and wrong questions in turn (twins follow each other in audited data).

    Args:
        difficulty: Facts between the two people asked about.
        count: How many.
        data: "audited" or "paper".
        seed: Same seed, same texts; more of them begin with the same.
        split: "train", "validation" or "test".

    Raises:
        InputError: If the difficulty or the data is not to be had.
    """
    if data not in ("audited", "paper"):
        raise InputError(f"data should be 'audited' or 'paper' (got {data!r})")
    most = MAX_CHAIN if data == "audited" else PAPER_MAX_CHAIN
    if not 1 <= difficulty <= most:
        raise InputError(
            f"text difficulty is the length of the chain, from 1 to {most} in {data} data (got {difficulty})"
        )
    out: list[TextInstance] = []
    while len(out) < count:
        rng = np.random.default_rng([SPLITS[split], seed, difficulty, int(data == "paper"), len(out), 3])
        out.extend(draw(rng, np.full(64, difficulty), data).instances())
    return out[:count]
