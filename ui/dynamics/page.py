"""The Dynamics page: how the open run settles, and what the update of the model does to states in general."""

from __future__ import annotations

from functools import partial

import numpy as np
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
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.figures import Figures, Picture, headline
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work.measure import Section, section, sections

PROGRAM = 0.9
"""Share of the node-steps from which an automaton is said to do what the model does."""

FARTHEST = 4
"""Times the hardest difficulty trained on, up to which instances are drawn."""

END, CHANGE = "distance from its end", "change of state"


def show() -> None:
    """The page."""
    instance_page.show("pages/dynamics.py", _sections)


def _sections(view: View) -> None:
    _headline(view)
    instance(view)
    measured(view)


def _headline(view: View) -> None:
    """One sentence on how the open run settles."""
    rest = movement.rests(view.trace.hidden)
    change, _ = movement.changes(view.trace.hidden, np.arange(view.trace.n_nodes))
    settled = movement.settled(rest)
    last = float(change[-1].mean())
    early = settled[settled < view.trace.steps]
    moving = f"in step {view.trace.steps} a state still moves by {last:.2g} of its size on average"
    count = f"{len(early)} of {len(settled)} nodes settle before the end, the last at step {max(early, default=0)}"
    headline(
        f"{count if len(early) else 'No node settles before the end'}; {moving}.",
        f"A node has settled from the step on from which it stays within {movement.SETTLED:.0%} of its size of where "
        f"it ends, at step {view.trace.steps}. {views.size(view)}.",
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
    at, task = {"difficulty": None if level is None else str(level)}, opened.config.task
    settling = lambda result: _convergence(result, view.trained_steps)  # noqa: E731
    sections(
        opened,
        [
            Section("convergence", "Settling", settling, {**at, "steps": steps}),
            Section("pca", "Directions", _components, {**at, "steps": steps}),
            Section("fixed-points", "Fixed points and restarts", _points, {**at, "steps": 20}, note="Some minutes."),
            Section("lyapunov", "Disturbances", _growth, {**at, "instances": 4, "steps": 16}),
        ],
    )
    section(opened, Section("automaton", None, lambda result: _automaton(result, task), {}, note="Some minutes."))


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


def _convergence(result: Convergence, span: tuple[int, int] | None) -> Figures:
    course, moving = result.trained, convergence.movement_over_steps
    ranks = "no node settles before the end" if np.isnan(course.spearman.value) else (
        f"the rank correlation of settling with {result.order} is {course.spearman:.3f}; "
        f"in random order {course.shuffled[0]:.2f} to {course.shuffled[1]:.2f}"
    )  # fmt: skip
    return Figures(
        {
            "change": Picture("Change", lambda x: moving(result, "change", x, span)),
            "rest": Picture("Distance from the end", lambda x: moving(result, "rest", x, span)),
            "turn": Picture("Turning", partial(convergence.turning_over_steps, result)),
            "settled": Picture("Settling", partial(convergence.settling_against_order, result)),
        },
        f"{len(result.node):,} nodes of {result.n} instances. A run converges where change and distance fall by the "
        "same factor; a distance that falls in a straight line to 0 falls only because the run ends there. "
        + whole(ranks),
    )


def _components(result: Pca) -> Figures:
    shares = (model.held_out.value.sum() for model in (result.trained, result.untrained))
    trained, untrained, shuffled = (f"{share:.3f}" for share in (*shares, result.permuted.sum()))
    return Figures(
        {
            "share": Picture("Variance", partial(pca.variance_over_steps, result)),
            "angle": Picture("Angles", partial(pca.angles_over_steps, result)),
        },
        f"Three directions shared by all steps hold {trained} of the spread of instances they were not fitted to "
        f"(untrained {untrained}, coordinates shuffled {shuffled}); the states fill {result.trained.dimension:.1f} "
        "dimensions. Few directions alone are no sign of training: where nodes have no names an untrained network's "
        "lie on a line, too.",
    )


def _points(result: FixedPoints) -> Figures:
    points, paths, idle = result.points, result.paths, result.control_paths
    kind = "a fixed point" if points.fixed[0] else "a slow point"
    return Figures(
        {"spectrum": Picture("Eigenvalues", partial(fixed_points.spectrum, result))},
        f"Nearest to the end of the run lies {kind} (the update moves it by {points.speed[0]:.1g} of its size; radius "
        f"{points.radius[0]:.2f}, and below 1 nearby states are attracted); over all {result.n} instances the radius "
        f"is {result.survey.mean_radius:.2f}. Restarted from another instance's end a run comes back to its own end in "
        f"{paths.other_same.value:.2f} of the cases, from random states in {paths.random_same.value:.2f}; untrained "
        f"{idle.other_same.value:.2f} and {idle.random_same.value:.2f}.",
    )


def _growth(result: Lyapunov) -> Figures:
    first = result.trained.mean[0]
    changes = "shrinks" if first.value < 0 else "grows"
    return Figures(
        {"growth": Picture("Growth over steps", partial(lyapunov.growth_over_steps, result))},
        f"A disturbance {changes} by a factor of {np.exp(first.value):.2f} a step ({first:.3f} nats; untrained "
        f"{result.untrained.mean.value[0]:.3f}). The first line is the direction that grows fastest, the others those "
        "at right angles to it.",
    )


def _automaton(result: Automaton, task: str) -> Figures:
    test = result.larger or result.test
    program, blank = test.programs[0], test.programs[-1]
    states = f"{result.untrained_states} state{'' if result.untrained_states == 1 else 's'}"
    idle = ": there is nothing to reproduce, and" if blank.both.value > PROGRAM else ";"
    few = "" if program.both.value > PROGRAM else " This model is not well described by a small automaton."
    return Figures(
        {
            "fidelity": Picture("Fidelity of programs", partial(automaton.fidelity_of_programs, test)),
            "rules": Picture("Rules", lambda _: automaton.rules(result, symbols(task))),
        },
        f"Learned from instances of {result.fitted_nodes:.0f} nodes. The untrained network is reproduced to "
        f"{blank.both.value:.3f} by {states}{idle} its answers are right on {blank.accuracy:.2f}.{few}",
        f"{result.n_states} states and {result.n_rules:,} rules reproduce {program.both.value:.4f} of the node-steps "
        f"and {program.moves:.4f} of the changes of state ({test.n} instances of {test.nodes:.0f} nodes, "
        f"{test.node_steps:,} node-steps).",
        abreast=True,
    )


def symbols(task: str) -> dict[int, str]:
    """What the symbols of an automaton stand for: four numbers a token, with its role."""
    tokens = tasks.get(task).words.tokens
    if len(tokens) == 2:  # one kind of token beside the padding: its role says all
        return dict(enumerate((tokens[1], "source", "target", "source and target"), start=4))
    roles = ("", " (source)", " (target)", " (both)")
    return {4 * t + r: f"{token}{roles[r]}" for t, token in enumerate(tokens) for r in range(4)}
