"""Checkpoints: what can I open?"""

from depthscope.ui.checkpoints import page as checkpoints
from depthscope.ui.shell import frame
from depthscope.ui.visit import session

frame.enter("pages/checkpoints.py")
with session.calm():
    section = checkpoints.headline()
    checkpoints.draw(section)
