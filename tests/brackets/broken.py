"""The brackets, with two things that are not as they should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.brackets.task import TASK as WHOLE

TASK = replace(
    WHOLE,
    name="brackets-broken",
    render=lambda instance: instance.text[:-1],
    drawing=replace(WHOLE.drawing, links=lambda instance, encoding: (np.array([[99], [0]]), np.ones(1, dtype=bool))),
)
