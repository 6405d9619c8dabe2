"""Attention: where does information flow?"""

from ui import attention, attention_measures, frame, session, sidebar, views

frame.enter("pages/attention.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        sidebar.draw(view)
        attention.draw(view)
        attention_measures.draw(view)
