"""What the pages about one instance have in common: they open it, show the sidebar, and say what went wrong."""

from __future__ import annotations

from collections.abc import Callable

from depthscope.ui.shell import frame, sidebar
from depthscope.ui.trace import views
from depthscope.ui.visit import visit
from depthscope.ui.visit.address import Address
from depthscope.ui.visit.view import View


def show(
    page: str,
    draw: Callable[[View], None],
    more: Callable[[View], None] | None = None,
    address_of: Callable[[View], Address] | None = None,
) -> None:
    """A page.

    Args:
        page: Path of its file.
        draw: Draws what it shows of a view.
        more: Draws its own choice in the sidebar.
        address_of: What the URL says of a view; the view's address if None.
    """
    frame.enter(page)
    with visit.error_box():
        view = visit.open_proposal()
        visit.notices(view)
        if view is None:
            views.nothing_to_open()
            return
        sidebar.draw(view, address_of(view) if address_of is not None else None, more)
        draw(view)
