"""What a button measures on the instances of the frontier above: trivial rules, and rules that say when to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.frontier import Frontier
from depthscope.figures.instruments import exit as exit_curves, trivial as drawing
from depthscope.probes.instruments import trivial
from depthscope.probes.instruments.exit import ExitScores
from depthscope.probes.instruments.trivial import RuleScores
from depthscope.ui.frontier import measuring
from depthscope.ui.frontier.measuring import Subject, exit_request, trivial_lines
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.widgets.figures import Figures, Picture, card, csv_and_json, draw_figures, question, take_away
from depthscope.ui.widgets.text import plain
from depthscope.ui.work import work
from depthscope.ui.work.measure import Section, section as section_of
from depthscope.ui.work.work import Progress, Work

MOST_INSTANCES = 200
"""For each difficulty; the interval is narrow enough, and texts take a while to draw."""

Scores = Mapping[str, Sequence[RuleScores]]


def trivial_rules(what: Subject) -> None:
    """Title, button, and the curves once there are any; for drawn instances, since a rule is of a kind of data."""
    task = tasks.get(what.task)
    if what.own is not None or not (task.rules or task.counts):
        return
    rules = _work(what)
    with card("Shortcuts: rules that do not reason", "trivial", height="content"):
        scores, frontier = work.result(rules), measuring.frontier_of(what)
        if scores is not None and frontier is not None:
            _curves(what, frontier, scores["rules"], scores["where wrong"])
            return
        note = " The word counter is learned first, about a minute." if tasks.get(what.task).training.sums else ""
        st.caption(plain(f"{question('trivial')}{note}"))
        work.offer(rules, "Measure trivial rules")


def levels(what: Subject, data: str) -> list[int]:
    """The difficulties asked for that the generator of some data has."""
    task = tasks.get(what.task)
    low, high = task.least.get(data, 1), task.most[data]
    return [d for d in what.levels if low <= d <= high]


def _count(what: Subject) -> int:
    return min(what.sample.instances, MOST_INSTANCES)


def _work(what: Subject) -> Work:
    count, own_data, seed = _count(what), what.sample.data, what.sample.seed

    def run(progress: Progress) -> Iterator[Any]:
        rules: dict[str, list[RuleScores]] = {}
        for data in drawing.DATA:
            progress(len(rules), len(drawing.DATA) + 1)
            if there := levels(what, data):
                rules[data] = trivial.score(what.checkpoint, there, count, data, seed)
        errs: list[RuleScores] = []
        progress(len(drawing.DATA), len(drawing.DATA) + 1)
        if there := levels(what, own_data):
            errs = trivial.where_wrong(what.checkpoint, there, count, own_data, seed)
        if not rules:
            raise InputError("The generators make no instances of these difficulties; ask for easier ones above.")
        yield {"rules": rules, "where wrong": errs}

    return Work("trivial", fingerprint(what.checkpoint.sha256, what.levels, count, own_data, seed), run, "parts")


def _curves(what: Subject, frontier: Frontier, scores: Scores, errs: Sequence[RuleScores]) -> None:
    data, seed, name = what.sample.data, what.sample.seed, what.checkpoint.name
    rules = sorted({rule.rule for of in scores.values() for rule in of})
    picture = Picture(
        "Accuracy of trivial rules over difficulty",
        lambda scheme: drawing.accuracy_of_rules(scores, frontier, data, name, what.task, scheme),
        "; ".join(drawing.SAYS.get(rule, rule) for rule in rules) + ". Bars are 95% intervals (Wilson).",
    )
    lead = f"{drawing.most(scores, what.task)} {drawing.where_wrong(errs, data, name)}"
    draw_figures(Figures({"trivial": picture}, lead=lead), "rules", name)
    lines = [trivial_lines(what.address, levels(what, kind), _count(what), kind, seed) for kind in scores]
    if errs:
        lines.append(trivial_lines(what.address, levels(what, data), _count(what), data, seed, where_wrong=True))
    command, code = ("\n".join(line[k] for line in lines) for k in (0, 1))
    offers = csv_and_json(f"{name}-trivial", lambda: drawing.as_csv(scores), lambda: dumps(scores))
    take_away("trivial", offers, command, code)


def _exits(result: ExitScores) -> Figures:
    return Figures(
        {"curves": Picture("Accuracy over mean steps", partial(exit_curves.accuracy_over_mean_steps, result))},
        "Up and to the left is better. A point is one threshold over all instances above. The dotted line of the same "
        "colour is that rule's exits in random order: what lies above it is what the rule knows of the instance.",
        exit_curves.best_rule(result),
    )


EXIT = Section(
    "exit", "Answer with as few steps as needed", _exits, csv=exit_curves.as_csv, button="Measure exit rules",
)  # fmt: skip


def exits(what: Subject) -> None:
    """The section on exit rules, on the same instances."""
    section_of(what.checkpoint, EXIT, exit_request(what.address, lambda: list(what.listed or ())))
