"""The section on what is to be had without thinking: measured when it is asked for, beside the frontier above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import streamlit as st

from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.figures.instruments import trivial as drawing
from depthscope.probes.instruments import trivial
from depthscope.probes.instruments.trivial import RuleScores
from depthscope.ui.frontier import figures as frontier_figures, measuring, request as frontier_request
from depthscope.ui.frontier.measuring import Subject
from depthscope.ui.frontier.page import awaits_file
from depthscope.ui.frontier.request import Request
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.widgets.text import plain
from depthscope.ui.work import work as background
from depthscope.ui.work.work import Progress, Work

MOST_INSTANCES = 200
"""For each difficulty; the interval is narrow enough, and texts take a while to draw."""

LEAST = {("text", "paper"): 2}
"""Lowest difficulty of a generator, where that is not 1."""

Scores = Mapping[str, Sequence[RuleScores]]


def section(request: Request) -> None:
    """Title, button, and the curves once there are any; for drawn instances, since a rule is of a kind of data."""
    if awaits_file(request) or request.content is not None:
        return
    what = measuring.subject(request)
    if what.task not in opening.MOST:
        return
    work = _work(what)
    with frontier_figures.card("What can be had without thinking", height="content"):
        measured, found = background.result(work), measuring.frontier_of(what)
        if measured is not None and found is not None:
            _curves(what, measured["rules"], measured["where wrong"])
            return
        st.caption(
            "Do the instances give their answer away? Rules that only count (degrees, top levels, words) are scored on "
            "audited instances and on the paper's: where they get far, a model can as well."
            + (" The word counter is learned first, about a minute." if what.task == "text" else "")
        )
        if not background.under_way(work):
            st.button("Measure trivial rules", key="trivial measure", on_click=background.start, args=(work,))


def levels(what: Subject, data: str) -> list[int]:
    """The difficulties asked for that the generator of some data has."""
    low, high = LEAST.get((what.task, data), 1), opening.MOST[what.task][data]
    return [d for d in what.asked if low <= d <= high]


def _work(what: Subject) -> Work:
    r = what.request
    count = min(r.instances, MOST_INSTANCES)

    def run(progress: Progress) -> Iterator[Any]:
        found: dict[str, list[RuleScores]] = {}
        for data in drawing.DATA:
            progress(len(found), len(drawing.DATA) + 1)
            if asked := levels(what, data):
                found[data] = trivial.score(what.checkpoint, asked, count, data, r.seed)
        errs: list[RuleScores] = []
        progress(len(drawing.DATA), len(drawing.DATA) + 1)
        if asked := levels(what, r.data):
            errs = trivial.where_wrong(what.checkpoint, asked, count, r.data, r.seed)
        if not found:
            raise InputError("The generators make no instances of these difficulties; ask for easier ones above.")
        yield {"rules": found, "where wrong": errs}

    return Work("trivial", fingerprint(what.checkpoint.sha256, what.asked, count, r.data, r.seed), run, "parts")


def _curves(what: Subject, scores: Scores, errs: Sequence[RuleScores]) -> None:
    found, r, name = measuring.frontier_of(what), what.request, what.checkpoint.name
    if found is None:
        return
    st.write(plain(f"{drawing.most(scores, what.task)} {drawing.where_wrong(errs, r.data, name)}"))
    fig = drawing.accuracy_of_rules(scores, found, r.data, name, what.task, frontier_figures.scheme())
    frontier_figures.plot(fig, "trivial rules", f"{name}-trivial", "Accuracy of trivial rules over difficulty")
    rules = sorted({rule.rule for of in scores.values() for rule in of})
    st.caption(plain("; ".join(drawing.SAYS.get(rule, rule) for rule in rules) + ". Bars are 95% intervals (Wilson)."))
    offers = [
        ("All as CSV", f"{name}-trivial.csv", "text/csv", lambda: drawing.as_csv(scores)),
        ("JSON", f"{name}-trivial.json", "application/json", lambda: dumps(scores)),
    ]
    count = min(r.instances, MOST_INSTANCES)
    lines = [frontier_request.trivial_lines(r, levels(what, data), count, data) for data in scores]
    if errs:
        lines.append(frontier_request.trivial_lines(r, levels(what, r.data), count, r.data, where_wrong=True))
    command, code = ("\n".join(line[k] for line in lines) for k in (0, 1))
    frontier_figures.take_away("trivial", offers, command, code)
