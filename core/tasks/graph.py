"""The graph task: is the target reachable from the source along directed edges?

The face of the task. The instance and its oracle are in `graph_instance`, the generators in `graph_data`, the readers of
file formats in `graph_formats`; how an instance becomes nodes for a model is here.
"""

from core.tasks.graph_instance import CONCEPT, TASK, GraphInstance

__all__ = ["CONCEPT", "TASK", "GraphInstance"]
