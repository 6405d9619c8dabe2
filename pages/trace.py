"""Trace: what happens, step by step?"""

from depthscope.ui import many as batch
from depthscope.ui.shell import frame, help as guide, sidebar
from depthscope.ui.trace import editor, views
from depthscope.ui.visit import session

frame.enter("pages/trace.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        views.headline(view)
        editor.bar(view)
        views.linked(view, on_edit=editor.from_browser)
        batch.answers(view)
        views.about(view)
        guide.tour()
