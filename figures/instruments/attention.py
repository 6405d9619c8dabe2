"""Where attention and influence go, drawn over steps beside their controls, and said in a sentence.

Pure functions from the results of `probes.instruments.attention`, `probes.instruments.interaction`,
`probes.instruments.knockout` and `probes.instruments.highway`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from depthscope.core import tasks
from depthscope.figures.style.curves import band, error_bars, estimated, interval, line, shade, share
from depthscope.figures.style.palette import Scheme
from depthscope.figures.style.plotly import BAND, HEIGHT, INK, MAIN, MUTED, Span, colour, figure
from depthscope.probes.instruments import attention, interaction
from depthscope.probes.instruments.attention import AttentionScores
from depthscope.probes.instruments.highway import HighwayScores
from depthscope.probes.instruments.interaction import InteractionScores
from depthscope.probes.instruments.knockout import Effect, KnockoutScores

CLEAR = 0.05
"""By how much a figure has to stand above every control to be called clear in a sentence about one run."""

DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Flow:
    """Attention against the path, as means over steps, in the head that gives the path most.

    Attributes:
        head: That head.
        mass: Share of a path node's attention on the path.
        mass_controls: The same of evenly spread, permuted and untrained attention, of their best heads.
        auroc: Chance that a link on the path has more attention than one off it; NaN where all are on it.
        auroc_controls: The same of evenly spread, permuted and untrained attention, of their best heads.
    """

    head: int
    mass: float
    mass_controls: tuple[float, float, float]
    auroc: float
    auroc_controls: tuple[float, float, float]

    @property
    def on_links(self) -> bool:
        """Whether the path gets more attention than every control would give it."""
        return self.mass - max(self.mass_controls) > CLEAR

    @property
    def on_path(self) -> bool:
        """Whether links on the path, besides, get more than other links do, beyond every control."""
        return self.on_links and self.auroc - max(self.auroc_controls) > CLEAR


def mean_over_steps(values: np.ndarray) -> np.ndarray:
    """Mean over the steps at which a figure is defined, (T, heads) to (heads,); NaN for none."""
    count = np.isfinite(values).sum(0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def best_head(figure_: attention.Figure) -> int:
    """The head that is highest over its steps."""
    means = mean_over_steps(figure_.trained.value)
    return 0 if np.isnan(means).all() else int(np.nanargmax(means))


def flow(result: AttentionScores) -> Flow:
    """Where attention goes, in a few numbers."""
    head = best_head(result.mass)
    at_head = lambda figure_: float(mean_over_steps(figure_.trained.value)[head])  # noqa: E731
    return Flow(head, at_head(result.mass), _controls(result.mass), at_head(result.auroc), _controls(result.auroc))


def _controls(figure_: attention.Figure) -> tuple[float, float, float]:
    """Evenly spread, permuted and untrained attention over its steps, each in its best head; NaN for none."""
    means = [mean_over_steps(x) for x in (figure_.uniform, figure_.permuted, figure_.untrained)]
    even, permuted, untrained = (float(np.nanmax(x)) if np.isfinite(x).any() else np.nan for x in means)
    return even, permuted, untrained


def path_of(instance: Any) -> tuple[str, str]:
    """What the path is called, and what its links are among. Plain text."""
    return tasks.get(instance.task).drawing.path(instance)


def where(result: AttentionScores, instance: Any) -> str:
    """One sentence that says where attention flows in one run, beside evenly spread attention. Plain text."""
    summary, (path, links) = flow(result), path_of(instance)
    head = f"head {summary.head}" if result.mass.trained.shape[1] > 1 else "its one head"
    even = f"evenly spread it would be {share(summary.mass_controls[0])}"
    numbers = f"{head} gives it {share(summary.mass)} of a path node's attention; {even}"
    if np.isnan(summary.auroc):
        return f"Every link lies on {path}: {numbers}."
    if summary.on_path:
        return f"Attention runs along {path}: {numbers}."
    if summary.on_links:
        return f"Attention keeps to {links}, but does not single out {path}: {numbers}."
    return f"Attention does not single out {path}: {numbers}."


def chance(result: AttentionScores) -> str:
    """The other controls of that sentence, and the AUROC with all three. Plain text."""
    summary = flow(result)
    permuted, untrained = map(share, summary.mass_controls[1:])
    text = f"The same weights in a random order give it {permuted}, an untrained network {untrained}."
    if np.isfinite(summary.auroc):
        even, random, start = map(share, summary.auroc_controls)
        text += (
            f" A link on the path has more attention than one off it in {share(summary.auroc)} of the comparisons "
            f"(evenly spread {even}, in a random order {random}, untrained {start})."
        )
    return f"{text} Means over steps 1 to {result.steps}; controls by their best head."


def path_over_steps(figure_: attention.Figure, scheme: Scheme, trained: Span = None) -> go.Figure:
    """A figure of attention and path at every step, a line a head, with all controls and the best head's interval.

    Args:
        figure_: Mass, AUROC, or one of the rollout's.
        scheme: Of the page.
        trained: Fewest and most steps in training, shaded.
    """
    steps, heads = figure_.trained.shape
    t = np.arange(1, steps + 1)
    fig = figure(scheme, height=HEIGHT, x="step", y=figure_.title)
    best = best_head(figure_)
    band(fig, t, figure_.trained.low[:, best], figure_.trained.high[:, best], BAND[scheme])
    for h in range(heads):
        name, hue = (f"head {h}", colour(scheme, h)) if heads > 1 else ("rollout", MAIN[scheme])
        line(fig, t, figure_.trained.value[:, h], name, hue, DASHES[h // 8 % 4], markers=steps == 1)
    most = lambda x: np.where(np.isfinite(x).any(1), np.nanmax(np.where(np.isfinite(x), x, -np.inf), axis=1), np.nan)  # noqa: E731
    suffix = ", best head" if heads > 1 else ""
    line(fig, t, figure_.uniform[:, 0], "spread evenly", INK[scheme], "dot")
    line(fig, t, most(figure_.permuted), f"permuted{suffix}", MUTED[scheme], "dash")
    line(fig, t, most(figure_.untrained), f"untrained{suffix}", MUTED[scheme], "dashdot")
    _finish(fig, scheme, trained, steps, figure_.trained.value, 1)
    return fig


def influence_over_steps(figure_: interaction.Figure, scheme: Scheme) -> go.Figure:
    """Share or AUROC of the effective interaction over s, beside an untrained network's and the rollout's."""
    steps = len(figure_.trained)
    s = np.arange(steps)
    fig = figure(scheme, height=HEIGHT, x="state after step s", y=figure_.title)
    estimated(fig, s, figure_.trained, "effective interaction", MAIN[scheme], scheme, markers=steps == 1)
    if np.isfinite(figure_.rollout).any():
        line(fig, s, figure_.rollout, "rolled-out attention", colour(scheme, 1), "dash")
    line(fig, s, figure_.untrained, "untrained", MUTED[scheme], "dashdot")
    _finish(fig, scheme, None, steps, figure_.trained.value, 0)
    return fig


def agreement_over_steps(result: InteractionScores, scheme: Scheme) -> go.Figure:
    """Rank correlation of effective interaction and rollout over s."""
    s = np.arange(result.steps)
    fig = figure(scheme, height=HEIGHT, x="state after step s", y="rank correlation", legend=False)
    estimated(fig, s, result.agreement, "correlation", MAIN[scheme], scheme)
    fig.add_hline(y=0, line={"color": INK[scheme], "width": 1, "dash": "dot"})
    lowest = float(np.nanmin([0, *result.agreement.value, *result.agreement.low]))
    fig.update_yaxes(range=[max(-1.04, min(-0.3, lowest - 0.1)), 1.04])
    return fig


def memory_over_steps(result: InteractionScores, scheme: Scheme) -> go.Figure:
    """Size of the effective interaction over s, on a logarithmic axis: how much of an earlier state is left."""
    fig = figure(scheme, height=HEIGHT, x="state after step s", y="size of W", legend=False)
    line(fig, np.arange(len(result.size)), result.size, "size", MAIN[scheme], "solid")
    fig.update_yaxes(type="log", exponentformat="power", dtick=1)  # every power of ten, and no digits between
    return fig


def gradient_over_steps(result: HighwayScores, scheme: Scheme) -> go.Figure:
    """How much of the loss's gradient is left t steps before the end, trained and at the start, with mechanisms off."""
    fig = figure(scheme, height=HEIGHT + 40, x="steps before the end", y="log10 of what is left of the gradient")
    back = np.arange(result.steps + 1)
    for k, network in enumerate(result.networks):
        ratio, dash = network.ratio[::-1], ("dashdot", "dash", "dot")[(k - 1) % 3]
        if k == 0:
            estimated(fig, back, ratio, network.title, MAIN[scheme], scheme)
        else:
            line(fig, back, ratio.value, network.title, MUTED[scheme] if k == 1 else colour(scheme, k - 1), dash)
    fig.add_hline(y=0, line={"color": INK[scheme], "width": 1, "dash": "dot"})
    fig.update_layout(legend_traceorder="normal")
    return fig


