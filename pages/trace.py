"""Trace: what happens, step by step?"""

from ui import frame, session, sidebar, views

frame.enter("pages/trace.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        views.headline(view)
        views.linked(view)
        views.about(view)
