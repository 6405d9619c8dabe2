"""The text task: facts about a family in any order, and a question about two of its people.

The face of the task. The instance and its oracle are in `text_instance`, the generators in `text_data`, the grammar in
`text_grammar`; how a text becomes nodes for a model is in `text_encoding`.
"""

from core.tasks.text_data import generate
from core.tasks.text_encoding import encode
from core.tasks.text_grammar import parse, render
from core.tasks.text_instance import CONCEPT, TASK, TextInstance

__all__ = ["CONCEPT", "TASK", "TextInstance", "encode", "generate", "parse", "render"]
