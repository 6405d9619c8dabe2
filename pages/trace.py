"""Trace: what happens, step by step?"""

from depthscope.ui.trace import page

page.show()
