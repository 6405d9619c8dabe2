"""The list of edits of a visit: its text, and what it means on the open instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from depthscope.core.errors import InputError
from depthscope.probes.editing import language
from depthscope.probes.editing.language import Edit
from depthscope.ui.interventions.examples import Offer
from depthscope.ui.visit.cache import fingerprint
from depthscope.ui.visit.view import View
from depthscope.ui.visit.visit import visit


@dataclass(frozen=True)
class Edits:
    """A list of edits as it was typed, and as it is read.

    Attributes:
        text: One edit a line, or JSON.
        program: The edits; empty where the list has none or cannot be read.
        problem: Why it cannot be read.
    """

    text: str
    program: tuple[Edit, ...] = ()
    problem: str | None = None

    @property
    def texts(self) -> list[str]:
        """As `probes.instruments.do` and its command take them: one text an edit, or JSON whole."""
        if self.text.lstrip().startswith("["):
            return [self.text.strip()]
        return [line.strip() for line in self.text.splitlines() if line.strip()]


def read(text: str, labels: Sequence[str], heads: int, steps: int) -> tuple[Edit, ...]:
    """The edits of a text, checked against a run.

    Raises:
        InputError: If one makes no sense; the message names its line.
    """
    if text.lstrip().startswith("["):
        program = language.loads(text, labels)
        language.check(program, len(labels), heads, steps)
        return tuple(program)
    program = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            edit = language.parse(line.strip(), labels)
            language.check([edit], len(labels), heads, steps)
        except InputError as error:
            raise InputError(f"Line {number}: {error}") from None
        program.append(edit)
    if len(program) > language.MAX_EDITS:
        raise InputError(f"at most {language.MAX_EDITS} edits are made (got {len(program)})")
    return tuple(program)


def of_view(text: str, view: View) -> Edits:
    """A text as it is read on what is open."""
    try:
        heads = view.checkpoint.model.shapes.heads
        return Edits(text, read(text, view.trace.encoding.labels, heads, view.trace.steps))
    except InputError as error:
        return Edits(text, problem=str(error))


def open_edits(view: View, offers: Sequence[Offer]) -> Edits:
    """The list of this visit: what the URL says at its start, then what was made of it; an example at first.

    On another instance an example is that of the same name, and a list that does not fit gives way to the first.
    """
    shown, instance = visit().edits, fingerprint(view.checkpoint.name, view.instance)
    if shown.text is None or shown.instance not in (None, instance):
        _carry_over(view, offers)
    shown.instance = instance
    shown.example = next((offer.title for offer in offers if offer.text == shown.text), None)
    return of_view(shown.text or "", view)


def _carry_over(view: View, offers: Sequence[Offer]) -> None:
    shown = visit().edits
    named = {offer.title: offer.text for offer in offers}
    first = offers[0].text if offers else ""
    if shown.text is None:
        put(first)
    elif shown.example is not None:
        put(named.get(shown.example, first))
    elif of_view(shown.text, view).problem is not None:
        put(first, "The edits before do not fit this instance; here is the first example.")


def put(text: str, note: str | None = None) -> None:
    """Takes another text as the list; for callbacks."""
    visit().edits.text, visit().edits.note = text, note


def append(line: str) -> None:
    """Adds a line to the list; for callbacks."""
    before = (visit().edits.text or "").rstrip()
    put(f"{before}\n{line}" if before else line)


def replace_example(line: str) -> None:
    """Adds a line, or puts it in the place of an example that nobody has changed; for callbacks."""
    if visit().edits.example is not None:
        put(line)
    else:
        append(line)
