"""A task from outside: brackets of two kinds, each open, closed or wrong. It stands in no table of the house."""

from tests.brackets.task import TASK

__all__ = ["TASK"]
