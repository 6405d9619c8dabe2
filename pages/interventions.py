"""Interventions: is it used?"""

from depthscope.ui.interventions import effect_map, page as interventions
from depthscope.ui.shell import frame, sidebar
from depthscope.ui.trace import views
from depthscope.ui.visit import session

frame.enter("pages/interventions.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        interventions.draw(view)
        effect_map.section(view)
