"""The sentence of a comparison says who is right."""

from dataclasses import replace

import numpy as np
import pytest

from figures.comparison import comparison
from tests.figures import hand_made
