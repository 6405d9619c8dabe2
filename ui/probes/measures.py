"""The sections on drawn instances: arrivals, commitment, lenses."""

from __future__ import annotations

from functools import partial

import streamlit as st

from depthscope.figures.instruments import commitment, lens, wavefront
from depthscope.probes import registry
from depthscope.probes.instruments.commitment import NONE, Commitment
from depthscope.probes.instruments.lens import Lenses
from depthscope.probes.instruments.wavefront import Wavefront
from depthscope.ui.widgets.figures import Figures, Picture
from depthscope.ui.widgets.text import plain
from depthscope.ui.work.measure import Section


def _arrivals(result: Wavefront) -> Figures:
    return Figures(
        {
            "arrival": Picture(
                "Arrival over distance with its line and controls", partial(wavefront.arrival_over_distance, result),
                f"A node has arrived at the first step from which it is read right with p ≥ {result.threshold:g} to "
                f"the end (T = {result.steps}). A straight line is a wave of constant speed; the shade holds the "
                "middle half.",
            ),
            "arrived": Picture(
                "Share of nodes that arrive over distance", partial(wavefront.share_over_distance, result),
                "Nodes that never arrive are left out of the line: read both figures together.",
            ),
        },
        "The line is a + b × distance, its speed 1/b; log₂ R² is of a wave that doubles its reach each step; ρ is the "
        "rank correlation. Where the twin differs, nodes should arrive here and not there.",
        wavefront.speed(result), wavefront.rows(result), abreast=True,
    )  # fmt: skip


def _commitment(result: Commitment) -> Figures:
    st.write(plain(commitment.when(result)))
    names = commitment.part_names(result)
    part = st.segmented_control(
        "Answers", names, default=names[0], format_func=commitment.PARTS.__getitem__, label_visibility="collapsed",
        required=True, key=f"commitment part {names}",  # a widget whose options change keeps its old choice
    )  # fmt: skip
    pictures = {
        "standing": Picture(
            "Share of answers that stand from each step on",
            lambda scheme: commitment.standing_over_steps(result, part or names[0], scheme),
            "A curve ahead of the oracle's is a guess. Where the probe's curve leads the output's, the state contains "
            "the answer before it is given.",
        )
    }
    if result.probe != NONE:
        pictures["knowing"] = Picture(
            "Share of last answers a probe names, with controls", partial(commitment.knowing_over_steps, result),
            "A probe of the state the answer is read from, asked for the model's own last answer on instances it was "
            "not fitted on. Accuracy that the untrained network also reaches is already present in the input.",
        )  # fmt: skip
    else:
        st.info("There are too few instances to fit a probe of the answer to; draw 40 or more, with both answers.")
    means = f"Means in steps with 95% intervals; T = {result.steps}, and {result.steps + 1} stands for never."
    return Figures(pictures, means, rows=commitment.rows(result), abreast=True)


def _lenses(result: Lenses) -> Figures:
    return Figures(
        {
            "kl": Picture(
                "Divergence of both lenses from the final readout", partial(lens.divergence_over_steps, result),
                "Lower is closer to what the model says in the end. Only a divergence below both controls is evidence.",
            ),
            "sign": Picture(
                "Share of readouts whose sign is the final one", partial(lens.sign_over_steps, result),
                "Where the lenses differ in sign, the answer is there in a direction the readout does not look at.",
            ),
        },
        f"{len(result.node):,} readouts of {result.n:,} instances; the tuned lens was fitted on {result.n_fit:,} "
        f"others of difficulty {', '.join(map(str, result.fit_difficulty))}.",
        lens.difference(result), abreast=True,
    )  # fmt: skip


ARRIVALS = Section(
    "wavefront", "When does the wave arrive?", _arrivals, csv=wavefront.as_csv, unit="steps", instances=(100, 40),
    hard=True,
)  # fmt: skip
COMMITMENT = Section(
    "commitment", "When is the answer known, and when given?", _commitment, csv=commitment.as_csv, unit="regressions",
    instances=(60, 60),
)  # fmt: skip
LENS = Section(
    "lens", "What would the readout say of earlier states?", _lenses, csv=lens.as_csv, instances=(32, 16)
)  # fmt: skip
ELSEWHERE = {
    "attention", "knockout", "interaction", "highway", "convergence", "pca", "fixed-points", "lyapunov", "automaton",
    "agreement", "similarity", "exit", "patch", "do", "wavefront", "commitment", "lens",
}  # fmt: skip
"""Instruments that have a section of their own, on this page or another."""


def others() -> list[str]:
    """Instruments without a section of their own, those that a user named at the start among them."""
    return [name for name in registry.names() if name not in ELSEWHERE]
