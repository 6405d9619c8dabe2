"""Interventions: is it used?"""

from ui import frame, intervention_map, interventions, session, sidebar, views

frame.enter("pages/interventions.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        interventions.draw(view)
        intervention_map.section(view)
