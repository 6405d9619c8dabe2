"""The probes stored with a checkpoint: their scores, or why there are none, and fitting them while one watches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import streamlit as st

from core.checkpoint import Checkpoint
from core.errors import InputError
from figures.probe_scores import CONTROLS
from probes import concepts, linear
from probes.scores import AcrossSteps, ProbeScores, StepScores
from ui import opening, probe_work
from ui.probe_work import Work
from ui.store import recent
from ui.text import plain, whole

MAX_BYTES = 64 << 20
TITLE = "### What does the state know?"


def scores_of(checkpoint: Checkpoint) -> ProbeScores | None:
    """The scores stored with a checkpoint's probes, None if no probes are stored.

    The matrix of scores stored before there was one is NaN throughout.

    Raises:
        InputError: If probes or scores belong to other weights, or a file is not whole.
    """
    if checkpoint.folder is None or linear.load(checkpoint) is None:
        return None
    path = checkpoint.folder / linear.SCORES
    again = f"fit them anew with: python -m probes fit {checkpoint.name}"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        scores = _scores(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"the scores of the probes stored with {checkpoint.name!r} cannot be read; {again}") from None
    if scores.sha256 != checkpoint.sha256:
        raise InputError(f"the scores stored with {checkpoint.name!r} belong to other weights; {again}")
    return scores


def _scores(stored: dict[str, Any]) -> ProbeScores:
    """What `ProbeScores.to_json` wrote."""
    tests = {}
    for name, test in stored["tests"].items():
        rows = {key: _array(test[key]) for key in ("accuracy", "low", "high", "selectivity")}
        controls = {key: _array(values) for key, values in test["controls"].items()}
        if set(controls) != set(CONTROLS):
            raise ValueError("other controls than those there are")
        tests[name] = StepScores(
            **rows, title=test["title"], controls=controls, n_test=test["n_test"], n_instances=test["n_instances"]
        )
    plain_fields = ("checkpoint", "sha256", "concept", "data", "meaning", "seed", "n_train")
    if not tests:
        raise ValueError("no nodes were scored")
    n = len(next(iter(tests.values())).accuracy)
    square = stored.get("across") or {"title": "", **dict.fromkeys(("accuracy", "low", "high", "untrained"))}
    cells = {k: np.full((n, n), np.nan) if v is None else _array(v) for k, v in square.items() if k != "title"}
    return ProbeScores(
        **{name: stored[name] for name in plain_fields},
        constant=tuple(stored["constant"]),
        tests=tests,
        across=AcrossSteps(title=square["title"], **cells),
    )


def _array(values: Any) -> np.ndarray:
    return np.array(values, dtype=np.float64)  # None becomes NaN


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
    """The work of fitting, the same as `python -m probes fit`."""

    def run(progress: Callable[[int, int], None]) -> Iterator[ProbeScores]:
        probe, scores = linear.fit(checkpoint, progress=progress)
        linear.save(checkpoint, probe, scores)
        recent.clear("traces", opening.MAX_KEPT_BYTES)  # those have no reading by these probes
        recent.clear("drawings", 256 << 20)
        yield scores

    return Work("fit", checkpoint.sha256, run, "probes")


def offer(checkpoint: Checkpoint, label: str = "Fit probes") -> None:
    """The command and the button that fit, or the sentence why nothing can be fitted."""
    reason = why_not(checkpoint)
    if reason is not None:
        st.info(plain(whole(reason)))
        return
    work = fitting(checkpoint)
    st.code(f"python -m probes fit {checkpoint.name}", language="bash")
    if probe_work.under_way(work):
        return
    n = linear.default_instances(checkpoint)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(label, type="primary", key="fit probes", on_click=probe_work.start, args=(work,))
        st.caption(
            f"Draws {n:,} instances that no training saw, fits a probe for each of {linear.STEPS + 1} steps and its "
            "controls, and stores them beside the weights. It takes a minute or some; nothing is stored before the end."
        )


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
