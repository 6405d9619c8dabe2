"""Generators of formulas, vectorised over a batch: the audited one, and the paper's.

The paper's formulas owe their value to about 2.5 top levels whatever their nominal depth. An audited formula has
kappa = depth: it is made by walking down one path and making every sibling on it non-controlling (true under &, false
under |, anything under ^), so that the last leaf decides. Values are drawn from the root down, so that both labels are
equally frequent and nothing has to be rejected but formulas of the other split.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import torch

from depthscope.core.encoding import NOTHING, Batch, Lesson
from depthscope.core.errors import InputError
from depthscope.core.tasks import SPLITS
from depthscope.core.tasks.logic.instance import AND, BINARY, CLOSE, CLS, NOT, OPEN, OR, XOR, F, LogicInstance, T

MAX_DEPTH = 300
HELD_OUT = 4
"""One formula in this many belongs to the test, by a hash of its text; depth <= 2 is exempt, few exist."""

SIBLING_DEPTHS = (0, 1, 2, 3)
SIBLING_SHARES = (0.15, 0.3, 0.35, 0.2)
NOT_SHARE = 0.12


@dataclass(frozen=True)
class FormulaArrays:
    """Subformulas of a batch of formulas, one row each, formulas one after the other, each in the order of its tokens.

    Attributes:
        formula: (M,) index of the formula.
        index: (M,) index of the subformula within its formula.
        kind: (M,) vocabulary index.
        value: (M,) truth value.
        left: (M,) left or only child, index within the formula, -1 for none.
        right: (M,) right child, -1 for none.
        parent: (M,) parent, index within the formula, -1 for the root.
        decided_from: (M,) fewest top levels of the tree that fix the value, `!` counted.
        position: (M,) place of the operator or atom among the formula's tokens.
        tokens: (B, n) token ids, 0 where padded.
    """

    formula: np.ndarray
    index: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    left: np.ndarray
    right: np.ndarray
    parent: np.ndarray
    decided_from: np.ndarray
    position: np.ndarray
    tokens: np.ndarray

    def __len__(self) -> int:
        """Number of formulas, B."""
        return len(self.tokens)

    def instances(self) -> list[LogicInstance]:
        """The formulas one by one."""
        ends = np.searchsorted(self.formula, np.arange(len(self) + 1))
        out = []
        for a, b in pairwise(ends):
            root = int(np.flatnonzero(self.parent[a:b] < 0)[0])
            left, right = self.left[a:b].astype(np.int32), self.right[a:b].astype(np.int32)
            out.append(LogicInstance(self.kind[a:b].astype(np.int8), left, right, root))
        return out


def bracket_depth(tokens: np.ndarray) -> np.ndarray:
    """Open brackets around each token, a bracket counted inside itself; (..., n) -> (..., n)."""
    opened = np.cumsum(tokens == OPEN, axis=-1)
    closed = np.cumsum(tokens == CLOSE, axis=-1)
    return opened - closed + (tokens == CLOSE)


def _grow(
    rng: np.random.Generator, depth: np.ndarray, sibling_depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Trees from the root down: formula, kind, value, left, right of every node, and the nodes of each level."""
    formula = [np.arange(len(depth))]
    value = [rng.integers(0, 2, len(depth))]
    budget, on_path = depth.copy(), np.ones(len(depth), dtype=bool)
    negated = np.zeros(len(depth), dtype=bool)
    kinds, lefts, rights, levels = [], [], [], []
    start = 0
    while len(budget):
        v, f, k = value[-1], formula[-1], len(budget)
        levels.append(start + np.arange(k))
        negate = (rng.random(k) < NOT_SHARE) & ~negated
        atom = ~negate & (budget == 0)
        binary = ~negate & ~atom
        op = rng.choice(BINARY, k)
        kind = np.where(negate, NOT, np.where(atom, np.where(v == 1, T, F), op))

        # values of (main child, other child) so that the operator gives v
        other_path = np.where(op == AND, 1, np.where(op == OR, 0, rng.integers(0, 2, k)))
        main_path = np.where(op == XOR, v ^ other_path, v)
        pick = rng.integers(0, 3, k)  # off the path, any pair of values that gives v
        forced = np.where(op == AND, v == 1, v == 0)
        lone, both = np.where(op == AND, 0, 1), np.where(op == AND, 1, 0)
        main_free = np.where(forced, both, np.where(pick == 2, both, lone))
        other_free = np.where(forced, both, np.where(pick == 1, both, lone))
        main_free = np.where(op == XOR, other_path ^ v, main_free)
        other_free = np.where(op == XOR, other_path, other_free)
        main = np.where(negate, 1 - v, np.where(on_path, main_path, main_free))
        other = np.where(on_path, other_path, other_free)

        cap = np.where(on_path, np.minimum(budget - 1, sibling_depth[f]), budget - 1)
        other_budget = (rng.random(k) * (np.maximum(cap, 0) + 1)).astype(np.int64)
        main_budget = np.where(negate, budget, budget - 1)
        children = np.concatenate([np.flatnonzero(negate | binary), np.flatnonzero(binary)])
        is_main = np.arange(len(children)) < (negate | binary).sum()
        ids = start + k + np.arange(len(children))
        main_id, other_id = np.full(k, -1), np.full(k, -1)
        main_id[children[is_main]], other_id[children[~is_main]] = ids[is_main], ids[~is_main]
        swap = binary & (rng.random(k) < 0.5)
        kinds.append(kind)
        lefts.append(np.where(swap, other_id, main_id))
        rights.append(np.where(swap, main_id, other_id))
        start += k
        formula.append(f[children])
        value.append(np.where(is_main, main[children], other[children]))
        budget = np.where(is_main, main_budget[children], other_budget[children])
        negated = negate[children]
        on_path = on_path[children] & is_main
    joined = (np.concatenate(x) for x in (formula, kinds, value, lefts, rights))
    f, kind, v, left, right = joined
    return f, kind, v, left, right, levels


