"""Texts as sentences, and graphs as tokens: what is drawn, where, and what hangs together."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from depthscope.core.tasks.text import TASK as text  # noqa: N811
from depthscope.core.tasks.text.drawing import lines as text_lines
from depthscope.figures.linked_views.drawn import MAX_NODES, choose
from depthscope.figures.linked_views.payload import payload
from depthscope.figures.summary import sentence
from tests.figures.hand_made import graph_as_tokens, layered_graph, readings, text_trace

FAMILY = """\
Cy is the child of Bea. Ada is the parent of Bea. Dan is the sibling of Cy.
Eve is the parent of Fay. Ada is the parent of Gus. query: Ada is the grandparent of Dan
"""


def packed(trace: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    made = json.loads(json.dumps(payload(trace, readings(trace), title="a title", trained_steps=None)))
    return made, made["meta"]


def edges(made: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    kind = np.frombuffer(base64.b64decode(made["edge_kind"]), dtype="u1")
    return np.frombuffer(base64.b64decode(made["edges"]), dtype="<u2").reshape(2, -1), kind


@pytest.mark.parametrize("interface", ["tokens", "edges"])
def test_every_token_stands_in_the_line_of_its_sentence(interface: str) -> None:
    trace = text_trace(FAMILY, 6, interface)
    lines = text_lines(trace.encoding)
    assert sorted(i for line in lines for i in line) == list(range(trace.n_nodes))
    said = [" ".join(trace.encoding.labels[i] for i in line) for line in lines]
    if interface == "tokens":
        assert said[0] == "[CLS] query : Ada is the grandparent of Dan [SEP]"
        assert said[1] == "Cy is the child of Bea ."
    else:
        assert said[:2] == ["query Ada grandparent Dan", "Cy child Bea"]
        assert packed(trace)[1]["labels"][1] == "is the child of"
    alone = text_trace("Is A the parent of B?", 3, interface)
    assert [len(line) for line in text_lines(alone.encoding)] == [alone.n_nodes]


@pytest.mark.parametrize("interface", ["tokens", "edges"])
def test_the_decisive_chain_runs_from_the_subject_to_the_object(interface: str) -> None:
    trace = text_trace(FAMILY, 6, interface)
    made, meta = packed(trace)
    (tail, head), kind = edges(made)
    deciding = {(int(a), int(b)) for a, b in zip(tail[kind & 1 > 0], head[kind & 1 > 0], strict=True)}
    at, path = meta["source"][0], []
    while True:
        path.append(meta["labels"][at])
        follows = [b for a, b in deciding if a == at]
        if not follows:
            break
        (at,) = follows
    assert at == meta["target"][0]
    assert path == ["Ada", "Ada", "Bea", "Bea", "Cy", "Cy", "Dan", "Dan"]
    own = {frozenset(pair) for pair in zip(tail[kind & 2 > 0].tolist(), head[kind & 2 > 0].tolist(), strict=True)}
    mentions = [i for i, label in enumerate(meta["labels"]) if label == "Ada"]
    assert sum(len(pair & set(mentions)) == 2 for pair in own) == len(mentions) - 1 + 1  # in the text, and on the chain


def test_what_the_oracle_says_of_people() -> None:
    trace = text_trace(FAMILY, 6)
    made, meta = packed(trace)
    said = dict(zip(meta["labels"], meta["meanings"], strict=True))
    assert said["Ada"] == "offset 0, the one asked about"
    assert said["Bea"] == "offset +1, Ada is the parent"
    assert said["Dan"] == "offset +2, Ada is the grandparent, as asked"
    assert said["Eve"] is said["is"] is None
    oracle = np.frombuffer(base64.b64decode(made["oracle"]), dtype="u1").reshape(7, -1)
    place = {label: i for i, label in enumerate(meta["labels"])}
    assert (oracle[:, place["Dan"]] & 1).tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert (oracle[:, place["Dan"]] & 2 > 0).tolist() == [False, False, False, True, True, True, True]
    assert not (oracle[:, place["Bea"]] & 1).any()  # known to stand elsewhere
    assert (oracle[1:, place["Bea"]] & 2).all()
    assert not (oracle[:, place["is"]] & 4).any()
    fronts = [meta["front"][i] for i in meta["order"] if meta["meanings"][i]]
    assert fronts == sorted(fronts)
    assert [meta["labels"][i] for i in meta["order"]][:3] == ["Ada", "Ada", "Ada"]
    assert meta["words"] == ["yes", "no"]


def test_negative_offsets_are_people_too() -> None:
    trace = text_trace("A is the child of B. B is the child of C. Is A the grandchild of C?", 5)
    _, meta = packed(trace)
    assert [meta["labels"][i] for i in meta["order"][:6]] == list("AABBCC")
    assert meta["meanings"][meta["target"][0]] == "offset -2, A is the grandchild, as asked"


SENTENCES = [
    ("Is A the grandparent of C?", "Is A the grandparent of C? Yes, 2 facts away; "),
    ("Is A the child of B?", "Is A the child of B? No, the parent, 1 fact away; "),
    ("Is A the sibling of Zoe?", "Is A the sibling of Zoe? No facts join them; "),
    ("Is A the parent of A?", "Is A the parent of A? They are one person; "),
]


@pytest.mark.parametrize(("question", "expected"), SENTENCES)
def test_the_sentence_answers_the_question(question: str, expected: str) -> None:
    trace = text_trace(f"A is the parent of B. C is the child of B. {question}", 5)
    said = sentence(trace)
    assert said.startswith(expected)
    assert ("right" in said or "wrong" in said) == (trace.instance.label is not None)


def test_a_long_text_keeps_its_question_and_its_chain() -> None:
    trace = text_trace(text.render(text.generate(80, 1)[0]), 2, n_heads=1)
    assert trace.n_nodes > MAX_NODES
    drawn = choose(trace, 2000)
    assert len(drawn.nodes) <= MAX_NODES
    assert drawn.notice is not None
    question = [trace.encoding.labels[drawn.nodes[i]] for i in drawn.lines[0]]
    assert question[:3] == ["[CLS]", "query", ":"]
    assert all(len(line) == 7 for line in drawn.lines[1:])
    assert (drawn.kind & 1).sum() >= 80


def test_a_graph_read_as_tokens_is_drawn_as_itself_too() -> None:
    graph = layered_graph((1, 2, 3, 2, 1), stranded=2, seed=2)
    trace = graph_as_tokens(graph, 8)
    made, meta = packed(trace)
    n, ghosts = meta["n_nodes"], meta["ghosts"]
    assert ghosts["labels"] == list(graph.names)
    assert ghosts["hops"] == graph.distance.tolist()
    assert [ghosts["labels"][k] for k in ghosts["ends"]] == [graph.names[graph.source], graph.names[graph.target]]
    for label, mentions in zip(ghosts["labels"], ghosts["mentions"], strict=True):
        assert {meta["labels"][i] for i in mentions} == {label}
    assert sorted(i for mentions in ghosts["mentions"] for i in mentions) == list(range(n))
    assert [len(line) for line in meta["lines"]] == [2] * (len(graph.edges) + 1)
    (tail, head), kind = edges(made)
    upper = tail >= n
    assert {(int(a), int(b)) for a, b in zip(tail[upper] - n, head[upper] - n, strict=True)} == {
        tuple(edge) for edge in graph.edges.tolist()
    }
    spelled = {(meta["labels"][a], meta["labels"][b]) for a, b in zip(tail[~upper], head[~upper], strict=True)}
    assert spelled == {(graph.names[a], graph.names[b]) for a, b in graph.edges.tolist()}
    assert (kind[upper] & 1).sum() == (kind[~upper] & 1).sum() >= graph.difficulty
    assert len(base64.b64decode(made["ghost_xy"])) == 8 * len(graph.names)
