"""Compare: what differs between two checkpoints on one instance, or between two instances in one checkpoint?"""

from depthscope.ui.compare import measures as compare_measures, page as compare
from depthscope.ui.shell import frame, sidebar
from depthscope.ui.trace import views
from depthscope.ui.visit import session
from depthscope.ui.widgets.text import plain

frame.enter("pages/compare.py")
with session.calm():
    view = session.settle()
    session.notices(view)
    if view is None:
        views.nothing_to_open()
    else:
        pair = compare.other(view)
        sidebar.draw(view, compare.choice)
        if isinstance(pair, str):
            views.alone(view, plain(pair))
        else:
            gap = compare.gap(pair)
            compare.headline(pair)
            compare.sides(pair, gap)
            compare_measures.apart(pair, gap)
            if pair.kind == "checkpoint":
                compare_measures.measured(pair)
                compare_measures.made_with(pair.first.checkpoint, pair.second.checkpoint)
