"""Opening a checkpoint of one's own: as a zip, as its files, as a `.pt` of the paper's code, or from the hub.

Uploads are taken in whole or not at all; what was open stays open. No name that comes with one opens a path here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from depthscope.core import tasks
from depthscope.core.checkpoint import CARD, CONFIG, HUB_ID, METRICS, PROBES, WEIGHTS
from depthscope.core.errors import InputError
from depthscope.core.exchange import bundle
from depthscope.core.exchange.paper_import import convert, task_of
from depthscope.core.files import atomic, hub
from depthscope.core.training.log import LOG
from depthscope.ui.shell import startup
from depthscope.ui.visit import uploads, visit
from depthscope.ui.visit.uploads import Upload
from depthscope.ui.widgets.text import plain

MAX_UPLOAD_MB = 64
MAX_FILES = 8
MAX_HUB_ID = 96
PAPER = (".pt", ".pth")


@dataclass
class Outcome:
    """Name of the checkpoint that was opened last."""

    name: str | None = None


def draw() -> None:
    """The two ways to bring one along, and what came of the last."""
    if startup.read_only():
        with st.container(border=True):
            _files()
    else:
        left, right = st.columns([3, 2], gap="small")
        with left, st.container(border=True, height="stretch"):
            _files()
        with right, st.container(border=True, height="stretch"):
            _hub()
    _outcome()


def _files() -> None:
    def submit() -> None:
        state = st.session_state
        files = [(file.name, file.getvalue()) for file in state["checkpoint files_widget"] or []]
        _take_in(lambda: from_files(files, state.get("checkpoint task_widget")))

    st.markdown("**From files**")
    with st.form("checkpoint_files", clear_on_submit=True, border=False):
        st.file_uploader(
            "A zip of a checkpoint, its files, or a .pt of the paper's code; they stay on this machine",
            type=["zip", "safetensors", "json", "jsonl", "md", *(ending[1:] for ending in PAPER)],
            accept_multiple_files=True,
            key="checkpoint files_widget",
            max_upload_size=MAX_UPLOAD_MB,
        )
        with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
            st.segmented_control(
                "Task of a .pt", tasks.BUILT_IN, key="checkpoint task_widget",
                format_func=lambda task: tasks.get(task).words.nouns.capitalize(),
                help="Left open, it is read off the weights: each task of the paper has its own number of tokens.",
            )  # fmt: skip
            st.form_submit_button("Open", on_click=submit, type="primary")
    st.caption(
        f"Required are `{CONFIG}` and `{WEIGHTS}`; optional are `{METRICS}`, `{CARD}`, `{PROBES[0]}`, `{PROBES[1]}` "
        f"and `{LOG}`. At most {MAX_UPLOAD_MB} MB a file. A `.pt` is read as weights alone, never as Python."
    )


def _hub() -> None:
    def submit() -> None:
        name = (st.session_state["checkpoint hub_widget"] or "").strip()
        _take_in(lambda: from_hub(name))

    st.markdown("**From the Hugging Face hub**")
    with st.form("checkpoint_hub", border=False):
        st.text_input("Repository", placeholder="owner/name", key="checkpoint hub_widget", max_chars=MAX_HUB_ID)
        st.form_submit_button("Fetch", on_click=submit)
    st.caption(
        "The one thing on these pages that asks the network, and only when you press the button: for "
        f"`{CONFIG}` and `{WEIGHTS}` of this repository, in the layout that `push_to_hub` writes."
    )


def _take_in(make: Callable[[], Upload]) -> None:
    """Takes one in; for callbacks."""
    visit.part(Outcome).name = None
    with visit.attempt("upload"), st.spinner("Opening the checkpoint …"):
        visit.part(Outcome).name = make().name


def _outcome() -> None:
    visit.failure("upload", "It was not opened: ")
    name = visit.part(Outcome).name
    if name is not None and name in [upload.name for upload in uploads.mine()]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(f"{plain(name)} is open to every page of this visit.")
            if st.button(
                "Open it in Trace", on_click=visit.choose_checkpoint, args=(name,), key="open taken", type="primary"
            ):
                st.switch_page("pages/trace.py")


def from_files(files: Sequence[tuple[str, bytes]], task: str | None) -> Upload:
    """Takes in a checkpoint from uploaded files.

    Args:
        files: Name and content of each.
        task: Task of a `.pt`; None to read it off the weights.

    Raises:
        InputError: If they are not one whole checkpoint; the message names the file, and the tensor or field.
    """
    if not files:
        raise InputError("choose its files first")
    if len(files) > MAX_FILES:
        raise InputError(f"these are {len(files)} files; a checkpoint has at most {len(bundle.FILES)}")
    name, content = files[0]
    stem = Path(name.replace("\\", "/")).stem
    packed = [given for given, _ in files if given.lower().endswith((".zip", *PAPER))]
    if packed and len(files) > 1:
        raise InputError(f"{packed[0]!r:.80} comes alone; these are {len(files)} files")
    if name.lower().endswith(PAPER):
        return uploads.add(from_paper(content, task, name), stem, "imported")
    contents = bundle.unpack(content) if packed else bundle.gather(files)
    weights = next((given for given, _ in files if given.endswith(".safetensors")), name)
    title = bundle.name_in(contents) or (stem if packed else Path(weights).stem)
    return uploads.add(contents, title, "uploaded")


def from_paper(content: bytes, task: str | None, name: str) -> dict[str, bytes]:
    """The files of a checkpoint made of a `.pt` in the paper's format.

    Args:
        content: Of the `.pt`.
        task: Its task; None to read it off the weights.
        name: Its name, only ever shown.

    Raises:
        InputError: If it is no such file, or one of another task.
    """
    called = bundle.sanitised(Path(name.replace("\\", "/")).stem)
    with atomic.written("the upload"), tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / f"{called}.pt", Path(folder) / called
        file.write_bytes(content)
        try:
            convert(file, task or task_of(file), out, called)
        except InputError as error:
            raise InputError(str(error).replace(f"{folder}/", "")) from None
        return bundle.read(out)


def from_hub(name: str) -> Upload:
    """Takes in a checkpoint from a repository on the hub, never from a path.

    Raises:
        InputError: If this is no id of a repository, or it cannot be had.
    """
    if len(name) > MAX_HUB_ID or not HUB_ID.fullmatch(name) or ".." in name:
        raise InputError(f"a repository on the hub is called owner/name (got {name!r:.60})")
    folder = hub.download(name, (CONFIG, WEIGHTS), (METRICS, CARD, *PROBES), max_bytes=bundle.MAX_BYTES)
    files = bundle.read(folder)
    return uploads.add(files, bundle.name_in(files) or name.partition("/")[2], "from the hub")
