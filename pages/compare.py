"""Compare: what differs between two checkpoints on one instance?"""

from ui import compare, frame, session, sidebar, views

frame.enter("pages/compare.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        other = compare.other(view)
        sidebar.draw(view, compare.choice)
        compare.draw(view, other)
