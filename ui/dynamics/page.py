"""The Dynamics page: how the open run settles, and what the update of the model does to states in general."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from depthscope.core import frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.figures.frontier.words import axis
from depthscope.figures.instruments import automaton, convergence, fixed_points, lyapunov, pca
from depthscope.probes.instruments.automaton import Automaton
from depthscope.probes.instruments.convergence import Convergence
from depthscope.probes.instruments.fixed_points import FixedPoints
from depthscope.probes.instruments.lyapunov import Lyapunov
from depthscope.probes.instruments.pca import Pca
from depthscope.probes.maths import movement
from depthscope.probes.measuring import instances as subjects
from depthscope.ui.shell import instance_page
from depthscope.ui.trace import views
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.plot import choice, plot, scheme
from depthscope.ui.widgets.text import plain
from depthscope.ui.work.measure import Request, Section, section

PROGRAM = 0.9
"""Share of the node-steps from which an automaton is said to do what the model does."""

FARTHEST = 4
"""Times the hardest difficulty trained on, up to which instances are drawn."""

END, CHANGE = "distance from its end", "change of state"


def show() -> None:
    """The page."""
    instance_page.show("pages/dynamics.py", _sections)


def _sections(view: View) -> None:
    headline(view)
    instance(view)
    measured(view)


def headline(view: View) -> None:
    """One sentence on how the open run settles."""
    rest = movement.rests(view.trace.hidden)
    change, _ = movement.changes(view.trace.hidden, np.arange(view.trace.n_nodes))
    settled = movement.settled(rest)
    last = float(change[-1].mean())
    early = settled[settled < view.trace.steps]
    moving = f"in step {view.trace.steps} a state still moves by {last:.2g} of its size on average"
    message = f"No node settles before the end; {moving}."
    if len(early):
        message = (
            f"{len(early)} of {len(settled)} nodes settle before the end, the last at step {early.max()}; {moving}."
        )
    with st.container(gap="xxsmall"):
        st.markdown(f"### {plain(message)}")
        st.caption(
            f"A node has settled from the step on from which it stays within {movement.SETTLED:.0%} of its size of "
            f"where it ends, at step {view.trace.steps}. {plain(views.size(view))}."
        )


def instance(view: View) -> None:
    """The linked views, filled by how far each node is from its end."""
    rest = np.clip(movement.rests(view.trace.hidden), 0, 1)
    views.linked(view, key="dynamics views", readings={END: rest, **view.readings})
    st.caption(
        f"Fill: “{END}”, as a share of the size of the last state (1 and more are drawn as 1). Choose “{CHANGE}” or "
        "the model's readout under *fill*."
    )


def measured(view: View) -> None:
    """The instruments, each measured when it is asked for."""
    opened = view.checkpoint
    st.markdown("#### Measured on drawn instances")
    level = _level(opened)
    steps = frontier.default_steps(opened, subjects.trained(opened) if level is None else level)
    at = None if level is None else str(level)
    left, right = st.columns(2, gap="small")
    with left:
        asks = "How far do states still move, do they turn, and do nodes settle in the oracle's order?"
        what = Section("convergence", "Settling", asks, lambda result, _: _rest(result, opened))
        section(opened, what, Request("convergence", opened.name, at, steps=steps))
    with right:
        asks = "In how few directions do the states move, and are they the same at every step?"
        what = Section("pca", "Directions", asks, lambda result, _: _components(result))
        section(opened, what, Request("pca", opened.name, at, steps=steps))
    left, right = st.columns(2, gap="small")
    with left:
        asks = "Where does the update of one instance stand still, and does it matter where a run starts? Some minutes."
        what = Section("fixed-points", "Fixed points and restarts", asks, lambda result, _: _points(result))
        section(opened, what, Request("fixed-points", opened.name, at, steps=20))
    with right:
        asks = "Does a small disturbance of the states die out along a run, or grow?"
        what = Section("lyapunov", "Disturbances", asks, lambda result, _: _growth(result))
        section(opened, what, Request("lyapunov", opened.name, at, instances=4, steps=16))
    asks = "Is the model, node by node, a small finite machine, and does that go on ten times larger? Some minutes."
    what = Section("automaton", "Automaton", asks, lambda result, _: _automaton(result, opened.config.task))
    section(opened, what, Request("automaton", opened.name))


def _level(opened: Checkpoint) -> int | None:
    """Difficulty of the drawn instances, as a person chooses it; None for the hardest trained on."""
    task, trained = opened.config.task, subjects.trained(opened)
    most = min(FARTHEST * trained, tasks.get(task).most.get("audited", trained))
    left, right = st.columns([4, 1], gap="small", vertical_alignment="bottom")
    with right:
        chosen = st.number_input(
            axis(task).capitalize(), 1, most, trained, key=f"dynamics level {task} {trained} {most}",
            persist_state="session", help="Of the instances drawn: beyond the trained ones is where runs fail.",
        )  # fmt: skip
    with left:
        st.caption(
            f"Instances that no training saw, at the {plain(axis(task))} chosen here (trained up to "
            f"{trained}; the automaton keeps to that), each beside an untrained network of the same architecture."
        )
    return None if chosen in (None, trained) else int(chosen)


def _plot(fig: go.Figure, key: str, name: str, alt: str) -> None:
    plot(fig, f"dynamics {key}", f"{name}-{key}", alt)


def _rest(found: Convergence, opened: Checkpoint) -> None:
    course = found.trained
    options = {"change": "Change", "rest": "Distance from the end", "turn": "Turning", "settled": "Settling"}
    chosen = choice("Figure", options, "dynamics rest")
    if chosen == "settled":
        fig = convergence.settling_against_order(found, scheme())
    elif chosen == "turn":
        fig = convergence.turning_over_steps(found, scheme())
    else:
        fig = convergence.movement_over_steps(found, chosen, scheme(), opening.trained(opened, "steps"))
    _plot(fig, f"rest {chosen}", found.checkpoint, f"{options[chosen]} over steps")
    ranks = "no node settles before the end" if np.isnan(course.spearman.value) else (
        f"rank correlation of settling with {found.order} {course.spearman:.3f}; "
        f"in random order {course.shuffled[0]:.2f} to {course.shuffled[1]:.2f}"
    )  # fmt: skip
    st.caption(
        f"{len(found.node):,} nodes of {found.n} instances. A run converges where change and distance fall by the same "
        f"factor; a distance that falls in a straight line to 0 falls only because the run ends there. "
        f"{ranks[:1].upper()}{ranks[1:]}."
    )


def _components(found: Pca) -> None:
    options = {"share": "Variance", "angle": "Angles"}
    chosen = choice("Figure", options, "dynamics pca")
    fig = pca.angles_over_steps(found, scheme()) if chosen == "angle" else pca.variance_over_steps(found, scheme())
    _plot(fig, f"pca {chosen}", found.checkpoint, "Principal components over steps")
    shares = (model.held_out.value.sum() for model in (found.trained, found.untrained))
    trained, untrained, shuffled = (f"{share:.3f}" for share in (*shares, found.permuted.sum()))
    st.caption(
        f"Three directions shared by all steps hold {trained} of the spread of instances they were not fitted to "
        f"(untrained {untrained}, coordinates shuffled {shuffled}); the states fill {found.trained.dimension:.1f} "
        "dimensions. Few directions alone are no sign of training: where nodes have no names an untrained network's "
        "lie on a line, too."
    )


def _points(found: FixedPoints) -> None:
    _plot(fixed_points.spectrum(found, scheme()), "spectrum", found.checkpoint, "Eigenvalues")
    points, paths, many = found.points, found.paths, found.survey
    kind = "a fixed point" if points.fixed[0] else "a slow point"
    other, chance = paths.other_same, paths.random_same
    st.caption(
        f"Nearest to the end of the run lies {kind} (the update moves it by {points.speed[0]:.1g} of its size; radius "
        f"{points.radius[0]:.2f}, and below 1 nearby states are attracted); over all {found.n} instances the radius is "
        f"{many.mean_radius:.2f}. Restarted from another instance's end a run comes back to its own end in "
        f"{other.value:.2f} of the cases, from random states in {chance.value:.2f}; untrained "
        f"{found.control_paths.other_same.value:.2f} and {found.control_paths.random_same.value:.2f}."
    )


def _growth(found: Lyapunov) -> None:
    _plot(lyapunov.growth_over_steps(found, scheme()), "growth", found.checkpoint, "Growth over steps")
    a, b = found.trained, found.untrained
    first = a.mean[0]
    changes = "shrinks" if first.value < 0 else "grows"
    st.caption(
        f"A disturbance {changes} by a factor of {np.exp(first.value):.2f} a step ({first:.3f} nats; untrained "
        f"{b.mean.value[0]:.3f}). The first line is the direction that grows fastest, the others those at right "
        "angles to it."
    )


def _automaton(found: Automaton, task: str) -> None:
    test = found.larger or found.test
    program, blank = test.programs[0], test.programs[-1]
    where = f"{test.n} instances of {test.nodes:.0f} nodes, {test.node_steps:,} node-steps"
    st.markdown(
        f"{found.n_states} states and {found.n_rules:,} rules do what the model does in {program.both.value:.4f} of "
        f"the node-steps and {program.moves:.4f} of the changes of state ({where})."
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _plot(automaton.fidelity_of_programs(test, scheme()), "fidelity", found.checkpoint, "Fidelity of programs")
    with right:
        st.dataframe(automaton.rules(found, symbols(task)), hide_index=True, height=320)
    states = f"{found.untrained_states} state{'' if found.untrained_states == 1 else 's'}"
    idle = ": there is nothing to reproduce, and" if blank.both.value > PROGRAM else ";"
    st.caption(
        f"Learned from instances of {found.fitted_nodes:.0f} nodes. The untrained network is reproduced to "
        f"{blank.both.value:.3f} by {states}{idle} its answers are right on {blank.accuracy:.2f}."
        + (
            ""
            if program.both.value > PROGRAM
            else " This model is no such machine: what it does is not in so few states."
        )
    )


def symbols(task: str) -> dict[int, str]:
    """What the symbols of an automaton stand for: four numbers a token, with its role."""
    tokens = tasks.get(task).words.tokens
    if len(tokens) == 2:  # one kind of token beside the padding: its role says all
        return dict(enumerate((tokens[1], "source", "target", "source and target"), start=4))
    roles = ("", " (source)", " (target)", " (both)")
    return {4 * t + r: f"{token}{roles[r]}" for t, token in enumerate(tokens) for r in range(4)}
