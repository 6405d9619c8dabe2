"""What is trained on and what is run later must be the same thing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from depthscope.core.encoding import NEVER, NOTHING, Lesson, collate
from depthscope.core.model import DepthRecurrentTransformer
from depthscope.core.tasks.graph import TASK as graph, generate as graph_data  # noqa: N811
from depthscope.core.tasks.logic import TASK as logic, generate as logic_data, instance as logic_formula  # noqa: N811
from depthscope.core.tasks.text import encode as text_encoding, generate as text_data
from depthscope.core.training import recipes
from depthscope.core.training.batches import Lessons
from depthscope.core.training.recipes import Curriculum
from depthscope.core.training.train import loss_and_answer


def test_a_graph_lesson_is_its_encoded_instances() -> None:
    arrays = graph_data.draw(np.random.default_rng(3), np.array([2, 2, 4, 4]), "audited")
    for recipe in (recipes.get("graph", "house"), recipes.get("graph", "paper")):
        lesson = graph_data.lesson(arrays, named=recipe.model.identity == "vocabulary")
        encodings = [graph.encode(instance, recipe.model) for instance in arrays.instances()]
        _same(lesson, encodings)


@pytest.mark.parametrize("recipe", [recipes.get("logic", "house-tree"), recipes.get("logic", "house-tokens")])
def test_a_logic_lesson_is_its_encoded_instances(recipe) -> None:
    arrays = logic_data.draw(np.random.default_rng(3), np.array([1, 2, 4, 5]), "train")
    make = logic_data.tree_lesson if recipe.model.attention == "edges" else logic_data.token_lesson
    _same(make(arrays), [logic.encode(instance, recipe.model) for instance in arrays.instances()])


@pytest.mark.parametrize("recipe", [recipes.get("text", "house-facts"), recipes.get("text", "house-tokens")])
@pytest.mark.parametrize("data", ["audited", "paper"])
def test_a_text_lesson_is_its_encoded_instances(recipe, data) -> None:
    arrays = text_data.draw(np.random.default_rng(3), np.array([1, 1, 2, 2, 5, 5]), data)
    encodings = [text_encoding.encode(instance, recipe.model) for instance in arrays.instances()]
    lesson = text_encoding.lesson(arrays, recipe.model)
    batch = collate(encodings)
    for name in ("token_ids", "roles", "valid", "answer", "source", "allowed", "asked"):
        ours, theirs = getattr(lesson.batch, name), getattr(batch, name)
        assert (ours is None) == (theirs is None), name
        assert ours is None or theirs is None or torch.equal(ours, theirs), name
    for i, encoding in enumerate(encodings):
        n, carries = encoding.n_nodes, encoding.carries
        assert lesson.label[i] == int(encoding.value[encoding.answer] == encoding.asked)
        ours, theirs = _entity(lesson, i, n), encoding.entity
        assert theirs is not None
        assert np.array_equal(ours[:, None] == ours[None], theirs[:, None] == theirs[None])
        assert np.array_equal(lesson.value[i, :n].numpy() != NOTHING, carries)
        assert lesson.true_from[i, :n].numpy()[carries].tolist() == encoding.true_from[carries].tolist()
        joined = carries & (encoding.true_from != NEVER)
        assert lesson.value[i, :n].numpy()[joined].tolist() == encoding.value[joined].tolist()


def test_a_lesson_of_graphs_as_tokens_is_its_encoded_instances_in_another_order() -> None:
    arrays = graph_data.draw(np.random.default_rng(3), np.array([2, 2, 4, 4]), "audited")
    lesson = graph_data.token_lesson(arrays, np.random.default_rng(0))
    encodings = [graph.encode(instance, recipes.get("graph", "house-tokens").model) for instance in arrays.instances()]
    batch = collate(encodings)
    for name in ("token_ids", "roles", "valid", "answer", "source"):
        assert torch.equal(getattr(lesson.batch, name), getattr(batch, name)), name
    for i, encoding in enumerate(encodings):
        n = encoding.n_nodes
        assert encoding.entity is not None
        rows = [
            np.column_stack([_entity(lesson, i, n), lesson.true_from[i, :n].numpy()]),
            np.column_stack([encoding.entity, encoding.true_from]),
        ]
        assert np.array_equal(rows[0][:2], rows[1][:2])
        ours, theirs = ({tuple(edge) for edge in r[2:].reshape(-1, 4).tolist()} for r in rows)
        assert ours == theirs


def _entity(lesson: Lesson, i: int, n: int) -> np.ndarray:
    assert lesson.batch.entity is not None
    return lesson.batch.entity[i, :n].numpy()


def _same(lesson, encodings) -> None:
    batch = collate(encodings)
    for name in ("token_ids", "roles", "valid", "answer", "allowed", "bracket"):
        ours, theirs = getattr(lesson.batch, name), getattr(batch, name)
        assert (ours is None) == (theirs is None), name
        if ours is None or (name == "roles" and not ours.any()):
            continue
        if name == "bracket":  # padding is masked, its depth means nothing
            ours, theirs = ours * lesson.batch.valid, theirs * batch.valid
        assert torch.equal(ours, theirs), name
    for i, encoding in enumerate(encodings):
        n = encoding.n_nodes
        for name in ("value", "true_from"):
            assert lesson.__dict__[name][i, :n].tolist() == getattr(encoding, name).tolist(), name
        carries = encoding.value >= 0
        assert lesson.known_from[i, :n].numpy()[carries].tolist() == encoding.known_from[carries].tolist()


def test_the_same_batch_number_gives_the_same_lesson() -> None:
    for recipe in (
        recipes.get("graph", "house"),
        recipes.get("logic", "house-tree"),
        recipes.get("logic", "house-tokens"),
    ):
        (a, steps, top), (b, steps2, top2) = (Lessons(recipe, 1).draw(7, 3) for _ in range(2))
        assert (steps, top) == (steps2, top2)
        assert torch.equal(a.batch.token_ids, b.batch.token_ids)
        assert torch.equal(a.value, b.value)
        other = Lessons(recipe, 2).draw(7, 3)[0]
        assert a.value.shape != other.value.shape or not torch.equal(
            a.true_from + a.value, other.true_from + other.value
        )


def test_a_curriculum_takes_from_a_set_drawn_once_what_is_not_too_hard() -> None:
    recipe = replace(recipes.get("logic", "house-on-paper"), samples=160, batch_size=16, curriculum=Curriculum(start=1))
    lessons = Lessons(recipe, 0)
    easy, _, top = lessons.draw(1, 2)  # an odd batch does not fall back
    formulas = {n: {d.text for d in logic.generate(n, 20, data="paper", split="train")} for n in (1, 2, 3)}
    drawn = {
        "".join(logic_formula.VOCABULARY[i] for i in row if i > logic_formula.CLS)
        for row in easy.batch.token_ids.tolist()
    }
    assert top == 2
    assert drawn <= formulas[1] | formulas[2]
    assert drawn & formulas[1]
    assert drawn & formulas[2] - formulas[1]


def test_parts_of_like_length_give_the_gradient_of_the_whole() -> None:
    recipe = replace(
        recipes.get("logic", "house-tokens"),
        supervision="answer",
        model=replace(recipes.get("logic", "house-tokens").model, state_noise=0.0),
    )
    arrays = logic_data.draw(np.random.default_rng(3), np.array([5, 1, 3, 2, 6, 1, 4]), "train")
    whole = logic_data.token_lesson(arrays)
    gradients = []
    for parts in ([whole], whole.parts(3)):
        torch.manual_seed(0)
        model = DepthRecurrentTransformer(recipe.model)
        for part in parts:
            loss, _ = loss_and_answer(model, recipe, part, steps=3)
            (loss * len(part.label) / len(whole.label)).backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
    lengths = [part.batch.n_nodes for part in whole.parts(3)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1] == whole.batch.n_nodes
