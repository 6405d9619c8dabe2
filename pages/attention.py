"""Attention: where does information flow?"""

from depthscope.ui.attention import page

page.show()
