"""Attention, influence, cuts and gradients: the figures of each result, and sections on drawn instances."""

from __future__ import annotations

from functools import partial

import numpy as np

from depthscope.core import tasks
from depthscope.figures.instruments import attention as drawing
from depthscope.figures.style.curves import interval, share
from depthscope.probes.instruments.attention import AttentionScores
from depthscope.probes.instruments.highway import HighwayScores
from depthscope.probes.instruments.interaction import InteractionScores
from depthscope.probes.instruments.knockout import KnockoutScores
from depthscope.ui.visit.view import View, trained
from depthscope.ui.widgets.figures import Figures, Picture, headline
from depthscope.ui.work.measure import Section, sections

FIGURES = {"mass": "Mass", "auroc": "AUROC", "rollout_mass": "Rollout, mass", "rollout_auroc": "Rollout, AUROC"}
READ = {
    "mass": "The share of its attention that a node on the path gives to the path, mean over those nodes.",
    "auroc": "The chance that a link on the path has more attention than one off it; .5 is chance level.",
    "rollout_mass": "The share of the answer's state after t steps that comes from the path's other nodes.",
    "rollout_auroc": "The chance that a node on the path has more of that than one off it; .5 is chance level.",
}


def draw(view: View) -> None:
    """The sections."""
    opened = view.checkpoint
    hardest = trained(opened, "difficulty")
    most = f" ({tasks.get(opened.config.task).words.counted(hardest[1])})" if hardest else ""
    note = f"Instances that no training saw, as hard as the hardest trained on{most}, with 95% intervals; those "
    headline("Measured on drawn instances", f"{note}without a path are left out.", 4)
    attention = lambda result: on_path(result, view.trained_steps, *_in_numbers(result))  # noqa: E731
    sections(
        opened,
        [
            Section("attention", "Attention on the path", attention, {"instances": 40}),
            Section("knockout", "Attention taken out", _knockout, {"instances": 40}, note="Half a minute."),
            Section("interaction", "Effective interaction", _interaction, {"instances": 8}),
            Section("highway", "Gradient highway", _highway, {"instances": 8}),
        ],
    )


def on_path(result: AttentionScores, span: tuple[int, int] | None, note: str, rollout_note: str) -> Figures:
    """Attention against the path, step by step and head by head, beside the controls; a note on it and on rollouts."""
    notes = {name: rollout_note if name.startswith("rollout") else note for name in FIGURES}
    over_steps = drawing.path_over_steps
    return Figures(
        {
            name: Picture(
                title, partial(over_steps, getattr(result, name), trained=span), f"{READ[name]} {notes[name]}"
            )
            for name, title in FIGURES.items()
        }
    )


def _in_numbers(result: AttentionScores) -> tuple[str, str]:
    flow = drawing.flow(result)
    instances = f"{result.n} instances with a path, {result.left_out} without."
    return (
        f"{instances} Head {flow.head} gives the path {share(flow.mass)} of a path node's attention, evenly spread it "
        f"would be {share(flow.mass_controls[0])}. {drawing.chance(result)} The shade is the interval of the best "
        "head.",
        f"{instances} After step {result.steps} the mass is {rolled_out(result)}. The shade is the 95% interval.",
    )


def rolled_out(result: AttentionScores) -> str:
    """Mass of the rolled-out attention after the last step, with its controls."""
    mass = result.rollout_mass
    arms = (mass.trained.value, mass.uniform, mass.permuted, mass.untrained)
    value, even, permuted, untrained = (share(x[-1, 0]) for x in arms)
    return f"{value} (spread evenly {even}, permuted {permuted}, untrained {untrained})"


def _knockout(result: KnockoutScores) -> Figures:
    pictures = {"turned": Picture("Answers turned", partial(drawing.answers_turned, result))}
    for name, title, effect in (
        ("cut", "Cut at one step", result.cut),
        ("silence", "Silence at one step", result.silence),
    ):
        if effect.n or name == "silence":
            caption = f"{drawing.needed_at(effect)} The shade is the 95% interval over instances."
            pictures[name] = Picture(title, partial(drawing.moment_of_a_cut, effect), caption)
    effect = result.cut if result.cut.n else result.silence
    uncut = f" {result.left_out} instances had nothing to cut." if result.left_out else ""
    wrong = f" {result.wrong} were answered wrong before." if result.wrong else ""
    how = "Cutting" if result.cut.n else "A cut would leave these nodes nothing to attend to; silencing"
    return Figures(
        pictures,
        f"{how} what the path cannot do without, at all steps, turns {interval(effect.path.flips)} of {effect.n} "
        f"answers; as many like it off the path {interval(effect.off.flips)} of {effect.off.flips.n}, and "
        f"{share(float(effect.untrained.flips))} of an untrained network's own answers.{uncut}{wrong}",
    )


def _interaction(result: InteractionScores) -> Figures:
    pictures = {
        "mass": Picture("Share", partial(drawing.influence_over_steps, result.mass)),
        "auroc": Picture("AUROC", partial(drawing.influence_over_steps, result.auroc)),
        "agreement": Picture("Against rollout", partial(drawing.agreement_over_steps, result)),
        "size": Picture("Memory", partial(drawing.memory_over_steps, result)),
    }
    if np.isnan(result.agreement.value).all():
        pictures.pop("agreement")
    leak = "none of them has any" if result.beyond_max == 0 else f"the largest has {result.beyond_max:.2g}"
    beyond = f" {result.beyond:,} states are too far away to matter: {leak}." if result.beyond else ""
    return Figures(pictures, f"{result.n} instances with a path. {drawing.traced_back(result)}{beyond}")


def _highway(result: HighwayScores) -> Figures:
    left = "; ".join(f"{network.title} {network.factor}" for network in result.networks[:2])
    absent = f" This model has no {', no '.join(result.absent)} to switch off." if result.absent else ""
    return Figures(
        {"highway": Picture("Gradient left over steps", partial(drawing.gradient_over_steps, result))},
        f"One step back leaves this share of the gradient: {left}. {result.n} instances, {result.seeds} untrained "
        f"networks of each kind.{absent}",
    )
