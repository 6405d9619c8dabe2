"""What a readout of a sum counts: how far the sum moves when one fact of a text is turned round.

    python -m benchmarks.tables.turned_facts [CHECKPOINT ...] [--difficulty 3,5,7,9] [--instances 40] ...

In one fact of the paper's texts "parent" is exchanged for "child", or the other way round, and all others stay. The sum
should then move by two generations if the fact joins the two people asked about, and not at all if it is about others;
a model that only counts words moves as far for both. Half of the move is given, as the mean over texts with its 95%
interval (bootstrap over texts).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import networkx as nx
import numpy as np
import torch

from depthscope.core import checkpoint, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.commands.arguments import difficulties, positive
from depthscope.core.encoding import collate
from depthscope.core.errors import InputError
from depthscope.core.tasks.text.instance import TextInstance
from depthscope.probes.instrument import Bench

CHECKPOINTS = ("text-house-sum-on-paper-equal", "text-house-sum-on-paper")


@torch.inference_mode()
def sums(opened: Checkpoint, texts: Sequence[TextInstance], steps: int) -> np.ndarray:
    """Generations that the words of each text add up to after T steps, (n,)."""
    model = opened.model
    batch = collate([tasks.get("text").encode(x, opened.config) for x in texts])
    context = model.prepare(batch)
    state = model.initial(context)
    for t in range(steps):
        state = model.step(state, t, context)
    return (model.head(state)[..., 0] * batch.valid).sum(-1).numpy()


def worth(opened: Checkpoint, text: TextInstance, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Generations that each fact with a direction is worth, and whether it joins the two people, (k,) each."""
    joined = nx.node_connected_component(nx.Graph(text.facts[:, [0, 2]].tolist()), text.query[0])
    which = np.flatnonzero(text.facts[:, 1])
    turned = [text]
    for f in which:
        facts = text.facts.copy()
        facts[f, 1] *= -1
        turned.append(replace(text, facts=facts))
    said = sums(opened, turned, steps)
    return (said[0] - said[1:]) / 2 * text.facts[which, 1], np.array([text.facts[f, 0] in joined for f in which], bool)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkpoints", nargs="*", default=CHECKPOINTS, metavar="CHECKPOINT")
    parser.add_argument("--difficulty", type=difficulties, default=[3, 5, 7, 9])
    parser.add_argument("--instances", type=positive, default=40, help="texts of each length (default 40)")
    parser.add_argument("--steps", type=positive, default=8, metavar="T")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for name in args.checkpoints:
        opened = checkpoint.load(name)
        if opened.config.readout != "sum":
            raise InputError(f"{name} reads out {opened.config.readout!r} and no sum")
        print(f"{name}: generations that a fact is worth after {args.steps} steps, {args.instances} texts each")
        for difficulty in args.difficulty:
            texts = tasks.get("text").generate(difficulty, args.instances, data="paper", seed=args.seed)
            each = [worth(opened, text, args.steps) for text in texts]
            values = np.concatenate([generations for generations, _ in each])
            on_chain = np.concatenate([on for _, on in each])
            group = np.repeat(np.arange(len(each)), [len(on) for _, on in each])
            kinds = np.stack([np.where(on_chain, values, np.nan), np.where(on_chain, np.nan, values)])
            on, apart = Bench.of(opened, texts, args.steps, args.seed).mean(kinds, group)
            print(f"  {difficulty:>3} facts: on the chain {on}, apart {apart}")


if __name__ == "__main__":
    main()
