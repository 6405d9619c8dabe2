"""What is true of a graph, as `generate` prints it."""

from __future__ import annotations

from typing import Any

from depthscope.core.tasks.graph.instance import GraphInstance


def oracle(instance: GraphInstance) -> dict[str, Any]:
    """Hops from the source to every node, and the first step at which the answer can be known."""
    distance = [int(d) if d >= 0 else None for d in instance.distance]
    far = dict(zip(instance.names, distance, strict=True))
    return {"concept": instance.concept, "distance": far, "first_decidable_step": instance.first_decidable_step()}


def oracle_words(known: dict[str, Any]) -> str:
    """The same as a sentence."""
    far = ", ".join(f"{name} {'-' if d is None else d}" for name, d in known["distance"].items())
    return f"hops from the source: {far}; decidable from step {known['first_decidable_step']}"
