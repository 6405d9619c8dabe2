from dataclasses import replace

import numpy as np
import pytest

from depthscope.figures.linked_views.layout import formula_layout, graph_layers, graph_layout
from tests.figures.hand_made import chain, formula, formula_trace, layered_graph


@pytest.mark.parametrize("sizes", [(1,), (1, 2, 3, 1), (1, 60, 30, 4), (1, *[3] * 20)])
@pytest.mark.parametrize("stranded", [0, 5])
def test_layers_run_to_the_right(sizes: tuple[int, ...], stranded: int) -> None:
    if len(sizes) == 1 and stranded:
        sizes = (1, 1)
    graph = layered_graph(sizes, stranded)
    xy, layer = graph_layout(graph), graph_layers(graph)
    assert xy.shape == (graph.n_nodes, 2)
    assert np.isfinite(xy).all()
    for k in range(layer.max()):
        assert xy[layer == k, 0].max() < xy[layer == k + 1, 0].min()
    assert len({tuple(p) for p in xy.round(6)}) == graph.n_nodes


def test_a_long_chain_runs_in_rows_without_collisions() -> None:
    xy = graph_layout(chain(200))
    assert 10 < np.ptp(xy[:, 0]) < 60
    assert np.ptp(xy[:, 1]) > 5
    step = np.linalg.norm(np.diff(xy, axis=0), axis=1)
    assert step.max() < 2.5  # rows turn, they do not jump back
    gaps = np.linalg.norm(xy[:, None] - xy[None], axis=-1) + 9 * np.eye(len(xy))
    assert gaps.min() > 0.9


def test_a_path_that_is_cut_stays_a_path_with_a_gap() -> None:
    whole = chain(9)
    at = int(np.flatnonzero((whole.edges == (4, 5)).all(axis=1))[0])
    cut = replace(whole, edges=np.delete(whole.edges, at, axis=0))
    x = graph_layout(cut)[:, 0]
    steps = np.diff(x)
    assert (steps > 0).all()
    assert steps[4] == steps.max()  # the gap is where the edge was
    assert np.ptp(np.delete(steps, 4)) == 0
    elsewhere = replace(cut, target=2)  # nothing asks for the other part: it stands in one column
    assert len(set(graph_layout(elsewhere)[5:, 0])) == 1


def test_a_wide_layer_stands_in_several_columns() -> None:
    xy = graph_layout(layered_graph((1, 100, 1)))
    assert np.ptp(xy[:, 1]) < 30


def test_the_same_graph_gets_the_same_layout_and_sweeps_help() -> None:
    graph = layered_graph((1, 8, 8, 8, 8, 1), seed=4)
    first = graph_layout(graph)
    assert (first == graph_layout(graph)).all()
    y = first[:, 1]
    lengths = np.abs(y[graph.edges[:, 0]] - y[graph.edges[:, 1]])
    shuffled = np.abs(np.random.default_rng(0).permutation(y)[graph.edges[:, 0]] - y[graph.edges[:, 1]])
    assert lengths.mean() < 0.8 * shuffled.mean()


def test_formula_over_its_tokens() -> None:
    instance = formula()
    tree = formula_layout(instance, formula_trace(instance, 1, "edges").encoding)
    assert (tree[:, 0] == instance.position).all()
    assert (tree[:, 1] == instance.level).all()
    encoding = formula_trace(instance, 1, "tokens").encoding
    tokens = formula_layout(instance, encoding)
    has = encoding.instance_node >= 0
    assert (tokens[has] == tree[encoding.instance_node[has]]).all()
    brackets = np.array([label in "()" for label in encoding.labels])
    assert (tokens[brackets, 1] > instance.level.max()).all()
    assert (np.diff(tokens[1:, 0]) == 1).all()
    assert tokens[0, 0] < tokens[1:, 0].min()
