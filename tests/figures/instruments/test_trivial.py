"""Rules in a sentence: what they get, and what a model gets where they are wrong."""

import numpy as np

from depthscope.figures.instruments import trivial
from depthscope.probes.instruments.trivial import RuleScores
from depthscope.probes.measuring.estimate import Estimate


def scores(rule: str, accuracy: list[float], n: list[int]) -> RuleScores:
    at = np.array(accuracy)
    return RuleScores(rule, np.arange(2, 2 + len(at)), Estimate(at, at - 0.1, at + 0.1, np.array(n)))


def test_where_a_rule_is_wrong_all_instances_count_alike() -> None:
    errs = [scores("near the count wrong", [1.0, 0.5], [30, 10]), scores("joined count wrong", [np.nan, 0.25], [0, 4])]
    said = trivial.where_wrong(errs, "paper", "mine")
    assert said.startswith("On the paper's data mine is right on .875 where “near the count” is wrong (40 instances), ")
    assert ".250 where “joined count” is wrong (4 instances);" in said
    assert trivial.where_wrong([scores("top 4 levels wrong", [np.nan], [0])], "audited", "mine") == ""
    assert trivial.where_wrong([], "audited", "mine") == ""


def test_the_best_rule_is_named_with_its_data() -> None:
    found = {"paper": [scores("degree", [0.5, 0.9], [10, 10]), scores("other", [0.6, 0.7], [10, 10])]}
    assert trivial.most(found, "text") == (
        "Without following a single step a rule gets up to .900 on the paper's data (degree, length of the chain 3)."
    )
