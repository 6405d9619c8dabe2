"""`exit`: how few steps are enough, if a rule says when to stop."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from core.commands.arguments import difficulties, positive

if TYPE_CHECKING:
    from probes.exit_rules import ExitCurve, ExitScores

NAME, SUMMARY = "exit", "accuracy against mean steps of rules that say when to stop"

SHOWN = 8
"""Thresholds of a rule in the table; --json has them all."""


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--difficulty", type=difficulties, help="such as 1-12 (default: to twice the trained)")
    asked.add_argument("--input", metavar="FILE.jsonl", help="your own instances, one a line as for `trace`")
    parser.add_argument("--steps", type=positive, metavar="T", help="default: what the greatest difficulty needs")
    parser.add_argument("--instances", type=positive, default=200, help="for each difficulty (default 200)")
    parser.add_argument("--data", choices=("paper", "audited"), default="audited", help="default audited")


def run(args: argparse.Namespace) -> None:
    """Measures, then prints a table or JSON."""
    from tqdm import tqdm

    from core import checkpoint, frontier, inputs, lines, trace
    from core.plain import dumps
    from probes import exit_rules

    opened = checkpoint.load(args.checkpoint, args.device)
    if args.input is not None:
        text = inputs.decode(inputs.read(args.input), args.input)
        groups = frontier.grouped(lines.measurable(opened.config, text, args.input))
        total, of = sum(len(group) for _, group in groups), {"input": args.input}
        steps = args.steps or max(trace.default_steps(opened, instance) for _, group in groups for instance in group)
    else:
        asked = args.difficulty or frontier.default_difficulties(opened)
        groups = frontier.drawn(opened, asked, args.instances, args.data, args.seed)
        total, of = args.instances * len(asked), {"data": args.data}
        steps = args.steps or frontier.default_steps(opened, max(asked), data=args.data)
    with tqdm(total=total, unit="instance", disable=None) as bar:

        def progress(done: int) -> None:
            bar.update(done - bar.n)

        scores = exit_rules.measure(opened, groups, steps, args.seed, progress)
    print(dumps({**vars(scores), **of, "seed": args.seed}) if args.json else table(scores))


def table(scores: ExitScores) -> str:
    """Each rule at some of its thresholds, the control beside it."""
    hard = ", ".join("none" if d is None else str(d) for d in scores.difficulty)
    head = f"{scores.checkpoint}: {scores.n} instances of difficulty {hard}, at most {scores.max_steps} steps"
    curves = (*scores.rules.values(), scores.fixed, scores.oracle)
    return "\n\n".join([head, *(_block(curve) for curve in curves)])


def _block(curve: ExitCurve) -> str:
    lines = [curve.title, f"{'threshold':>12}{'mean steps':>24}{'accuracy':>22}{'random exits':>14}{'gain':>18}"]
    shown = np.unique(np.linspace(0, len(curve.threshold) - 1, SHOWN).round().astype(int))
    for k in shown:
        threshold = "" if np.isnan(curve.threshold[k]) else f"{curve.threshold[k]:.3g}"
        steps = f"{curve.steps[k]:.2f} [{curve.steps_low[k]:.2f}, {curve.steps_high[k]:.2f}]"
        accuracy = f"{curve.accuracy[k]:.3f} [{curve.low[k]:.3f}, {curve.high[k]:.3f}]"
        gain = f"[{curve.gain_low[k]:+.3f}, {curve.gain_high[k]:+.3f}]"
        lines.append(f"{threshold:>12}{steps:>24}{accuracy:>22}{curve.control[k]:14.3f}{gain:>18}")
    return "\n".join(lines)
