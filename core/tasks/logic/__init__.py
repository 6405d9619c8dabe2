"""The value of a nested boolean formula: is it true?"""

from depthscope.core.tasks.logic.task import TASK

__all__ = ["TASK"]
