"""The text task: facts about a family in any order, and a question about two of its people.

The face of the task. The instance and its oracle are in `text_instance`, the generators in `text_data`, the grammar in
`text_grammar`; how a text becomes nodes for a model is in `text_encoding`.
"""

from depthscope.core.tasks.text.encode import encode
from depthscope.core.tasks.text.generate import generate
from depthscope.core.tasks.text.grammar import parse, render
from depthscope.core.tasks.text.instance import CONCEPT, TASK, TextInstance

__all__ = ["CONCEPT", "TASK", "TextInstance", "encode", "generate", "parse", "render"]
