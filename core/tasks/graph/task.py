"""The graph task, declared."""

from depthscope.core.tasks.graph import changes, drawing, edit, reading, training
from depthscope.core.tasks.graph.encode import encode
from depthscope.core.tasks.graph.formats import FORMATS, parse, render
from depthscope.core.tasks.graph.generate import generate
from depthscope.core.tasks.graph.instance import NAME, default_steps, oracle, oracle_words
from depthscope.core.tasks.graph.paths import paths
from depthscope.core.tasks.graph.rules import RULES
from depthscope.core.tasks.graph.steering import steering
from depthscope.core.tasks.graph.twin import shared, together, twin
from depthscope.core.tasks.spec import Task, Words

TASK = Task(
    name=NAME,
    words=Words(
        noun="graph",
        nouns="graphs",
        question="is there a path?",
        answers=("unreachable", "reachable"),
        buttons=("Not reachable", "Reachable"),
        difficulty="hops",
        unit="hops",
        amount="{} hops",
        one="{} hop",
        no_difficulty="no path",
        typed="Edge list or another format",
        placeholder="A B\nB C\nC D",
        help="One edge a line: `from to`.",
        extensions=(
            "txt", "csv", "tsv", "npy", "graphml", "xml", "gml", "gexf", "json", "cyjs", "net", "paj", "dot", "gv",
        ),
        front="the wave can arrive",
        validated_on="twins",
        tokens=("", "node"),
    ),
    classes={0: "not reached", 1: "reached"},
    parse=parse,
    render=render,
    encode=encode,
    generate=generate,
    oracle=oracle,
    oracle_words=oracle_words,
    default_steps=default_steps,
    drawing=drawing.DRAWING,
    reading=reading.READING,
    training=training.TRAINING,
    questions=("source", "target"),
    formats=FORMATS,
    twin=twin,
    rules=RULES,
    shared=shared,
    together=together,
    edits=edit.EDITS,
    places=lambda graph: ("node", graph.n_nodes),
    changes=changes.CHANGES,
    absent=("twice: an edge is there once", "restate: an edge can be said in one way alone"),
    paths=paths,
    steering=steering,
    most={"audited": 256, "paper": 24},
    first_difficulties="1-12",
)  # fmt: skip
