"""Checkpoints: what can I open?"""

from ui import checkpoints, frame, session

frame.enter("pages/checkpoints.py")
with session.calm():
    section = checkpoints.headline()
    checkpoints.draw(section)
