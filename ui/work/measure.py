"""A section for an instrument: what is asked, the work under way, then its figures and its numbers to take away.

Form, command, code and CSV come from the declaration of the instrument; the result is what `depthscope probe NAME`
prints. A section without a figure of its own draws the estimates of the result.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import streamlit as st

from depthscope.core import tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.commands import arguments
from depthscope.core.errors import InputError
from depthscope.core.tasks import concepts
from depthscope.figures.instruments import estimates as drawing
from depthscope.figures.style.csv_text import csv_text
from depthscope.probes import registry
from depthscope.probes.instrument import Instrument
from depthscope.probes.measuring import instances, results
from depthscope.probes.reading import linear_probe
from depthscope.ui.visit import visit
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.visit.view import View
from depthscope.ui.widgets import copy_instance
from depthscope.ui.widgets.figures import Figures, Offer, Picture, card, csv_and_json, draw_figures, question, take_away
from depthscope.ui.widgets.text import plain, whole
from depthscope.ui.work import work as background
from depthscope.ui.work.work import Progress, Work

MAX_INSTANCES = 2000


def difficulties(text: str) -> list[int]:
    """Difficulties such as `1-12,20`, from the least.

    Raises:
        InputError: If the text is no such range.
    """
    try:
        return sorted(arguments.difficulties(text.replace(" ", "").replace("–", "-")))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"The range of difficulty cannot be read: {error}.") from None


@dataclass(frozen=True)
class Source:
    """Instances that are there, in the place of drawn ones.

    Attributes:
        key: Digest of them and of what they are measured with.
        read: Reads them.
        lines: The line of a shell and the lines of Python that measure them as a request says.
        stem: What the names of files say of them.
        offers: What can be downloaded of them.
    """

    key: str
    read: Callable[[], list[Any]]
    lines: Callable[[Request], tuple[str, str]]
    stem: str = ""
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True)
class Request:
    """What one measurement is of.

    Attributes:
        instrument: Its name.
        checkpoint: Name of the checkpoint.
        difficulty: Of the instances, a range as the command line takes it; None for the hardest trained on.
        instances: Of each difficulty; None for as many as the command draws.
        steps: T; None for what the instances need.
        seed: Of the instances and all else.
        options: Of the instrument.
        data: Of drawn instances, "audited" or "paper"; None for what the checkpoint can read.
        source: Instances that are measured in place of drawn ones.
    """

    instrument: str
    checkpoint: str
    difficulty: str | None = None
    instances: int | None = None
    steps: int | None = None
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    data: str | None = None
    source: Source | None = None

    @classmethod
    def of_view(cls, instrument: str, view: View, **options: Any) -> Request:
        """The measurement of the open instance, for as many steps as it is shown for."""
        lines = lambda request: copy_instance.on_instance(view, request.instrument, **request.changes)  # noqa: E731
        offers = (copy_instance.instance_offer(view),)
        source = Source(view.key, lambda: [view.instance], lines, f"{view.key[:8]}-", offers)
        return cls(instrument, view.checkpoint.name, steps=view.trace.steps, options=options, source=source)

    @property
    def kind(self) -> str:
        """What tells its section from others on the page."""
        return self.instrument if self.source is None else f"{self.instrument} here"

    @property
    def stem(self) -> str:
        """What the names of its files begin with."""
        of = "" if self.source is None else self.source.stem
        return re.sub(r"[^\w.-]", "-", f"{self.checkpoint}-{of}{self.instrument}")

    @property
    def levels(self) -> list[int] | None:
        """The difficulties.

        Raises:
            InputError: If the text is no range.
        """
        return None if self.difficulty is None else difficulties(self.difficulty)

    @property
    def count(self) -> int:
        """Instances of each."""
        return self.instances or registry.get(self.instrument).instances

    @property
    def changes(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        defaults = {one.name: one.default for one in fields(registry.get(self.instrument).options)}
        return {name: value for name, value in self.options.items() if value != defaults.get(name)}

    @property
    def lines(self) -> tuple[str, str]:
        """The line of a shell and the lines of Python that measure the same."""
        if self.source is not None:
            return self.source.lines(self)
        levels, data = self.difficulty and self.difficulty.replace(" ", ""), {"data": self.data} if self.data else {}
        settings = {"difficulty": levels, "instances": self.count, "steps": self.steps, **data, **self.changes}
        line = copy_instance.command("probe", self.instrument, self.checkpoint, **settings, seed=self.seed, json=True)
        steps, of_data = {} if self.steps is None else {"steps": self.steps}, copy_instance.arguments(data)
        return line, copy_instance.python(
            ["core.checkpoint", "probes.registry", "probes.measuring.instances"],
            f"opened = checkpoint.load({self.checkpoint!r})",
            f"drawn = instances.draw(opened, {self.levels}, {self.count}{of_data}, seed={self.seed})",
            f"measure = registry.get({self.instrument!r})",
            f"result = measure(opened, drawn, seed={self.seed}{copy_instance.arguments({**steps, **self.changes})})",
            "print(measure.table(result))",
        )


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        instrument: Name of the instrument, and of its page of documentation.
        title: Of the section; None for the name.
        show: The figures of a result; None for its estimates.
        given: What its button measures, fields of a `Request`; None where a person chooses in a form.
        csv: The numbers of a result as a table; None for its estimates.
        unit: What its progress counts.
        instances: Drawn at first, by models over edges and by others; None for as many as the command draws.
        hard: Whether the first difficulty lies beyond the trained ones.
        button: What its button says.
        note: A sentence beside the question, such as how long it takes; plain text.
    """

    instrument: str
    title: str | None = None
    show: Callable[[Any], Figures | None] | None = None
    given: Mapping[str, Any] | None = None
    csv: Callable[[Any], str] | None = None
    unit: str = "parts"
    instances: tuple[int, int] | None = None
    hard: bool = False
    button: str = "Measure"
    note: str = ""

    def first(self, checkpoint: Checkpoint) -> Request:
        """What the form holds before anything was chosen."""
        hardest = concepts.concept_for(checkpoint.config).harder if self.hard else instances.trained(checkpoint)
        count = None if self.instances is None else self.instances[checkpoint.config.attention != "edges"]
        options = {one.name: one.default for one in fields(registry.get(self.instrument).options)}
        first = Request(self.instrument, checkpoint.name, str(hardest), count, options=options)
        return replace(first, instances=first.count)


