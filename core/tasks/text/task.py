"""The text task, declared."""

from depthscope.core.encoding import MAX_OFFSET
from depthscope.core.tasks.spec import Task, Words
from depthscope.core.tasks.text import changes, drawing, edit, reading, training
from depthscope.core.tasks.text.encode import encode
from depthscope.core.tasks.text.generate import generate
from depthscope.core.tasks.text.grammar import parse, render
from depthscope.core.tasks.text.instance import (
    NAME,
    NOT_JOINED,
    VOCABULARY,
    default_steps,
    oracle,
    oracle_words,
    relation_word,
)  # fmt: skip
from depthscope.core.tasks.text.paths import paths
from depthscope.core.tasks.text.rules import RULES, counts, scrambled
from depthscope.core.tasks.text.steering import steering
from depthscope.core.tasks.text.twin import shared, together, twin

TASK = Task(
    name=NAME,
    words=Words(
        noun="text",
        nouns="texts",
        question="are they so related?",
        answers=("no", "yes"),
        buttons=("No", "Yes"),
        difficulty="length of the chain",
        unit="facts",
        amount="length of the chain {}",
        typed="Facts and a question",
        placeholder="Ada is the parent of Bea.\nCy is the child of Bea.\nIs Ada the grandparent of Cy?",
        help="Facts about parents, children and siblings; then `Is A the grandparent of C?`, or any such relation.",
        roles=("subject", "object"),
        validated_on="{} texts",
        tokens=VOCABULARY,
    ),
    classes={
        **{offset: relation_word(offset) for offset in range(-MAX_OFFSET, MAX_OFFSET + 1)},
        NOT_JOINED: "not joined",
    },
    before=NOT_JOINED,
    highest=MAX_OFFSET,
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
    asks=lambda instance: {"question": instance.sentence},
    twin=twin,
    rules=RULES,
    counts=counts,
    scrambled=scrambled,
    shared=shared,
    together=together,
    edits=edit.EDITS,
    places=lambda text: ("sentence", len(text.facts) + 1),
    changes=changes.CHANGES,
    absent=("permute: people have no order but that of the facts",),
    paths=paths,
    steering=steering,
    most={"audited": 40, "paper": 12},
    least={"paper": 2},
)
