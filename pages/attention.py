"""Attention: where does information flow?"""

from depthscope.ui.attention import measures as attention_measures, page as attention
from depthscope.ui.shell import frame, sidebar
from depthscope.ui.trace import views
from depthscope.ui.visit import session

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