@dataclass
class Requests:
    """What was last asked for in each form of a visit, by its key."""

    by_form: dict[str, Request] = field(default_factory=dict)


def work_of(request: Request, checkpoint: Checkpoint, unit: str = "parts") -> Work:
    """The work behind a measurement.

    Raises:
        InputError: If the difficulty is no range, or harder than a page draws.
    """
    levels, most, source = request.levels, tasks.get(checkpoint.config.task).most["audited"], request.source
    if levels and levels[-1] > most and request.data is None:
        raise InputError(f"The page draws instances up to difficulty {most} for this task.")
    probe = linear_probe.load(checkpoint) if source is None else None
    stored = () if probe is None else (probe.weight, probe.bias)
    measure = registry.get(request.instrument)

    def run(progress: Progress) -> Iterator[Any]:
        if source is None:
            those = instances.draw(checkpoint, levels, request.count, request.data, request.seed)
        else:
            those = source.read()
        options = dict(request.options)
        yield measure(checkpoint, those, steps=request.steps, seed=request.seed, progress=progress, **options)

    options = tuple((name, str(value)) for name, value in sorted(request.options.items()))
    of = (levels, request.count, request.data, request.seed) if source is None else (source.key, request.seed)
    about = (checkpoint.sha256, *of, request.steps, options)
    return Work(request.kind, fingerprint(request.instrument, *about, *stored), run, unit)


def section(checkpoint: Checkpoint, what: Section, request: Request | None = None, refusal: str | None = None) -> None:
    """Draws a section: why it does not apply, or the form, the work under way, and the result once there is one.

    Args:
        checkpoint: What is measured.
        what: The section.
        request: What its button measures, where the section does not say it.
        refusal: Why there is nothing to measure, plain text.
    """
    measure = registry.get(what.instrument)
    if what.given is not None:
        request = Request(what.instrument, checkpoint.name, **what.given)
    has_form = request is None
    title = what.title or what.instrument.capitalize()
    asks = f"{question(what.instrument) or whole(measure.asks)} {what.note}"
    with card(title, what.instrument, height="content" if has_form else "stretch"), visit.error_box():
        unfit = measure.unfit(checkpoint)
        if unfit is not None:
            st.caption(f"{plain(asks)} It does not apply here: {plain(whole(unfit))}")
            return
        if refusal is not None:
            st.info(plain(refusal))
            return
        if has_form:
            request = _form(checkpoint, what, measure)
        work = None if request is None else work_of(request, checkpoint, what.unit)
        result = None if work is None else background.result(work)
        if request is None or work is None or result is None:
            st.caption(plain(asks))
            if work is not None and not has_form:
                background.offer(work, what.button)
            elif work is not None:
                background.under_way(work)
            return
        figures = (what.show or _estimates)(result)
        if figures is not None:
            draw_figures(figures, request.kind, request.stem)
        offers = csv_and_json(request.stem, lambda: (what.csv or as_csv)(result), lambda: results.dumps(result))
        offers += [] if request.source is None else request.source.offers
        take_away(request.kind, offers, *request.lines, measure.table(result))


