"""Dynamics: where does it settle?"""

from depthscope.ui.dynamics import page

page.show()