def answers_turned(result: KnockoutScores, scheme: Scheme) -> go.Figure:
    """Share of answers that turn when attention along the path is taken out at all steps, against links off it."""
    fig = figure(scheme, height=HEIGHT, x="", y="share of answers that turn")
    names = ["cut, the rest renormalised", "silenced, the weight lost"]
    for k, (title, arm) in enumerate((("on the path", "path"), ("as many like it off the path", "off"))):
        flips = [getattr(effect, arm).flips for effect in (result.cut, result.silence)]
        y, low, high = (np.array([getattr(x, end) for x in flips]) for end in ("value", "low", "high"))
        hue = MAIN[scheme] if k == 0 else MUTED[scheme]
        fig.add_bar(
            x=names, y=y, name=title, marker={"color": hue, "pattern": {"shape": ("", "/")[k]}},
            error_y=error_bars(y, low, high, INK[scheme], 4),
            hovertemplate=f"%{{x}}: %{{y:.3f}}<extra>{title}</extra>",
        )  # fmt: skip
    fig.update_layout(barmode="group", bargap=0.4)
    fig.update_xaxes(showgrid=False)
    fig.update_yaxes(range=[0, 1.05])
    return fig


def moment_of_a_cut(effect: Effect, scheme: Scheme) -> go.Figure:
    """Fall of the logit when a link is out at one step alone, by how far that is from the step it is needed at."""
    fig = figure(
        scheme, height=HEIGHT, x="step of the cut, from the one at which the path passes", y="fall of the logit"
    )
    has = effect.delay_late.n > 0
    x = effect.delay[has]
    estimated(fig, x, effect.delay_change[has], "on the path", MAIN[scheme], scheme, markers=len(x) <= 40)
    line(fig, x, effect.delay_off[has].value, "off the path", MUTED[scheme], "dash")
    fig.add_vline(x=0, line={"color": INK[scheme], "width": 1, "dash": "dot"})
    fig.update_layout(legend_traceorder="normal")
    return fig