def sections(checkpoint: Checkpoint, all_of: Sequence[Section]) -> None:
    """Sections in two columns."""
    for i in range(0, len(all_of), 2):
        for column, what in zip(st.columns(2, gap="small"), all_of[i : i + 2], strict=False):
            with column:
                section(checkpoint, what)


def as_csv(result: Any) -> str:
    """Every estimate of a result, one a line: name, index, value, both ends of its interval, and n."""
    columns = ("name", "index", "value", "low", "high", "n")
    return csv_text(columns, ([row[name] for name in columns] for row in results.estimates(result)))


def _estimates(result: Any) -> Figures | None:
    """One estimate of a result at a time; None where it has none, and its table is shown."""
    named = results.named_estimates(result)
    if not named:
        st.code(result.table(), language=None)
        return None
    name = st.selectbox("Estimate", list(named), key=f"which estimate {type(result).__name__}") or next(iter(named))
    return Figures({name: Picture(name, partial(drawing.estimate, name, named[name]))})


def _form(checkpoint: Checkpoint, what: Section, measure: Instrument) -> Request | None:
    """The form of a section; what was last asked for in it, None before."""
    state, name = st.session_state, f"{what.instrument} {checkpoint.name}"
    latest, first = visit.part(Requests).by_form, what.first(checkpoint)
    shown = latest.get(name, first)
    keys = {x: f"probe {x} {name}" for x in ("difficulty", "instances", "seed")}
    for x, key in keys.items():
        state.setdefault(key, getattr(shown, x))
    inputs = {keyword: (f"option {keyword} {name}", settings) for _, keyword, settings in measure.arguments()}

    def submit() -> None:
        chosen = {x: getattr(first, x) if state.get(key) is None else state[key] for x, key in keys.items()}
        options = {keyword: _value(state.get(key), settings) for keyword, (key, settings) in inputs.items()}
        latest[name] = replace(first, **chosen, options=options)
        try:
            work = work_of(latest[name], checkpoint, what.unit)
        except InputError:
            return  # the coming run says it in the section
        if background.result(work) is None:
            background.start(work)

    with st.form(f"form {name}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            tasks.get(checkpoint.config.task).words.difficulty.capitalize(),
            key=keys["difficulty"],
            help="Such as 5, 1-12 or 1-12,20.",
            width=150,
        )
        st.number_input("Of each", 1, MAX_INSTANCES, key=keys["instances"], width=112)
        st.number_input("Seed", 0, 2**31 - 1, key=keys["seed"], width=104)
        for keyword, (key, settings) in inputs.items():
            _input(keyword, key, settings, shown.options.get(keyword))
        st.form_submit_button("Measure", on_click=submit, key=f"measure {what.instrument}")
    return latest.get(name)


def _input(keyword: str, key: str, settings: Mapping[str, Any], value: Any) -> None:
    """The widget of one option: a choice, a switch, a number or a text; what is left empty takes the default."""
    label, hint = keyword.replace("_", " ").capitalize(), str(settings.get("help", ""))
    if choices := settings.get("choices"):
        index = list(choices).index(value) if value in choices else None
        st.selectbox(label, choices, index, key=key, help=hint, width=150, placeholder="default")
    elif settings.get("action") == "store_true":
        st.checkbox(label, bool(value), key=key, help=hint)
    elif settings.get("type") in (int, float):
        st.number_input(label, value=value, key=key, help=hint, width=112, placeholder="default")
    else:
        text = "" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)
        st.text_input(label, text, key=key, help=hint, width=150, placeholder="default")


def _value(text: Any, settings: Mapping[str, Any]) -> Any:
    """What an option is given for what its widget holds."""
    if text in (None, ""):
        return settings.get("default")
    if not isinstance(text, str) or "choices" in settings:
        return text
    read = settings.get("type", str)
    if settings.get("nargs") or settings.get("action") == "append":
        return [read(word) for word in text.split()]
    return read(text)
