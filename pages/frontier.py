"""Frontier: how far does it carry?"""

from ui import exit_rules, frame, frontier, session, trivial_rules, views

frame.enter("pages/frontier.py")
with session.calm():
    request = frontier.settle()
    if request is None:
        views.nothing_to_open()
    else:
        frontier.sidebar(request)
        frontier.controls(request)
        frontier.measured(request)
        trivial_rules.section(request)
        exit_rules.section(request)
