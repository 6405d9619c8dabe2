"""Reachability in a directed graph: is the target reachable from the source along directed edges?"""

from depthscope.core.tasks.graph.task import TASK

__all__ = ["TASK"]
