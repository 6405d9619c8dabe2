"""A card for each checkpoint: what it reads, what it was trained with, what it reached; and the way to open it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from depthscope.core import checkpoint, tasks
from depthscope.core.checkpoint import CONFIG
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.core.exchange.about import About, about
from depthscope.core.kinds import DEFAULT, TITLES
from depthscope.figures.training import accuracy_cells, told
from depthscope.ui.visit import uploads, view as opening, visit
from depthscope.ui.visit.uploads import Upload
from depthscope.ui.widgets.figures import scheme
from depthscope.ui.widgets.text import plain, setting, whole

MAX_CARD, MAX_VALUE = 12_000, 80
"""Characters of a card and of a value that are drawn."""

COLUMNS = 3
SUPERVISION = {"node": "every node", "answer": "the answer"}
ATTENTION = {"edges": "along edges", "full": "as tokens", "none": "token by token"}
SETTINGS = {
    "kind": "Model",
    "overrides": "Varied by",
    "start": "Goes on from",
    "samples": "Training set",
    "alpha": "alpha",
}
NONE = {"samples": "drawn afresh", "gate_bias": "no gate", "start": "new weights", "extra": "as in tests"}
"""What settings are called, where not by their own name, and what the absence of one means."""

SHORT_KINDS = {"act": "ACT", "gru": "GRU", "fixed-depth": "fixed depth"}


@dataclass(frozen=True)
class Card:
    """A checkpoint with a card.

    Attributes:
        entry: As `depthscope list --json` prints it.
        folder: Where it lies.
        upload: Where it is from, if it is this visit's own.
    """

    entry: dict[str, Any]
    folder: Path
    upload: Upload | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.entry["name"]


def all_cards() -> list[Card]:
    """All that can be opened: those in the folder, then this visit's own."""
    in_folder = [Card(entry, checkpoint.folder_of(Path(entry["name"]).name)) for entry in opening.in_folder()]
    return [*in_folder, *(Card(upload.entry, upload.folder, upload) for upload in uploads.mine())]


@st.cache_data(ttl=10, show_spinner=False)
def info_of(folder: str) -> About | str:
    """What a checkpoint says of itself, or one sentence why that cannot be read."""
    try:
        return about(Path(folder))
    except InputError as error:
        return str(error).replace(f"{folder}/", "")


def unreadable() -> dict[str, str]:
    """Folders that look like checkpoints and are passed over: name and why."""
    listed = {one.folder for one in all_cards()}
    there = [path.parent for root in checkpoint.roots() for path in sorted(root.glob(f"*/{CONFIG}"))]
    others = [folder for folder in there if folder not in listed]
    return {folder.name: info for folder in others if isinstance(info := info_of(str(folder)), str)}


def known() -> list[About]:
    """What the checkpoints in the folder say of themselves."""
    infos = [info_of(str(one.folder)) for one in all_cards() if one.upload is None]
    return [info for info in infos if isinstance(info, About)]


def grid(cards: list[Card], below: Callable[[Card], None]) -> None:
    """Cards side by side.

    Args:
        cards: What they are about.
        below: Draws what a card has besides, at its foot.
    """
    for start in range(0, len(cards), COLUMNS):
        for column, one in zip(st.columns(COLUMNS, gap="small"), cards[start : start + COLUMNS], strict=False):
            with column:
                _card(one, below)


