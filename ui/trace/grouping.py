"""How a graph too large to draw is drawn: in groups of nodes, one of which may be opened, or as a sample of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from depthscope.figures.linked_views import grouped_payload, groups, payload as linked_views
from depthscope.figures.linked_views.groups import By, Grouping
from depthscope.ui.visit import visit
from depthscope.ui.visit.cache import fingerprint, recent
from depthscope.ui.visit.view import View

SAMPLE = "sample"
WORDS: dict[str, str] = {"layers": "hops from the source", "communities": "communities", SAMPLE: "a sample of nodes"}


@dataclass(frozen=True)
class Drawing:
    """How a view is drawn.

    Attributes:
        by: "layers", "communities" or "sample"; None where the graph is drawn as it is.
        opened: The group that is opened, None for none.
    """

    by: str | None
    opened: int | None = None

    @property
    def grouped(self) -> bool:
        """Whether it is drawn in groups."""
        return self.by in groups.WAYS


@dataclass
class Remembered:
    """What a visit chose for large graphs.

    Attributes:
        by: How they are drawn.
        group: View, way and number of the group that is open.
    """

    by: str = groups.WAYS[0]
    group: tuple[str, str | None, int | None] = ("", None, None)


def current(view: View) -> Drawing:
    """How a view is drawn: in groups by layers until something else is chosen."""
    if not groups.applies(view.trace):
        return Drawing(None)
    by, (key, way, group) = visit.part(Remembered).by, visit.part(Remembered).group
    return Drawing(by, group if (key, way) == (view.key, by) else None)


def grouping(view: View, by: By) -> Grouping:
    """The groups of a view, found once."""
    return recent("groups", 64 << 20).make(fingerprint(view.key, by), lambda: groups.grouping(view.trace, by))


def choose(view: View, key: str) -> Drawing:
    """The choice above the views of a large graph, nothing above those of a small one.

    Args:
        view: What is open.
        key: Of the mount below.
    """
    here = current(view)
    if here.by is None:
        return here
    ways = [*groups.WAYS, SAMPLE]

    def change(by: str | None) -> None:
        visit.part(Remembered).by = by or ways[0]
        visit.visit().keep_cursor = "step"

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            f"{view.trace.n_nodes:,} nodes are too many to draw; drawn as", ways, format_func=WORDS.__getitem__,
            **visit.bind(f"{key} drawn by", here.by, change), help="Groups show the mean of their nodes and the share "
            "that the oracle has reached. Click a group and open it to see its nodes.",
        )  # fmt: skip
        if here.grouped:
            of = grouping(view, here.by)  # pyright: ignore[reportArgumentType]
            st.selectbox(
                "Open group", range(len(of.names)), format_func=lambda g: of.names[g], index=None, placeholder="none",
                width=260, **visit.bind(f"{key} group", here.opened, lambda group: open_group(view, here.by, group)),
            )  # fmt: skip
    return here


def open_group(view: View, by: str | None, group: Any) -> None:
    """Opens a group, or none; for callbacks. What is no group of the view opens none."""
    count = len(grouping(view, by).names) if by in groups.WAYS else 0  # pyright: ignore[reportArgumentType]
    is_group = isinstance(group, int) and 0 <= group < count
    visit.part(Remembered).group = (view.key, by, group if is_group else None)
    visit.visit().keep_cursor = "step"


def payload_of(
    view: View, here: Drawing, shown: dict[str, np.ndarray], sides: Sequence[View] = (), *, given: bool = False
) -> dict[str, Any]:
    """The payload of a view as it was chosen.

    Args:
        view: What is open.
        here: How it is drawn.
        shown: Name to (T+1, n) values in [0, 1].
        sides: The runs of a comparison, this one among them; those of one model share the basis of the trajectories.
        given: Whether the values are others than the view's own of these names.
    """
    same = tuple(side for side in sides if side.checkpoint.sha256 == view.checkpoint.sha256)
    about: dict[str, Any] = {"title": view.checkpoint.name, "trained_steps": view.trained_steps}
    about["beside"] = [side.trace.hidden for side in same] if len(same) > 1 else []

    def make() -> dict[str, Any]:
        if here.grouped:
            of = grouping(view, here.by)  # pyright: ignore[reportArgumentType]
            return grouped_payload.payload(view.trace, shown, of, here.opened, **about)
        return linked_views.payload(view.trace, shown, **about)

    values = tuple(shown.items()) if given else tuple(shown)
    key = fingerprint(view.key, here.by, here.opened, values, [side.key for side in same])
    return recent("drawings", 256 << 20).make(key, make)
