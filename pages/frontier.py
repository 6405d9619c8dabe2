"""Frontier: how far does it carry?"""

from depthscope.ui.frontier import exit as exit_rules, page as frontier, trivial
from depthscope.ui.shell import frame
from depthscope.ui.trace import views
from depthscope.ui.visit import session

frame.enter("pages/frontier.py")
with session.calm():
    request = frontier.settle()
    if request is None:
        views.nothing_to_open()
    else:
        frontier.sidebar(request)
        frontier.controls(request)
        frontier.measured(request)
        trivial.section(request)
        exit_rules.section(request)
