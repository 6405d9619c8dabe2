"""Dynamics: where does it settle?"""

from ui import dynamics, frame, session, sidebar, views

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
