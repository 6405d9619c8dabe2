"""The Trace page: what happens, step by step."""

from __future__ import annotations

from depthscope.ui import many
from depthscope.ui.shell import help as guide, instance_page
from depthscope.ui.trace import editor, views
from depthscope.ui.visit.view import View


def show() -> None:
    """The page."""
    instance_page.show("pages/trace.py", draw)


def draw(view: View) -> None:
    """The headline, the editor, the linked views, and what lies behind them."""
    views.headline(view)
    editor.bar(view)
    views.linked(view, on_edit=editor.from_browser)
    many.answers(view)
    views.about(view)
    guide.tour()