def grow(rng: np.random.Generator, depth: np.ndarray, sibling_depth: np.ndarray | None = None) -> FormulaArrays:
    """Formulas with kappa = depth.

    Args:
        rng: Random numbers.
        depth: (B,) nesting depth of each, `!` not counted.
        sibling_depth: (B,) greatest depth of the siblings on the deciding path; None draws 0 to 3.
    """
    if sibling_depth is None:
        sibling_depth = rng.choice(SIBLING_DEPTHS, len(depth), p=SIBLING_SHARES)
    formula, kind, value, left, right, levels = _grow(rng, depth, sibling_depth)
    binary = np.isin(kind, BINARY)
    size = 1 + 2 * binary
    decided = np.zeros(len(kind), dtype=np.int64)
    controlling = np.where(kind == AND, 0, np.where(kind == OR, 1, -1))
    for level in levels[::-1]:
        one, two = level[left[level] >= 0], level[right[level] >= 0]
        size[one] += size[left[one]]
        size[two] += size[right[two]]
        decided[one] = decided[left[one]] + 1
        a, b = left[two], right[two]
        late, early = np.maximum(decided[a], decided[b]), np.minimum(decided[a], decided[b])
        a_sure, b_sure = value[a] == controlling[two], value[b] == controlling[two]
        sure = np.where(a_sure & b_sure, early, np.where(a_sure, decided[a], decided[b]))
        decided[two] = 1 + np.where(a_sure | b_sure, sure, late)
    start, position = np.zeros_like(size), np.zeros_like(size)
    for level in levels:
        position[level] = start[level]
        start[left[level[left[level] >= 0]]] = start[level[left[level] >= 0]] + 1
        two = level[right[level] >= 0]
        position[two] = start[two] + 1 + size[left[two]]
        start[right[two]] = position[two] + 1
    tokens = np.zeros((len(depth), int(size[levels[0]].max())), dtype=np.int64)
    tokens[formula, position] = kind
    tokens[formula[binary], start[binary]] = OPEN
    tokens[formula[binary], (start + size - 1)[binary]] = CLOSE

    order = np.lexsort((position, formula))
    counts = np.bincount(formula, minlength=len(depth))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    parent = np.full(len(kind), -1)
    for child in (left, right):
        has = child >= 0
        parent[child[has]] = rank[has]
    inside = [np.where(x >= 0, rank[x], -1)[order] for x in (left, right)]
    return FormulaArrays(
        formula[order], rank[order], kind[order], value[order], inside[0], inside[1], parent[order],
        decided[order], position[order], tokens,
    )  # fmt: skip


