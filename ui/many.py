"""Many instances of a person's own, from several files, lines or a table: opened one by one, answered all at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import streamlit as st

from depthscope.core.answer_many import answered
from depthscope.core.errors import InputError
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks import many as lines
from depthscope.ui.visit import view as opening, visit
from depthscope.ui.visit.address import UserInput
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.visit.view import View
from depthscope.ui.widgets.figures import downloads
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import work as background
from depthscope.ui.work.work import Progress, Work

MOST = 1000
"""Instances of a batch."""

MAX_BYTES = 32 << 20
PLACE = "batch"


@dataclass(frozen=True)
class Item:
    """One instance of a batch.

    Attributes:
        name: What it is called: its file, and its line there.
        origin: What it is read from.
        source: Name of the source node, None for the instance's own.
        target: The same for the target.
        problem: Why it cannot be read, None if it can.
    """

    name: str
    origin: UserInput
    source: str | None = None
    target: str | None = None
    problem: str | None = None


@dataclass
class Batch:
    """What is open of a person's many instances.

    Attributes:
        task: Task they were read for.
        items: The instances.
    """

    task: str = ""
    items: tuple[Item, ...] = ()


def holds_many(name: str, content: bytes) -> bool:
    """Whether a file holds many instances: JSON Lines, or a table with a column "input"."""
    end = PurePath(name).suffix.lower()
    return end == ".jsonl" or (end in (".csv", ".tsv") and lines.is_table(content[:10_000].decode("utf-8", "replace")))


def read(task: str, files: Sequence[tuple[str, bytes]], form: str | None = None) -> tuple[Item, ...]:
    """The instances of several files; one that cannot be read is there with its problem.

    Args:
        task: Task they are read for.
        files: Name and content of each.
        form: Format of graphs, None to go by extension or content.

    Raises:
        InputError: If they are too many or too long, or a file of many is none.
    """
    if sum(len(content) for _, content in files) > MAX_BYTES:
        raise InputError(f"the files are over {MAX_BYTES >> 20} MB together; open a part of them")
    items: list[Item] = []
    for name, content in files:
        if not holds_many(name, content):
            items.append(_checked(task, Item(name, UserInput(content, name, form))))
            continue
        try:
            entries = lines.entries(content.decode("utf-8", "replace"), name)
        except InputError as error:
            if len(files) == 1:
                raise InputError(f"{name[:80]}: {error}") from None
            items.append(Item(name, UserInput(content, name, form), problem=str(error)))
            continue
        if len(items) + len(entries) > MOST:
            raise InputError(
                f"a page opens {MOST:,} instances at once; split {name[:80]}, or run any number, a JSON object a line, "
                "on the command line: depthscope trace CKPT batch.jsonl"
            )
        for entry in entries:
            origin = UserInput(entry.input.encode("utf-8", "surrogatepass"), None, form)
            items.append(_checked(task, Item(f"{name}, {entry.number}", origin, entry.source, entry.target)))
    return tuple(items)


def instance_of(task: str, item: Item) -> Any:
    """The instance of an item.

    Raises:
        InputError: If it cannot be read.
    """
    instance = opening.instance_of(task, item.origin)
    if item.source is None and item.target is None:
        return instance
    return instance.asked(source=item.source, target=item.target)


def _checked(task: str, item: Item) -> Item:
    try:
        instance_of(task, item)
    except InputError as error:
        return Item(item.name, item.origin, item.source, item.target, str(error))
    return item


def take(task: str, files: Sequence[tuple[str, bytes]], form: str | None = None) -> None:
    """Makes files the open batch and opens the first readable instance of what came last; for callbacks.

    A file that is added to others is what a person wants to see; where it cannot be read, what was open stays and the
    reason is said.
    """
    before, batch, here = current(task), visit.part(Batch), visit.visit()
    with visit.attempt(PLACE):
        batch.task, batch.items = task, read(task, files, form)
        here.problem = None
        known, address = {replace(item, problem=None) for item in before}, here.address
        fresh = [item for item in batch.items if replace(item, problem=None) not in known]
        if address is not None:  # a file that came first and alone is no batch yet
            fresh = [item for item in fresh if item.origin != address.origin] or fresh
        good = [item for item in fresh if item.problem is None]
        if good:
            show(good[0])
        elif fresh:
            raise InputError(f"{fresh[0].name[:80]}: {whole(fresh[0].problem or '')}")


def close() -> None:
    """Forgets the batch; for callbacks."""
    visit.part(Batch).items = ()
    visit.visit().failures.pop(PLACE, None)


def show(item: Item) -> None:
    """Opens one instance; for callbacks."""
    visit.change(origin=item.origin, source=item.source, target=item.target, steps=None)


def current(task: str) -> tuple[Item, ...]:
    """The batch that is open for a task, empty if there is none."""
    batch = visit.part(Batch)
    return batch.items if batch.task == task else ()


def choice(view: View) -> None:
    """In the sidebar: which instance of the batch is open, those before and after it, and what could not be read."""
    visit.failure(PLACE)
    items = current(view.instance.task)
    if not items:
        return
    good = [item for item in items if item.problem is None]
    at = next((i for i, item in enumerate(good) if _is_open(view, item)), None)
    if good:
        st.selectbox(
            f"Batch: {len(good):,} instances", range(len(good)), format_func=lambda i: f"{i + 1}. {good[i].name}"[:80],
            index=None, placeholder="Choose one",
            **visit.bind("batch_widget", at, lambda chosen: None if chosen is None else show(good[chosen])),
        )  # fmt: skip
        with st.container(horizontal=True):
            here = -1 if at is None else at
            st.button("Previous", on_click=show, args=(good[max(0, here - 1)],), disabled=here <= 0, key="batch back")
            last = here >= len(good) - 1
            st.button("Next", on_click=show, args=(good[min(len(good) - 1, here + 1)],), disabled=last, key="batch on")
    bad = [item for item in items if item.problem is not None]
    if bad:
        with st.expander(f"{len(bad):,} could not be read"):
            for item in bad[:20]:
                st.caption(f"{plain(item.name, 60)}: {plain(whole(item.problem or ''))}")


def _is_open(view: View, item: Item) -> bool:
    here = view.address
    return here.origin == item.origin and (item.source, item.target) in (
        (here.source, here.target), (None, None),
    )  # fmt: skip


def answers(view: View) -> None:
    """Below the views: what the checkpoint answers on every instance of the batch."""
    items = [item for item in current(view.instance.task) if item.problem is None]
    if not items:
        return
    with st.expander(f"Your batch: {len(items):,} instances", expanded=True):
        work = _work(view, items)
        result = background.result(work)
        if result is None:
            st.caption("Every instance runs for its own number of steps, as `depthscope trace CKPT batch.jsonl` does.")
            background.offer(work, "Answer all")
            return
        answers = [json.loads(line) for line in result["lines"]]
        rows = [_row(item, answer) for item, answer in zip(items, answers, strict=True)]
        labelled = [row for row in rows if row["label"] != "–"]
        right = sum(row["right"] == "yes" for row in labelled)
        yes = sum(answer["label"] == 1 for answer in answers)
        base = max(yes, len(labelled) - yes)
        if labelled:
            st.markdown(
                f"**{right:,} of {len(labelled):,} right**; always giving the more common answer would be right on "
                f"{base:,}."
            )
        chosen = st.dataframe(
            rows, hide_index=True, height=min(380, 38 + 35 * len(rows)), on_select="rerun",
            selection_mode="single-row", key="batch table",
        )  # fmt: skip
        picked = chosen["selection"]["rows"] if chosen else []
        if picked and not _is_open(view, items[picked[0]]):
            st.button(f"Open number {picked[0] + 1}", on_click=show, args=(items[picked[0]],), key="open picked")
        answers_file = f"{view.checkpoint.name}-batch.jsonl"
        offers = [
            ("Answers as JSON Lines", answers_file, lambda: "".join(f"{line}\n" for line in result["lines"])),
            ("Instances as JSON Lines", "batch.jsonl", lambda: as_lines(items)),
        ]
        downloads("batch", offers)
        st.caption("`depthscope trace` and the Frontier page read the instances.")


def as_lines(items: Sequence[Item]) -> str:
    """A batch as the command line reads it."""
    rows = []
    for item in items:
        ends = {k: v for k, v in (("source", item.source), ("target", item.target)) if v is not None}
        rows.append(json.dumps({"input": item.origin.content.decode("utf-8", "replace"), **ends}, ensure_ascii=False))
    return "".join(f"{row}\n" for row in rows)


def _row(item: Item, answer: dict[str, Any]) -> dict[str, Any]:
    label, logits = answer["label"], answer["logits"]
    right = None if label is None else answer["answer"] == label
    since = next((t for t in range(len(logits)) if all((x > 0) == bool(answer["answer"]) for x in logits[t:])), 0)
    return {
        "instance": item.name,
        "label": "–" if label is None else str(label),
        "answer": str(answer["answer"]),
        "right": "–" if right is None else "yes" if right else "no",
        "settled from step": since,
        "steps": answer["steps"],
    }


def _work(view: View, items: Sequence[Item]) -> Work:
    opened, task = view.checkpoint, view.instance.task
    parts = [(item.origin.digest, item.origin.format, item.source, item.target) for item in items]

    def run(progress: Progress) -> Iterator[Any]:
        instances = [instance_of(task, item) for item in items]
        answers = answered(opened, instances, progress=lambda done: progress(done, len(instances)))
        yield {"lines": [dumps(answer) for answer in answers]}

    return Work("batch", fingerprint("batch", opened.sha256, parts), run, "instances")
