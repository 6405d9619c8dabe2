"""Formula generators and the formula oracle against brute force."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from depthscope.core.encoding import NOTHING
from depthscope.core.errors import InputError
from depthscope.core.tasks.logic import TASK as logic, generate as logic_data  # noqa: N811
from depthscope.core.tasks.logic.instance import AND, NOT, OR, XOR, F, LogicInstance, T
from depthscope.core.training import recipes


def kleene(instance: LogicInstance, i: int, levels: int, cost_of_not: int) -> int | None:
    """Value of a subformula when all operators below the top `levels` are unknown."""
    kind = instance.kind[i]
    if kind in (T, F):
        return int(kind == T)
    if levels <= 0 and not (kind == NOT and cost_of_not == 0):
        return None
    if kind == NOT:
        below = kleene(instance, instance.left[i], levels - cost_of_not, cost_of_not)
        return None if below is None else 1 - below
    a, b = (kleene(instance, c, levels - 1, cost_of_not) for c in (instance.left[i], instance.right[i]))
    if kind == AND and 0 in (a, b):
        return 0
    if kind == OR and 1 in (a, b):
        return 1
    if a is None or b is None:
        return None
    return {AND: a & b, OR: a | b, XOR: a ^ b}[int(kind)]


def fewest_levels(instance: LogicInstance, i: int, cost_of_not: int) -> int:
    return next(k for k in itertools.count() if kleene(instance, i, k, cost_of_not) is not None)


@pytest.mark.parametrize("depth", [0, 1, 2, 4, 7])
def test_kappa_equals_depth_and_the_oracle_equals_brute_force(depth: int) -> None:
    for formula in logic.generate(depth, 30, seed=1):
        assert formula.depth == depth == formula.kappa == fewest_levels(formula, formula.root, 0)
        for i in range(formula.n_subformulas):
            assert formula.value[i] == kleene(formula, i, 99, 1)
            assert formula.decided_from[i] == fewest_levels(formula, i, 1)


def test_the_papers_formulas_are_decided_near_the_top() -> None:
    drawn = logic.generate(8, 200, data="paper", seed=1)
    assert 1.5 < np.mean([formula.kappa for formula in drawn]) < 4


def test_top_levels_alone_do_not_tell_the_value_of_an_audited_formula() -> None:
    """Every formula of depth d is unknown to whoever sees d - 1 levels: that trivial rule is a coin."""
    for formula in logic.generate(6, 100, seed=2):
        assert kleene(formula, formula.root, 5, 0) is None


@pytest.mark.slow
def test_both_labels_are_equally_frequent() -> None:
    assert abs(np.mean([formula.label for formula in logic.generate(6, 1000, seed=3)]) - 0.5) < 0.05


@pytest.mark.slow
def test_no_test_formula_is_trained_on() -> None:
    train = {f.text for f in logic.generate(4, 600, split="train") if f.depth > 2}
    test = {f.text for f in logic.generate(4, 600, split="test") if f.depth > 2}
    assert not train & test
    assert all(logic_data.in_test(text) for text in test)
    assert len(set(logic.generate(4, 600))) > 590


def test_arrays_agree_with_the_formulas_they_hold() -> None:
    arrays = logic_data.draw(np.random.default_rng(1), np.array([1, 3, 5, 5, 8]), "train")
    ends = np.searchsorted(arrays.formula, np.arange(6))
    for b, formula in enumerate(arrays.instances()):
        rows = slice(ends[b], ends[b + 1])
        assert arrays.value[rows].tolist() == formula.value.tolist()
        assert arrays.decided_from[rows].tolist() == formula.decided_from.tolist()
        assert arrays.position[rows].tolist() == formula.position.tolist()
        assert arrays.tokens[b, : len(formula.text)].tolist() == formula.token_ids.tolist()


@pytest.mark.parametrize("data", ["audited", "paper"])
def test_text_and_back(data: str) -> None:
    for formula in logic.generate(5, 50, data=data):
        again = logic.parse(logic.render(formula))
        assert again == formula
        assert again.label == formula.label


def test_operators_attend_to_their_children_and_atoms_to_themselves() -> None:
    encoding = logic.encode(logic.parse("(T & !F)"), recipes.get("logic", "house-tree").model)
    assert encoding.labels == ("T", "&", "!", "F")
    assert encoding.edge_index is not None
    assert sorted(map(tuple, encoding.edge_index.T.tolist())) == [(0, 0), (1, 0), (1, 2), (2, 3), (3, 3)]


def test_tokens_carry_values_at_operators_atoms_and_cls() -> None:
    encoding = logic.encode(logic.parse("(T & !F)"), recipes.get("logic", "house-tokens").model)
    assert encoding.labels == ("[CLS]", "(", "T", "&", "!", "F", ")")
    assert encoding.value.tolist() == [1, NOTHING, 1, 1, 1, 0, NOTHING]
    assert encoding.bracket is not None
    assert encoding.bracket.tolist() == [0, 1, 1, 1, 1, 1, 1]
    assert encoding.edge_index is None


@pytest.mark.slow
def test_xor_is_rewritten_for_a_vocabulary_without_it() -> None:
    chance = random.Random(0)
    for _ in range(50):
        formula = logic.generate(chance.randrange(1, 6), 1, seed=chance.randrange(1000))[0]
        encoding = logic.encode(formula, recipes.get("logic", "paper").model)
        assert "^" not in encoding.labels
        assert encoding.value[0] == formula.label
        assert bool(encoding.notes) == ("^" in formula.text)


def test_nested_xor_that_would_explode_is_refused() -> None:
    with pytest.raises(InputError, match="knows"):
        logic.encode(logic.parse("^".join("T" * 40)), recipes.get("logic", "paper").model)


@pytest.mark.parametrize(("difficulty", "data"), [(-1, "audited"), (10**9, "audited"), (3, "else")])
def test_what_cannot_be_generated_is_said(difficulty: int, data: str) -> None:
    with pytest.raises(InputError):
        logic.generate(difficulty, 2, data=data)
