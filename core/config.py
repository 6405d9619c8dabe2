"""The one configuration of the one model. Every mechanism is a switch of its own, so that each can be ablated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from depthscope.core import tasks
from depthscope.core.errors import InputError

NEEDS = {"offset": lambda task: len(task.classes) > 2, "sum": lambda task: task.training.sums}
"""What a task needs for a readout to make sense."""

FORMER = {"hidden": "mlp_width"}
"""Fields by the names they have in older configs."""


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a config by the names that fields have now."""
    return {FORMER.get(name, name): value for name, value in values.items()}


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of a `DepthRecurrentTransformer`.

    Attributes:
        task: Name of the task whose instances it reads.
        vocabulary: Rows of the token embedding, padding included.
        width: d, width of a state.
        heads: Attention heads; divides the width.
        mlp_width: Width of the MLP's hidden layer.
        attention: "edges": along the instance's edges and self-loops; "full": every token to every token; "none": not
            for this model: tokens are read in turn, a value stands where its last token is (`core.kinds.gru`).
        readout: "pair": MLP over [h(source); h(target)]; "cls": MLP over the answer node; "node": a logit at each node;
            "classes": at each node a logit for each of the task's classes; "offset": the same, but that the readout of
            a node is the log-odds of the class that is asked for;
            "sum": every node adds a number of generations, read as how far within a margin around their sum the asked
            offset lies. The readout gets the asked offset directly, and the states do not see that word.
        activation: Of the MLP.
        position: "rope": rotary positions, rotate-half; "none".
        rope_base: Base of the rotary frequencies.
        identity: "vocabulary": the token embedding names the node; "random": a random vector per node is
            added, drawn anew for every instance while training; "none": nodes have no names.
        depth_embedding: Rows of the learned step embedding, 0 for none; later steps use the last row.
        recall: Whether the embedding is added to the state at every step through a learned map.
        state_norm: Whether the state is layer-normalised after the gated update.
        gate_bias: Initial bias of the update gate (negative: identity-biased); None for no gate.
        layer_scale: Initial LayerScale of both branches; None for none.
        bracket_bias: Whether attention has a learned bias by difference of bracket depth and side (hint "brackets").
        equal_bias: Whether attention has a learned bias on equal tokens, one scalar a head (hint "equal tokens").
        distance_bias: Whether attention has a learned slope over distance on either side, as in ALiBi.
        geometric: Whether full attention goes to the nearest match on one side, half of the heads to the left and half
            to the right, instead of a softmax (`core.nearest_match.geometric_attention`).
        dropout: Probability.
        state_noise: Standard deviation of the noise added to the state after every step while training, so that states
            have to be attractors; needs the state norm.
    """

    task: str
    vocabulary: int
    width: int = 64
    heads: int = 4
    mlp_width: int = 128
    attention: Literal["edges", "full", "none"] = "edges"
    readout: Literal["pair", "cls", "node", "classes", "offset", "sum"] = "node"
    activation: Literal["relu", "gelu"] = "gelu"
    position: Literal["none", "rope"] = "none"
    rope_base: float = 10000.0
    identity: Literal["vocabulary", "random", "none"] = "none"
    depth_embedding: int = 0
    recall: bool = True
    state_norm: bool = True
    gate_bias: float | None = -2.0
    layer_scale: float | None = None
    bracket_bias: bool = False
    equal_bias: bool = False
    distance_bias: bool = False
    geometric: bool = False
    dropout: float = 0.0
    state_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.task not in tasks.names():
            raise InputError(f"config: task should be one of {', '.join(tasks.names())} (got {self.task!r:.40})")
        for name, kind in get_type_hints(ModelConfig).items():
            choices = get_args(kind)
            if choices and isinstance(choices[0], str) and getattr(self, name) not in choices:
                raise InputError(
                    f"config: {name} should be one of {', '.join(choices)} (got {getattr(self, name)!r:.40})"
                )
        for name, most in (("vocabulary", 100_000), ("width", 8192), ("heads", 256), ("mlp_width", 65536)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise InputError(f"config: {name} should be a whole number from 1 to {most} (got {value!r:.40})")
        if self.width % self.heads:
            raise InputError(f"config: width {self.width} is not a multiple of {self.heads} heads")
        if not isinstance(self.depth_embedding, int) or not 0 <= self.depth_embedding <= 100_000:
            raise InputError(f"config: depth_embedding should be a number of rows (got {self.depth_embedding!r:.40})")
        if self.readout in NEEDS and not NEEDS[self.readout](tasks.get(self.task)):
            able = " and ".join(t.words.nouns for t in map(tasks.get, tasks.names()) if NEEDS[self.readout](t))
            raise InputError(f"config: readout {self.readout!r} is for {able}")
        if self.position == "rope" and self.width // self.heads % 2:
            raise InputError(f"config: rotary positions need heads of even width (got {self.width // self.heads})")
        for name in ("recall", "state_norm", "bracket_bias", "equal_bias", "distance_bias", "geometric"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"config: {name} should be true or false (got {getattr(self, name)!r:.40})")
        if self.geometric and (self.attention != "full" or self.heads % 2):
            raise InputError("config: geometric attention is full attention with an even number of heads")
        for name, low, high in (
            ("rope_base", 1.0, 1e9),
            ("dropout", 0.0, 0.99),
            ("state_noise", 0.0, 100.0),
            ("gate_bias", -1e3, 1e3),
            ("layer_scale", -1e3, 1e3),
        ):
            value = getattr(self, name)
            if value is None and name in ("gate_bias", "layer_scale"):
                continue
            if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"config: {name} should be a number from {low:g} to {high:g} (got {value!r:.40})")

    @property
    def interface(self) -> Literal["edges", "tokens"]:
        """How instances are presented: nodes with edges, or tokens."""
        return "edges" if self.attention == "edges" else "tokens"

    @property
    def reads_nodes(self) -> bool:
        """Whether the model says something of every node, not of the answer alone."""
        return self.readout not in ("cls", "sum")

    @property
    def is_local(self) -> bool:
        """Whether attention runs along edges and nothing else: position and brackets say nothing over an edge list."""
        return self.attention == "edges" and self.position == "none" and not (self.bracket_bias or self.distance_bias)

    @property
    def tells_classes(self) -> bool:
        """Whether the model has a logit for each of the task's classes at every node."""
        return self.readout in ("classes", "offset")

    @property
    def hints(self) -> str:
        """What the attention is told of the instance: "none", or any of "edges", "equal tokens", "brackets"."""
        hints = {"edges": self.attention == "edges", "equal tokens": self.equal_bias, "brackets": self.bracket_bias}
        return ", ".join(name for name, given in hints.items() if given) or "none"

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """A configuration from JSON values.

        Raises:
            InputError: If a name is unknown or missing, or a value is not allowed.
        """
        values, known = renamed(values), {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(f"config: unknown field {unknown[0]!r:.80}")
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"config: {error}") from None
