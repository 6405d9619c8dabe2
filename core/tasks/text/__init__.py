"""A relation between two people, from facts about parents, children and siblings in any order: are they so related?"""

from depthscope.core.tasks.text.task import TASK

__all__ = ["TASK"]
