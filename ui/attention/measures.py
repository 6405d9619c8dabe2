"""The Attention page on drawn instances: attention, influence, cuts and gradients, each measured when asked for."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from depthscope.core import tasks
from depthscope.figures.instruments import attention as drawing
from depthscope.figures.style.curves import interval, share
from depthscope.probes.instruments.attention import AttentionScores
from depthscope.probes.instruments.highway import HighwayScores
from depthscope.probes.instruments.interaction import InteractionScores
from depthscope.probes.instruments.knockout import KnockoutScores
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.plot import choice, plot, scheme
from depthscope.ui.widgets.text import plain
from depthscope.ui.work.measure import Request, Section, section

COUNTS = {"attention": 40, "interaction": 8, "knockout": 40, "highway": 8}
"""Instances drawn; half of the graphs have no path."""


def draw(view: View) -> None:
    """The cards."""
    opened = view.checkpoint
    st.markdown("#### Measured on drawn instances")
    hardest = opening.trained(opened, "difficulty")
    most = f" ({tasks.get(opened.config.task).words.counted(hardest[1])})" if hardest else ""
    st.caption(
        plain(
            f"Instances that no training saw, as hard as the hardest trained on{most}, with 95% intervals; those "
            "without a path are left out."
        )
    )
    sections = (
        Section(
            "attention", "Attention on the path",
            "Does attention lie on the path that the answer has to come along, in which head and at which step?",
            lambda result, _: _attention(result, view),
        ),
        Section(
            "knockout", "Attention taken out",
            "Does the answer need that attention? Links on the path are taken out, against as many off it. Half a "
            "minute.", lambda result, _: _knockout(result),
        ),
        Section(
            "interaction", "Effective interaction",
            "How much does the answer change with each state before it, and does that lie on the path?",
            lambda result, _: _interaction(result),
        ),
        Section(
            "highway", "Gradient highway",
            "How much of the gradient is left many steps back, trained and at the start, and which mechanism is to "
            "thank?", lambda result, _: _highway(result),
        ),
    )  # fmt: skip
    columns = [column for _ in range(2) for column in st.columns(2, gap="small")]
    for column, what in zip(columns, sections, strict=True):
        with column:
            section(opened, what, Request(what.instrument, opened.name, instances=COUNTS[what.instrument]))


def _plot(fig: go.Figure, key: str, name: str, alt: str) -> None:
    plot(fig, f"attention drawn {key}", f"{name}-{key}", alt)


def _choice(options: dict[str, str], key: str) -> str:
    return choice("Figure", options, f"attention drawn {key}_widget")


def _attention(found: AttentionScores, view: View) -> None:
    options = {"mass": "Mass", "auroc": "AUROC", "rollout_mass": "Rollout, mass", "rollout_auroc": "Rollout, AUROC"}
    chosen = _choice(options, "attention")
    fig = drawing.path_over_steps(getattr(found, chosen), scheme(), view.trained_steps)
    _plot(fig, chosen, found.checkpoint, f"{options[chosen]} over steps")
    drawn = f"{found.n} instances with a path, {found.left_out} without."
    if chosen.startswith("rollout"):
        shown = getattr(found, chosen)
        value, *controls = (
            share(x[-1, 0]) for x in (shown.trained.value, shown.uniform, shown.permuted, shown.untrained)
        )
        st.caption(
            plain(
                f"{drawn} Heads and steps multiplied out, with the recorded gates. After step {found.steps} it is "
                "{} (spread evenly {}, permuted {}, untrained {}). The shade is the 95% interval.".format(
                    value, *controls
                )
            )
        )
        return
    said = drawing.flow(found)
    st.caption(
        plain(
            f"{drawn} Head {said.head} gives the path {share(said.mass)} of a path node's attention, evenly spread it "
            f"would be {share(said.mass_controls[0])}. {drawing.chance(found)} The shade is the interval of the best "
            "head."
        )
    )


def _knockout(found: KnockoutScores) -> None:
    options = {"turned": "Answers turned", "cut": "Moment of a cut", "silence": "Moment of silence"}
    if not found.cut.n:
        options.pop("cut")
    chosen = _choice(options, "knockout")
    effect = found.silence if chosen == "silence" or not found.cut.n else found.cut
    fig = drawing.answers_turned(found, scheme()) if chosen == "turned" else drawing.moment_of_a_cut(effect, scheme())
    _plot(fig, f"knockout-{chosen}", found.checkpoint, options[chosen])
    if chosen != "turned":
        st.caption(plain(f"{drawing.needed_at(effect)} The shade is the 95% interval over instances."))
        return
    uncut = f" {found.left_out} instances had nothing to cut." if found.left_out else ""
    wrong = f" {found.wrong} were answered wrong before." if found.wrong else ""
    how = "Cutting" if found.cut.n else "A cut would leave no one anything to attend to; silencing"
    st.caption(
        f"{how} what the path cannot do without, at all steps, turns {interval(effect.path.flips)} of {effect.n} "
        f"answers; as many like it off the path {interval(effect.off.flips)} of {effect.off.flips.n}, and "
        f"{share(float(effect.untrained.flips))} of an untrained network's own answers.{uncut}{wrong}"
    )


def _interaction(found: InteractionScores) -> None:
    options = {"mass": "Share", "auroc": "AUROC", "agreement": "Against rollout", "size": "Memory"}
    if np.isnan(found.agreement.value).all():
        options.pop("agreement")
    chosen = _choice(options, "interaction")
    if chosen == "agreement":
        fig = drawing.agreement_over_steps(found, scheme())
    elif chosen == "size":
        fig = drawing.memory_over_steps(found, scheme())
    else:
        fig = drawing.influence_over_steps(getattr(found, chosen), scheme())
    _plot(fig, f"interaction-{chosen}", found.checkpoint, f"{options[chosen]} of the effective interaction over steps")
    leak = "none of them has any" if found.beyond_max == 0 else f"the largest has {found.beyond_max:.2g}"
    beyond = f" {found.beyond:,} states are too far away to matter: {leak}." if found.beyond else ""
    st.caption(plain(f"{found.n} instances with a path. {drawing.traced_back(found)}{beyond}"))


def _highway(found: HighwayScores) -> None:
    _plot(drawing.gradient_over_steps(found, scheme()), "highway", found.checkpoint, "Gradient left")
    told = [f"{plain(network.title)} {network.factor}" for network in found.networks[:2]]
    absent = f" Not there to switch off: {plain(', '.join(found.absent))}." if found.absent else ""
    st.caption(
        f"One step back leaves this share of the gradient: {'; '.join(told)}. A trained state that has arrived forgets "
        f"its way, and its gradient with it; what matters for learning is the start. {found.n} instances, "
        f"{found.seeds} untrained networks of each kind.{absent}"
    )
