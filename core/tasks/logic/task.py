"""The logic task, declared."""

from depthscope.core.tasks.logic import changes, drawing, edit, reading, training
from depthscope.core.tasks.logic.encode import as_given, encode
from depthscope.core.tasks.logic.generate import generate
from depthscope.core.tasks.logic.grammar import parse, render
from depthscope.core.tasks.logic.instance import NAME, VOCABULARY, default_steps, oracle, oracle_words
from depthscope.core.tasks.logic.paths import paths
from depthscope.core.tasks.logic.rules import RULES
from depthscope.core.tasks.logic.steering import steering
from depthscope.core.tasks.logic.twin import identify, same_answer, twin
from depthscope.core.tasks.spec import Task, Words

TASK = Task(
    name=NAME,
    words=Words(
        noun="formula",
        nouns="formulas",
        question="is it true?",
        answers=("false", "true"),
        buttons=("False", "True"),
        difficulty="nesting depth",
        unit="nesting levels",
        amount="nesting depth {}",
        typed="Formula",
        placeholder="(T & !F) | (F ^ T)",
        help="T F & | ^ ! => <=>, words, variables, brackets.",
        extensions=("txt", "logic", "formula"),
        one_line=True,
        validated_on="{} formulas",
        tokens=VOCABULARY,
    ),
    classes={0: "false", 1: "true"},
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
    as_given=as_given,
    decidable=drawing.decidable,
    twin=twin,
    same_answer=same_answer,
    identify=identify,
    rules=RULES,
    edits=edit.EDITS,
    places=lambda formula: ("subformula", formula.n_subformulas),
    changes=changes.CHANGES,
    absent=("rename: a formula has no names", "shuffle: a formula has no parts without an order but its sides"),
    paths=paths,
    steering=steering,
    most={"audited": 20, "paper": 12},
    first_difficulties="1-8",
)
