"""Probes: what does the state know?"""

from depthscope.ui.probes import page

page.show()
