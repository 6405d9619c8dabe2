"""Probes: what does the state know?"""

from depthscope.ui.probes import page as probe_page
from depthscope.ui.shell import frame, sidebar
from depthscope.ui.trace import views
from depthscope.ui.visit import session

frame.enter("pages/probes.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        probe_page.draw(view)
