"""Compare: what differs between two checkpoints on one instance, or between two instances in one checkpoint?"""

from depthscope.ui.compare import page

page.show()