def in_test(text: str | bytes) -> bool:
    """Whether a formula's canonical text belongs to the test, by its hash."""
    data = text.encode() if isinstance(text, str) else text
    return blake2b(data, digest_size=8).digest()[0] % HELD_OUT == 0


def _texts(tokens: np.ndarray) -> list[bytes]:
    letters = np.frombuffer(b"\0\0TF&|!()^", dtype=np.uint8)[tokens]
    return [row.tobytes().rstrip(b"\0") for row in letters]


def draw(
    rng: np.random.Generator, depth: np.ndarray, split: str, sibling_depth: np.ndarray | None = None
) -> FormulaArrays:
    """Formulas of one split; those of the other are drawn again, with the same depth."""
    arrays = grow(rng, depth, sibling_depth)
    tests = np.array([in_test(text) for text in _texts(arrays.tokens)])
    wrong = (tests != (split == "test")) & (depth > 2)
    if not wrong.any():
        return arrays
    again = np.flatnonzero(wrong)
    fresh = draw(rng, depth[again], split, None if sibling_depth is None else sibling_depth[again])
    return _join(arrays, fresh, again)


def _join(arrays: FormulaArrays, fresh: FormulaArrays, rows: np.ndarray) -> FormulaArrays:
    """The formulas of `arrays`, with those of `fresh` at `rows`."""
    keep, fresh = ~np.isin(arrays.formula, rows), replace(fresh, formula=rows[fresh.formula])
    both = {
        name: np.concatenate([getattr(arrays, name)[keep], values])
        for name, values in vars(fresh).items()
        if name != "tokens"
    }
    order = np.lexsort((both["index"], both["formula"]))
    width = max(arrays.tokens.shape[1], fresh.tokens.shape[1])
    tokens = np.pad(arrays.tokens, ((0, 0), (0, width - arrays.tokens.shape[1])))
    tokens[rows] = np.pad(fresh.tokens, ((0, 0), (0, width - fresh.tokens.shape[1])))
    used = int((tokens > 0).sum(axis=1).max())
    return FormulaArrays(**{name: values[order] for name, values in both.items()}, tokens=tokens[:, :used])


def tree_lesson(arrays: FormulaArrays) -> Lesson:
    """Formulas as trees: nodes are subformulas and attend to their children; atoms, which have none, to themselves."""
    b, n = len(arrays), int(arrays.index.max()) + 1
    f, i = arrays.formula, arrays.index
    tokens, value, decided = np.zeros((b, n), np.int64), np.full((b, n), NOTHING), np.zeros((b, n), np.int64)
    tokens[f, i], value[f, i], decided[f, i] = arrays.kind, arrays.value, arrays.decided_from
    allowed = np.broadcast_to(np.eye(n, dtype=bool), (b, n, n)).copy()
    inner = arrays.left >= 0
    allowed[f[inner], i[inner], i[inner]] = False
    for child in (arrays.left, arrays.right):
        has = child >= 0
        allowed[f[has], i[has], child[has]] = True
    root = i[arrays.parent < 0]
    return _lesson(tokens, value, decided, root, torch.from_numpy(allowed), None)


