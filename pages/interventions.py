"""Interventions: is it used?"""

from depthscope.ui.interventions import page

page.show()
