"""Training on the page: the run under way with its live curves, those before it, and a form for the next.

The training is a process of its own (`ui.checkpoints.training_run`) that goes on while the page does other things; what
is drawn is read from the log that it writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from depthscope.core import tasks
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.core.files.strict_json import dumps
from depthscope.core.kinds import DEFAULT
from depthscope.core.training import log as training_log, recipes
from depthscope.core.training.log import Log
from depthscope.core.training.recipes import Recipe
from depthscope.figures import training as training_curves
from depthscope.ui.checkpoints import cards, training_request, training_run
from depthscope.ui.checkpoints.training_request import MAX_SEED, Request, duration, estimate
from depthscope.ui.checkpoints.training_run import Done, Run, TrainingRuns
from depthscope.ui.visit import uploads, visit
from depthscope.ui.widgets.figures import Figures, Picture, csv_and_json, downloads, draw_figures
from depthscope.ui.widgets.text import plain, whole

PLACE = "training"
POLL_SECONDS = 1.5
MAX_BATCHES = 200_000
STATES = {"running": "under way", "stopped": "stopped", "done": "done", "failed": "failed"}


@dataclass
class Remembered:
    """Name of the run that is shown."""

    run: str | None = None


def under_way() -> None:
    """One line on the training that runs on this server, for whoever does something else."""
    name = training_run.trainings().running
    if name is None:
        return
    try:
        run = training_run.trainings().run(name)
    except InputError:
        return
    done, batches = training_log.read(run.folder).last, run.request.varied.batches
    st.caption(f"Under way on this server: training {plain(name)}, {done:,} of {batches:,} batches.")


def draw() -> None:
    """The form, the run that is shown, and all runs."""
    trainings = training_run.trainings()
    runs, busy = trainings.runs(), trainings.running
    visit.failure(PLACE)
    left, right = st.columns([1, 2], gap="small")
    with left, st.container(border=True, height="stretch", gap="small"):
        st.markdown("**A model of your own**")
        _form(busy)
    with right, st.container(border=True, height="stretch", gap="small"):
        _shown(runs, busy)
    _list(runs, busy)


def _form(busy: str | None) -> None:
    """What is trained next; one training runs at a time."""
    request = _request()
    try:
        recipe = request.varied
    except InputError as error:
        st.error(plain(whole(str(error))))
        return
    st.caption(_about(recipe, request))
    st.button(
        "Start training", on_click=_do, args=(lambda trainings: trainings.start(request, _done()),), type="primary",
        key="training start", disabled=busy is not None,
        help=None if busy is None else f"{busy} is under way; one runs at a time.",
    )  # fmt: skip
    with st.expander("Copy as command"):
        st.code(request.command(f"runs/{request.name}"), language="bash", wrap_lines=True)


def _request() -> Request:
    """What the widgets say."""
    known = cards.known()

    def title(offer: tuple[str, str]) -> str:
        pace = estimate(Request(*offer), known)
        time = f", about {duration(pace.seconds)}" if pace else ""
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
    pace = estimate(request, cards.known())
    least, most = recipe.difficulty
    what = (
        f"{f'Goes on from {recipe.start}. ' if recipe.start else ''}"
        f"{recipe.batches:,} batches of {recipe.batch_size}, {recipe.data} data of difficulty {least}–{most}, "
        f"{'loss on every node' if recipe.supervision == 'node' else 'loss on the answer alone'}."
    )
    if pace is None:
        return plain(f"{what} No timing for this recipe yet; the remaining time appears once it runs.")
    return plain(
        f"{what} About {duration(pace.seconds)} on one thread, at the pace of {pace.name} "
        f"({pace.machine}); longer where the cores are busy."
    )


def _do(what: Callable[[TrainingRuns], str | None]) -> None:
    """Starts, resumes or removes a training; the coming run says what cannot be done. For callbacks."""
    with visit.attempt(PLACE):
        visit.part(Remembered).run = what(training_run.trainings())


def _done() -> Done:
    """What becomes of a training that has ended: it stands beside the others for the visit that asked for it."""
    store, visitor = uploads.store(), uploads.visitor() or ""

    def take_in(folder: Path, name: str) -> None:
        store.add(bundle.read(folder), name, "trained here", visitor)

    return take_in


def _shown(runs: list[Run], busy: str | None) -> None:
    name = busy or visit.part(Remembered).run
    run = next((run for run in runs if run.name == name), runs[0] if runs else None)
    if run is None:
        st.markdown("**Live loss and frontier**")
        st.info("Nothing has been trained here yet. Choose a recipe and start: the first one is done while you watch.")
        return
    st.markdown(f"**{plain(run.name)}**, {STATES[run.state]}")
    if run.state == "running":
        st.fragment(_live, run_every=POLL_SECONDS)(run)
        return
    log = training_log.read(run.folder)
    if run.error:
        st.error(plain(whole(f"It ended with an error: {run.error}")))
    _actions(run, log)
    _curves(run, log)
    _take_away(run, log)


def _live(run: Run) -> None:
    trainings = training_run.trainings()
    if trainings.running != run.name:
        st.rerun()
    log, batches = training_log.read(run.folder), run.request.varied.batches
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(min(1.0, log.last / batches), _progress(log, batches))
        st.button(
            "Cancel", on_click=trainings.cancel, key="training cancel", help="What is done is kept, to go on later."
        )
    _curves(run, log)
    st.caption("It is a process of its own: leave this page as you like. It ends with the server, and can be resumed.")


def _progress(log: Log, batches: int) -> str:
    if not log.last:
        return "Getting ready …"
    seconds = float(log.seconds[-1])
    left = seconds / log.last * (batches - log.last)
    progress = f"{log.last:,} of {batches:,} batches in {duration(seconds)}"
    return f"{progress}, about {duration(left)} left" if log.last < batches else f"{progress}, writing the checkpoint"


def _curves(run: Run, log: Log) -> None:
    recipe, beside = run.request.varied, _beside(run.request)
    at = [*range(recipe.validate_every, recipe.batches, recipe.validate_every), recipe.batches]
    level = f" Right now batches go up to difficulty {log.level[-1]}." if recipe.curriculum and len(log.level) else ""
    column = f" The last column is {beside[0]}, made by the same recipe." if beside else ""
    pictures = {
        "loss": Picture(
            "Loss over batches", lambda scheme: training_curves.loss_over_batches(log, recipe.batches, scheme),
            f"The loss of each batch and its running mean; dotted, the loss before anything was learned.{level}",
        ),
        "validation": Picture(
            "Validation accuracy by difficulty over batches",
            lambda scheme: training_curves.validation_over_batches(
                log, at, recipe.validation, recipe.task, scheme, recipe.difficulty, beside
            ),
            "The frontier as it grows: accuracy on instances that no batch holds, within the frame those difficulties "
            f"it trains on; chance level is closest to the background.{column}",
        ),
    }  # fmt: skip
    draw_figures(Figures(pictures, abreast=True), "training", run.name)


def _beside(request: Request) -> tuple[str, dict[int, float]] | None:
    """A checkpoint in the folder by the same recipe, with what its last validation was."""
    for info in cards.known():
        same = (info.entry["task"], info.entry["recipe"]) == (request.task, request.recipe)
        if same and info.accuracy:
            return info.entry["name"], info.accuracy
    return None


def _actions(run: Run, log: Log) -> None:
    """What can be done with a run that has ended."""
    busy, batches = training_run.trainings().running, run.request.varied.batches
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        if run.state == "done":
            opened = st.button("Open in Trace", key="training open", type="primary", on_click=_open, args=(run,))
            if opened and PLACE not in visit.visit().failures:
                st.switch_page("pages/trace.py")
            here = any(upload.name.startswith(f"{run.name}-") for upload in uploads.mine())
            st.caption(
                "It stands beside the others on every page of this visit; **Open** above has its card."
                if here
                else "Once opened, it stands beside the others on every page of this visit."
            )
            return
        st.button(
            "Resume", on_click=_do, args=(lambda trainings: trainings.resume(run.name, _done()),), type="primary",
            disabled=busy is not None, key="training resume",
            help="Goes on from the last save, to the same weights as if it had never stopped.",
        )  # fmt: skip
        st.caption(f"{log.last:,} of {batches:,} batches are done.")


def _open(run: Run) -> None:
    """Takes a finished run in, unless this visit has it, and chooses it; for callbacks."""
    with visit.attempt(PLACE):
        visit.choose_checkpoint(uploads.add(bundle.read(run.folder), run.name, "trained here").name)


def _take_away(run: Run, log: Log) -> None:
    values = {"request": run.request.as_json(), **vars(log)}
    downloads("training", csv_and_json(run.name, lambda: training_curves.as_csv(log), lambda: dumps(values)))
    st.caption("Numbers of exactly what is shown, with the time and the accuracy of each batch.")


def _list(runs: list[Run], busy: str | None) -> None:
    """All runs on this server."""
    if not runs:
        return
    st.markdown("#### Trainings on this server")
    st.caption(f"Each has a folder in `{Path(*training_run.RUNS.parts[-3:])}`, which stays when the server stops.")
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{plain(run.name)}", width=320)
            st.caption(STATES[run.state], width=90)
            st.button("Show", key=f"show {run.name}", on_click=_show, args=(run.name,), disabled=busy is not None)
            st.button("Remove", key=f"drop {run.name}", on_click=_remove, args=(run.name,), disabled=busy == run.name)


def _show(name: str) -> None:
    visit.part(Remembered).run = name


def _remove(name: str) -> None:
    _do(lambda trainings: trainings.remove(name))