def token_lesson(arrays: FormulaArrays) -> Lesson:
    """Formulas as [CLS] and their tokens; the value stands at each operator and atom, and at [CLS]."""
    b, n = arrays.tokens.shape
    tokens = np.concatenate([np.full((b, 1), CLS), arrays.tokens], axis=1)
    value, decided = np.full((b, n + 1), NOTHING), np.zeros((b, n + 1), np.int64)
    value[arrays.formula, arrays.position + 1] = arrays.value
    decided[arrays.formula, arrays.position + 1] = arrays.decided_from
    root = arrays.parent < 0
    value[:, 0], decided[:, 0] = arrays.value[root], arrays.decided_from[root]
    bracket = bracket_depth(tokens)
    return _lesson(tokens, value, decided, np.zeros(b, np.int64), None, torch.from_numpy(bracket))


def _lesson(
    tokens: np.ndarray,
    value: np.ndarray,
    decided: np.ndarray,
    answer: np.ndarray,
    allowed: torch.Tensor | None,
    bracket: torch.Tensor | None,
) -> Lesson:
    ids = torch.from_numpy(tokens)
    batch = Batch(
        token_ids=ids,
        roles=torch.zeros_like(ids),
        valid=ids > 0,
        answer=torch.from_numpy(answer),
        source=torch.zeros(len(ids), dtype=torch.long),
        allowed=allowed,
        bracket=bracket,
    )
    label = torch.from_numpy(value[np.arange(len(ids)), answer])
    return Lesson(batch, label, torch.from_numpy(value), torch.zeros_like(ids), torch.from_numpy(decided))


def paper_text(rng: random.Random, depth: int) -> str:
    """One of the paper's formulas, nested exactly `depth` brackets deep, as text.

    One child carries the depth, the other is shallow (each further level half as likely); a quarter of the brackets is
    negated; leaves are an atom, a negated atom, or two atoms joined without brackets.

    Source: arXiv 2603.21676 and its public code.
    """
    atom = lambda: rng.choice("TF")  # noqa: E731
    if depth == 0:
        form = rng.random()
        return atom() if form < 0.5 else "!" + atom() if form < 0.75 else atom() + rng.choice("&|") + atom()
    weights = [2.0 ** (depth - 1 - d) for d in range(depth)]
    parts = [paper_text(rng, depth - 1), paper_text(rng, rng.choices(range(depth), weights)[0])]
    operator, negated = rng.choice("&|"), rng.random() < 0.25
    rng.shuffle(parts)
    return ("!" if negated else "") + "(" + operator.join(parts) + ")"


def generate(
    difficulty: int, count: int, data: str = "audited", seed: int = 0, split: str = "test"
) -> list[LogicInstance]:
    """Formulas of one depth.

    Args:
        difficulty: Nesting depth; in audited data also kappa.
        count: How many.
        data: "audited" or "paper".
        seed: Same seed, same formulas; more of them begin with the same.
        split: "train", "validation" or "test"; test formulas never occur in training.

    Raises:
        InputError: If the difficulty or the data is not to be had.
    """
    if data not in ("audited", "paper"):
        raise InputError(f"data should be 'audited' or 'paper' (got {data!r})")
    if not 0 <= difficulty <= MAX_DEPTH:
        raise InputError(f"logic difficulty is nesting depth, from 0 to {MAX_DEPTH} (got {difficulty})")
    if data == "audited":
        out: list[LogicInstance] = []
        while len(out) < count:
            rng = np.random.default_rng([SPLITS[split], seed, difficulty, len(out)])
            out.extend(draw(rng, np.full(64, difficulty), split).instances())
        return out[:count]
    from depthscope.core.tasks.logic.grammar import parse

    chance = random.Random(f"{split} {seed} {difficulty}")
    texts: list[str] = []
    while len(texts) < count:
        text = paper_text(chance, difficulty)
        if difficulty <= 2 or in_test(text) == (split == "test"):
            texts.append(text)
    return [parse(text) for text in texts]
