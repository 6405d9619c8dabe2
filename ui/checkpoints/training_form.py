"""The form of a training: the recipe with its honest time, the seed, and the few settings that can be varied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.kinds import DEFAULT
from depthscope.core.training import recipes
from depthscope.core.training.recipes import Recipe
from depthscope.ui.checkpoints import cards, training_request
from depthscope.ui.checkpoints.training_request import MAX_SEED, Request, duration, estimate
from depthscope.ui.widgets.text import plain, whole

MAX_BATCHES = 200_000


def draw(start: Callable[[Request], None], busy: str | None) -> None:
    """The form.

    Args:
        start: Starts a training; for a callback.
        busy: Name of the training that is under way.
    """
    request = _request()
    try:
        recipe = request.varied
    except InputError as error:
        st.error(plain(whole(str(error))))
        return
    st.caption(_about(recipe, request))
    st.button(
        "Start training", on_click=start, args=(request,), type="primary", key="training start",
        disabled=busy is not None, help=None if busy is None else f"{busy} is under way; one runs at a time.",
    )  # fmt: skip
    with st.expander("Copy as command"):
        st.code(request.command(f"runs/{request.name}"), language="bash", wrap_lines=True)


def _request() -> Request:
    """What the widgets say."""
    known = cards.known()

    def title(offer: tuple[str, str]) -> str:
        found = estimate(Request(*offer), known)
        time = f", about {duration(found.seconds)}" if found else ""
        return f"{tasks.get(offer[0]).words.nouns}: {offer[1]}{time}"

    task, name = st.selectbox(
        "Recipe", training_request.offers(), format_func=title, key="training recipe_widget", persist_state="session"
    )
    recipe, of = recipes.get(task, name), f"{task} {name}"
    seed = st.number_input("Seed", 0, MAX_SEED, 0, key="training seed_widget", persist_state="session")
    changes: dict[str, Any] = {}
    with st.expander("Settings of the recipe"):
        batches = st.number_input("Batches", 1, MAX_BATCHES, recipe.batches, key=f"training batches {of}")
        if batches and batches != recipe.batches:
            changes["batches"] = int(batches)
        alpha = st.slider(
            "alpha", 0.0, 1.0, recipe.alpha, 0.05, key=f"training alpha {of}",
            help="0: loss at the last step alone, not along the wave; 1: at every step; between them a mixture.",
        )  # fmt: skip
        if alpha != recipe.alpha:
            changes["alpha"] = float(alpha)
        if recipe.kind == DEFAULT:
            changes |= _gate(recipe, of)
    return Request(task, name, int(seed or 0), changes)


def _gate(recipe: Recipe, of: str) -> dict[str, Any]:
    at_first = recipe.model.gate_bias
    gate = st.toggle("Update gate", at_first is not None, key=f"training gate {of}")
    bias = st.number_input(
        "Gate bias at the start", -10.0, 10.0, -2.0 if at_first is None else at_first, 0.5,
        key=f"training bias {of}", disabled=not gate, help="Below 0 a state at first keeps most of what it was.",
    )  # fmt: skip
    wanted = float(bias if bias is not None else -2.0) if gate else None
    return {} if wanted == at_first else {"model.gate_bias": wanted}


def _about(recipe: Recipe, request: Request) -> str:
    """What will be done, and how long that took elsewhere."""
    found = estimate(request, cards.known())
    least, most = recipe.difficulty
    what = (
        f"{f'Goes on from {recipe.start}. ' if recipe.start else ''}"
        f"{recipe.batches:,} batches of {recipe.batch_size}, {recipe.data} data of difficulty {least}–{most}, "
        f"{'loss on every node' if recipe.supervision == 'node' else 'loss on the answer alone'}."
    )
    if found is None:
        return plain(f"{what} No timing for this recipe yet; the remaining time appears once it runs.")
    return plain(
        f"{what} About {duration(found.seconds)} on one thread, at the pace of {found.name} "
        f"({found.machine}); longer where the cores are busy."
    )
