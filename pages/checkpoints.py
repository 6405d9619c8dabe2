"""Checkpoints: what can I open?"""

from depthscope.ui.checkpoints import page

page.show()
