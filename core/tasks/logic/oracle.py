"""What is true of a formula, as `generate` prints it."""

from __future__ import annotations

from typing import Any

from depthscope.core.tasks.logic.instance import LogicInstance


def oracle(instance: LogicInstance) -> dict[str, Any]:
    """Value of every subformula, from which step it can be known, and kappa."""
    return {
        "concept": instance.concept,
        "token": instance.position,
        "value": instance.value,
        "step": instance.decided_from,
        "kappa": instance.kappa,
        "first_decidable_step": instance.first_decidable_step(),
    }


def oracle_words(known: dict[str, Any]) -> str:
    """The same as a sentence."""
    values = "".join(str(int(v)) for v in known["value"])
    return (
        f"values of the subformulas in the order of their operators and atoms: {values}; "
        f"kappa {known['kappa']}; decidable from step {known['first_decidable_step']}"
    )
