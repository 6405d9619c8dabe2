"""The probes stored with a checkpoint: their scores, or why there are none, and fitting them while one watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import streamlit as st

from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.tasks import concepts
from depthscope.probes.reading import linear_probe
from depthscope.probes.reading.scores import ProbeScores
from depthscope.ui.visit import view as opening
from depthscope.ui.visit.cache import recent
from depthscope.ui.widgets.copy_instance import command
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import work as background
from depthscope.ui.work.work import Work

TITLE = "### What does the state know?"


def n_values(checkpoint: Checkpoint, scores: ProbeScores) -> int:
    """How many values the concept has."""
    return len(concepts.concept_for(checkpoint.config, scores.concept).values) or 2


def why_not(checkpoint: Checkpoint) -> str | None:
    """Why no probes can be fitted and stored, None if they can."""
    try:
        concepts.concept_for(checkpoint.config)
    except InputError as error:
        return str(error)
    if checkpoint.folder is None:
        return f"the checkpoint {checkpoint.name} lies in no folder that probes could be stored in"
    return None


def fitting(checkpoint: Checkpoint) -> Work:
    """The work of fitting, the same as `depthscope probe fit`."""

    def run(progress: Callable[[int, int], None]) -> Iterator[ProbeScores]:
        probe, scores = linear_probe.fit(checkpoint, progress=progress)
        linear_probe.save(checkpoint, probe, scores)
        recent.clear("traces", opening.MAX_KEPT_BYTES)  # those have no reading by these probes
        recent.clear("drawings", 256 << 20)
        yield scores

    return Work("fit", checkpoint.sha256, run, "parts")


def offer(checkpoint: Checkpoint, label: str = "Fit probes") -> None:
    """The command and the button that fit, or the sentence why nothing can be fitted."""
    reason = why_not(checkpoint)
    if reason is not None:
        st.info(plain(whole(reason)))
        return
    work = fitting(checkpoint)
    st.code(command("probe", "fit", checkpoint.name), language="bash")
    note = (
        f"Draws {linear_probe.default_instances(checkpoint):,} instances that no training saw, fits a probe for each "
        f"of {linear_probe.STEPS + 1} steps and its controls, and stores them beside the weights. It takes about a "
        "minute; nothing is stored before the end."
    )
    background.offer(work, label, note, type="primary")


def nothing_stored(checkpoint: Checkpoint, problem: str | None) -> None:
    """The section of a checkpoint without probes that belong to it."""
    st.markdown(TITLE)
    if problem is not None:
        st.warning(plain(whole(problem)))
    else:
        st.write(
            f"No probes are stored with {plain(checkpoint.name)} yet. A probe is a linear readout of one step's "
            "states; once there are some, this page says at which step they read what the oracle knows, beside their "
            "controls."
        )
    offer(checkpoint)
