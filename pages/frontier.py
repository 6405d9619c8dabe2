"""Frontier: how far does it carry?"""

from depthscope.ui.frontier import page

page.show()
