"""Dynamics: where does it settle?"""

from depthscope.ui.dynamics import page as dynamics
from depthscope.ui.shell import frame, sidebar
from depthscope.ui.trace import views
from depthscope.ui.visit import session

frame.enter("pages/dynamics.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        dynamics.headline(view)
        dynamics.instance(view)
        dynamics.measured(view)
