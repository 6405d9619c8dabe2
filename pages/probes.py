"""Probes: what does the state know?"""

from ui import frame, probe_page, session, sidebar, views

frame.enter("pages/probes.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        probe_page.draw(view)
