"""Trace: what happens, step by step?"""

from ui import batch, editor, frame, guide, session, sidebar, views

frame.enter("pages/trace.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        views.headline(view)
        editor.bar(view)
        views.linked(view, on_edit=editor.from_browser)
        batch.answers(view)
        views.about(view)
        guide.tour()
