"""What the sections on drawn instances show of their results: arrivals, commitment, lenses."""

from __future__ import annotations

import streamlit as st

from depthscope.figures.instruments import commitment, lens as lens_curves, wavefront
from depthscope.probes import registry
from depthscope.probes.instruments.commitment import NONE, Commitment
from depthscope.probes.instruments.lens import Lenses
from depthscope.probes.instruments.wavefront import Wavefront
from depthscope.ui.widgets.card import table
from depthscope.ui.widgets.plot import plot, scheme
from depthscope.ui.widgets.text import plain
from depthscope.ui.work.measure import Section


def show_arrivals(found: Wavefront, name: str) -> None:
    """The wave: its sentence, both figures and the lines with their controls."""
    st.write(plain(wavefront.speed(found)))
    left, right = st.columns(2, gap="small")
    with left:
        fig = wavefront.arrival_over_distance(found, scheme())
        plot(fig, "probe arrivals", f"{name}-arrival", "Arrival over distance with its line and controls")
        st.caption(
            f"A node has arrived at the first step from which it is read right with p ≥ {found.threshold:g} to the "
            f"end (T = {found.steps}). A straight line is a wave of constant speed; the shade holds the middle half."
        )
    with right:
        fig = wavefront.share_over_distance(found, scheme())
        plot(fig, "probe arrived", f"{name}-arrived", "Share of nodes that arrive over distance")
        st.caption("Nodes that never arrive have no part in the line: read both figures together.")
    table(wavefront.rows(found))
    st.caption(
        "The line is a + b × distance, its speed 1/b; log₂ R² is of a wave that doubles its reach each step, and the "
        "difference of both says with its interval which it is; ρ is the rank correlation. Shuffled: the same "
        "arrivals, distances in random order in each instance. Untrained: the same architecture with the weights it "
        "would start from. Where the twin differs, nodes should arrive here and not there."
    )


def show_commitment(found: Commitment, name: str) -> None:
    """The two times: their sentence, both figures and the times by answer."""
    st.write(plain(commitment.when(found)))
    names = commitment.part_names(found)
    part = st.segmented_control(
        "Answers",
        names,
        default=names[0],
        format_func=commitment.PARTS.__getitem__,
        key=f"commitment part {names}",  # a widget whose options change keeps its old choice
        label_visibility="collapsed",
        required=True,
    )
    left, right = st.columns(2, gap="small")
    with left:
        fig = commitment.standing_over_steps(found, part or names[0], scheme())
        plot(fig, "commitment standing", f"{name}-standing", "Share of answers that stand from each step on")
        st.caption("A curve ahead of the oracle's is a guess; held ahead of said is an answer not yet spoken.")
    with right:
        if found.probe == NONE:
            st.info("There are too few instances to fit a probe of the answer to; draw 40 or more, with both answers.")
        else:
            fig = commitment.knowing_over_steps(found, scheme())
            plot(fig, "commitment knowing", f"{name}-knowing", "Share of last answers a probe names, with controls")
            st.caption(
                "A probe of the state the answer is read from, asked for the model's own last answer on instances it "
                "was not fitted on. What the untrained network gets stands in the input."
            )
    table(commitment.rows(found))
    st.caption(f"Means in steps with 95% intervals; T = {found.steps}, and {found.steps + 1} stands for never.")


def show_lenses(found: Lenses, name: str) -> None:
    """Both lenses: their sentence and both figures."""
    st.write(plain(lens_curves.difference(found)))
    left, right = st.columns(2, gap="small")
    with left:
        fig = lens_curves.divergence_over_steps(found, scheme())
        plot(fig, "lens divergence", f"{name}-kl", "Divergence of both lenses from the final readout over steps")
        st.caption("Lower is closer to what the model says in the end. Only what lies below both controls is insight.")
    with right:
        fig = lens_curves.sign_over_steps(found, scheme())
        plot(fig, "lens sign", f"{name}-sign", "Share of readouts whose sign is the final one")
        st.caption("Where the lenses differ in sign, the answer is there in a direction the readout does not look at.")
    fitted = ", ".join(map(str, found.fit_difficulty))
    st.caption(
        f"{len(found.node):,} readouts of {found.n:,} instances; the tuned lens was fitted on {found.n_fit:,} others "
        f"of difficulty {fitted}."
    )


ARRIVALS = Section(
    "wavefront",
    "When does the wave arrive?",
    "From which step on is each node read right, and does that grow with how far it is? Beside it the same with "
    "distances shuffled, in an untrained network, and in the twin's run.",
    show_arrivals,
    wavefront.as_csv,
    unit="steps",
    form=True,
    instances=(100, 40),
    hard=True,
)
COMMITMENT = Section(
    "commitment",
    "When is the answer known, and when given?",
    "From which step does the answer stay, and from which step did a probe of the state know it? Beside it a probe of "
    "permuted answers and one of an untrained network.",
    show_commitment,
    commitment.as_csv,
    unit="regressions",
    form=True,
    instances=(60, 60),
)
LENS = Section(
    "lens",
    "What would the readout say of earlier states?",
    "The last readout applied to every step's state as it is (logit lens), and after a map fitted for that step "
    "(tuned lens). Beside it lenses tuned on shuffled answers and on an untrained network.",
    show_lenses,
    lens_curves.as_csv,
    form=True,
    instances=(32, 16),
)
ELSEWHERE = {
    "attention", "knockout", "interaction", "highway", "convergence", "pca", "fixed-points", "lyapunov", "automaton",
    "agreement", "similarity", "exit", "patch", "do", "wavefront", "commitment", "lens",
}  # fmt: skip
"""Instruments that have a section of their own, on this page or another."""


def others() -> list[str]:
    """Instruments without a section of their own, those that a user named at the start among them."""
    return [name for name in registry.names() if name not in ELSEWHERE]