def _card(one: Card, below: Callable[[Card], None]) -> None:
    info, opened = info_of(str(one.folder)), visit.checkpoint_name() == one.name
    with st.container(border=True, height="stretch", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown(f"**{plain(one.name, 60)}**", width="content")
            if opened:
                st.badge("open", color="primary")
            if one.upload is not None:
                st.badge(plain(one.upload.source, 40), color="green")
        if isinstance(info, str):
            st.warning(plain(whole(info)))
        else:
            st.markdown(" ".join(f":{hue}-badge[{plain(text, 60)}]" for text, hue in badges(one.entry, info)))
            _reached(one.entry, info)
            st.caption(_small(one))
        with st.container(horizontal=True, gap="xsmall"):
            if st.button("Open in Trace", key=f"open {one.name}", on_click=visit.choose_checkpoint, args=(one.name,)):
                st.switch_page("pages/trace.py")
            st.download_button(
                "Download", lambda: bundle.pack(one.folder, one.name), f"{one.name}.zip",
                key=f"zip {one.name}", on_click="ignore", help="A zip of its files as they are",
            )  # fmt: skip
        if isinstance(info, About):
            with st.expander("What it was trained with"), st.container(key=f"settings-{one.name}"):
                st.markdown(table(info))
            if info.card:
                with st.expander("Its card"), st.container(key=f"card-{one.name}"):
                    if not info.card_is_original:
                        st.caption("It was edited since the checkpoint was written.")
                    card_text(info.card, trusted=one.upload is None)
        below(one)


def badges(entry: dict[str, Any], info: About) -> list[tuple[str, str]]:
    """What tells checkpoints apart at a glance: text and hue."""
    badges_, hints = [(ATTENTION[info.config.attention], "blue")], info.config.hints
    kind: str = entry["kind"]
    if kind != DEFAULT:
        badges_.append((SHORT_KINDS.get(kind, kind), "orange"))
    if hints not in ("none", "edges"):
        badges_.append((f"hint: {hints.removeprefix('edges, ')}", "orange"))
    supervision, alpha = info.settings.get("supervision"), info.settings.get("alpha")
    if isinstance(supervision, str) and supervision in SUPERVISION and isinstance(alpha, int | float):
        when = "last step" if alpha == 0 else "every step" if alpha == 1 else f"alpha {alpha:g}"
        badges_.append((f"loss: {SUPERVISION[supervision]}, {when}", "violet"))
    data = info.training.get("data")
    if data in ("paper", "audited"):
        badges_.append((f"{data} data", "gray"))
    if span := info.training.get("difficulty"):
        badges_.append((f"trained on {span[0]}–{span[1]} {tasks.get(entry['task']).words.unit}", "gray"))
    if span := info.training.get("steps"):
        badges_.append((f"in {_range(span)} steps", "gray"))
    if info.training.get("finished") is False:
        badges_.append(("training not finished", "red"))
    return badges_


def _range(span: list[int]) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]}–{span[1]}"


def _reached(entry: dict[str, Any], info: About) -> None:
    """Accuracy of the last validation, drawn and told."""
    if not info.accuracy:
        st.caption("It does not say what it reached; the Frontier page measures that.")
        return
    span = info.training.get("difficulty")
    with st.container(gap=None):
        st.html(accuracy_cells(info.accuracy, scheme(), (span[0], span[1]) if span else None))
        st.caption(plain(f"Validation: {told(info.accuracy)} {tasks.get(entry['task']).words.unit}", 200))


def _small(one: Card) -> str:
    entry, parts = one.entry, []
    if isinstance(entry["parameters"], int):
        parts.append(f"{entry['parameters']:,} weights")
    parts.append(f"recipe {plain(entry['recipe'], 40)}" if entry["recipe"] else "no recipe")
    parts.append(f"sha256 `{str(entry['sha256'])[:12]}`" if entry["sha256"] else "no sha256")
    return " · ".join(parts)


def table(info: About) -> str:
    """All settings of training and architecture as a Markdown table of two columns, named as in its config."""
    training = {name: value for name, value in info.training.items() if name != "recipe"}
    recipe = {"recipe": info.entry["recipe"], **info.settings, **training}
    kind: str = info.entry["kind"]
    rows = {"kind": TITLES.get(kind, kind).rstrip(","), **recipe, **asdict(info.config)}
    shown = {
        SETTINGS.get(name, name.replace("_", " ").capitalize()): setting(value, NONE.get(name, "none"))
        for name, value in rows.items()
        if value not in ("", {}, [])
    }
    lines = [f"| {plain(name, MAX_VALUE)} | {plain(value, MAX_VALUE)} |" for name, value in shown.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def card_text(text: str, trusted: bool) -> None:
    """A card: as Markdown, but for images, if it lies in the checkout; as the text it is if somebody sent it."""
    cut = text[:MAX_CARD] + ("\n…" if len(text) > MAX_CARD else "")
    if trusted:
        body = cut.partition("\n")[2] if cut.startswith("# ") else cut
        st.markdown(body.replace("![", "!\\["))
    else:
        st.code(visible(cut), language=None, wrap_lines=True, height=320)


def visible(text: str) -> str:
    """Text without characters that are not seen or turn the direction of writing; lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