def _finish(fig: go.Figure, scheme: Scheme, trained: Span, steps: int, values: np.ndarray, first: int) -> None:
    shade(fig, scheme, trained, steps)
    top = float(np.nanmax([1.0, *np.ravel(values)]))
    fig.update_layout(legend_traceorder="normal")
    fig.update_xaxes(range=[first - 0.5, first + steps - 0.5], showgrid=False)
    fig.update_yaxes(range=[0, 1.04 * top])


def needed_at(effect: Effect) -> str:
    """When the answer needs what a cut at one step alone takes out, and how far the control comes. Plain text."""
    has = (effect.delay_late.n > 0) & np.isfinite(effect.delay_change.value)
    if not has.any():
        return "No cut at one step alone could be measured here."
    delay, change, off = effect.delay[has], effect.delay_change.value[has], effect.delay_off.value[has]
    k = int(np.argmax(change))
    passes, away = "the step at which the path passes", abs(int(delay[k]))
    beside = f"{'one step' if away == 1 else f'{away} steps'} {'after' if delay[k] > 0 else 'before'} {passes}"
    when = beside if away else f"at {passes}"
    control = f"{off[k]:.2f}" if np.isfinite(off[k]) else "–"
    text = f"At one step alone the logit falls most, by {change[k]:.2f}, {when} (off the path {control})"
    rest = np.delete(change, k)
    return f"{text}; at any other step by at most {max(0.0, float(rest.max())):.2f}." if len(rest) else f"{text}."


def traced_back(result: InteractionScores) -> str:
    """How much of the answer's dependence lies on the path, with its controls. Plain text."""
    early = result.steps // 2
    mass, area = result.mass, result.auroc
    exact = "exact" if not result.directions else f"from {result.directions} directions, error {result.error:.0%}"
    at = f"Halfway, after step {early}, {interval(mass.trained[early])} of W lies on the path"
    blank = f"untrained {share(mass.untrained[early])}"
    less = f"; AUROC {share(float(area.trained[early]))} (untrained {share(area.untrained[early])})"
    return f"{at} ({blank}){less}. W is {exact}."
