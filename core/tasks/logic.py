"""The logic task: what is the value of a formula?

The face of the task. The formula and its oracle are in `logic_formula`, the generators in `logic_data`, the grammar in
`logic_grammar`; how a formula becomes nodes for a model is here.
"""

from core.tasks.logic_formula import CONCEPT, TASK, LogicInstance

__all__ = ["CONCEPT", "TASK", "LogicInstance"]
