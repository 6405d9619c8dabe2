"""What is fuzzed: each parser with samples by the project's own writers and the words of its format."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.robustness.fuzz import files, graphs
from benchmarks.robustness.fuzz.damage import text
from benchmarks.robustness.fuzz.parser import Parser, solved
from depthscope.core import tasks
from depthscope.core.commands.generate import described
from depthscope.core.files.strict_json import dumps
from depthscope.core.tasks import many as lines, read as inputs
from depthscope.core.training import overrides


def parsers() -> dict[str, Parser]:
    """All of them, by name."""
    return {p.name: p for p in (*graphs.parsers(), *_tasks(), *_many(), *_words(), *_session(), *files.parsers())}


# formulas and texts

LOGIC = [b"(T & F) | !T", b"x -> y <=> !z\nx=1, y=T; z = false", "¬a ∧ b ⊕ c ∨ T where a = 0, b = 1, c = 1".encode()]
TEXT = [
    b"Ada is the parent of Bea. Bea is the parent of Cy.\nquery: Ada is the grandparent of Cy\n",
    b"A is the child of B . C is the sibling of B. Is A the child of C?",
    b"Mary Ann is the parent of Tom.\nIs Mary Ann the great-great-grandparent of Tom?\n# c\n",
]
TEXT_WORDS = ["great-" * 14, "uncle", "[CLS]", "[SEP]", "great-grandparent", "A is the parent of B."]
LOGIC_WORDS = ["and", "or", "xor", "not", "=>", "&&", "||", "~", "#", "where"]


def _tasks() -> list[Parser]:
    def parser(name: str, task: Any, own: list[bytes], words: list[str]) -> Parser:
        def samples() -> list[bytes]:
            return [*own, *(task.render(x).encode() for d in (2, 5) for x in task.generate(d, 2, seed=1))]

        return Parser(name, lambda data: solved(task.parse(data)), samples, partial(text, also=words))

    return [
        parser("formula", tasks.get("logic"), LOGIC, LOGIC_WORDS),
        parser("text", tasks.get("text"), TEXT, TEXT_WORDS),
    ]


# many instances in one file


MOST_INSTANCES = 1000
"""That a page takes from one file."""


def _many() -> list[Parser]:
    def samples() -> list[bytes]:
        each = ((tasks.get(name), tasks.get(name).generate(3, 3, seed=2)) for name in ("graph", "logic", "text"))
        return ["\n".join(dumps(described(task, x)) for x in instances).encode() for task, instances in each]

    def read(data: bytes, name: str) -> object:
        content = inputs.decode(data, name)
        lines.is_table(content)
        result = lines.entries(content, name)
        content = "\n".join(dumps(vars(entry)) for entry in result[:MOST_INSTANCES])
        return [solved(instance) for _, instance in lines.read(_task_of(data), content, "x.jsonl")]

    tables = [
        b'input,source,target\n"A B\nB C",A,C\n"A B",,\n',
        b"input,label\n(T & F),0\nT,1\n",
        b"input\n" + TEXT[0].replace(b"\n", b" ") + b"\n",
    ]
    return [
        Parser("lines of JSON", partial(read, name="x.jsonl"), samples, partial(text, also=['"target": 3', "null"])),
        Parser("table of instances", partial(read, name="x.csv"), lambda: tables, partial(text, also=["\r", "\t"])),
    ]


def _task_of(data: bytes) -> str:
    """The task that a file of lines is read for: by a word in it, so that each is met."""
    return "text" if b" is the " in data else "logic" if any(x in data for x in (b"&", b"T,", b"!")) else "graph"


# what a person types or passes on


def _words() -> list[Parser]:
    from depthscope.probes.editing import language as edits

    samples = [
        b"zero t=3 node=5,6\nnoise t=3 node=5 amount=.5 seed=3\nswap t=3 node=5,6",
        b"patch t=3 parts=state,mask,input\nrepeat t=3 amount=2\ngate t=3.. node=A amount=.1",
        b"cut t=4..6 edge=A<1 head=0\nsilence t=4 edge=#5<2\nadd t=3 node='a b' amount=2 direction=probe",
    ]
    rows = [edit for sample in samples for edit in edits.loads(sample.decode(), LABELS)]
    samples += [edits.dumps([edit]).encode() for edit in rows]

    def read(data: bytes) -> object:
        result = edits.loads(data.decode("utf-8", "replace"), LABELS)
        edits.check(result, len(LABELS), 4, 40)
        return [edits.parse(edits.written(edit, LABELS), LABELS) for edit in result]

    settings = [b"alpha=1", b"model.gate_bias=null", b"difficulty=[1, 5]", b"model.position=rope", b"batches=400"]
    return [
        Parser("edits", read, lambda: samples, partial(text, also=edits.KINDS)),
        Parser("settings of a recipe", _set, lambda: settings, partial(text, also=["curriculum.start", "steps"])),
        _plan(),
    ]


LABELS = ("A", "B", "B", "a b", "1", "e,f", "#2", "(", "x<y", "é")


def _set(data: bytes) -> object:
    from depthscope.core.training import recipes

    field, value = overrides.assignment(data.decode("utf-8", "replace"))
    return recipes.varied(recipes.get("graph", "house"), {field: value})


def _plan() -> Parser:
    from depthscope.core.sweeps.plan import read_plan

    root = Path(__file__).parents[2] / "plans"
    samples = [path.read_bytes() for path in sorted(root.glob("*.toml"))]
    run = {"task": "graph", "recipe": "house", "seeds": [0, 1], "measure": False, "set": {"batches": 3}}
    samples.append(json.dumps({"runs": [{**run, "name": "a"}, {**run, "variants": {"b": {}}}]}).encode())

    def read(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / ("plan.json" if data.lstrip()[:1] in (b"{", b"[") else "plan.toml")
            path.write_bytes(data)
            return read_plan(path)

    return Parser("plan of a sweep", read, lambda: samples)


def _session() -> list[Parser]:
    from depthscope.ui.visit.address import TWIN, Address, Example, Generated, UserInput, from_query, to_query
    from depthscope.ui.visit.session_file import dump, load

    chosen = [
        Address("graph-house", Example("a"), "A", "B", 12, "graph-paper", TWIN),
        Address("graph-house", Generated(12, "paper", 3, 0), beside=UserInput(b"T & F", "x.txt")),
        Address("logic-house-tree", UserInput(b"A B\nB C\n", "x.csv", "table")),
        Address("graph-house", UserInput(bytes(range(256)) * 20, "x.npy")),
    ]
    samples = [dump(address).encode() for address in chosen]
    links = [json.dumps(to_query(address)).encode() for address in chosen]

    def first(name: str | None) -> Address:
        return chosen[0] if name is None else Address(name, Example(name))

    def link(data: bytes) -> object:
        """Parameters of a URL, which are text by text, from JSON."""
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            value = {"text": data.decode("utf-8", "replace")}
        query = {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {"checkpoint": str(value)}
        address = from_query(query, first, lambda _: b"A B")
        return from_query(to_query(address), first, lambda _: b"A B")

    return [
        Parser("session file", lambda data: load(data, first), lambda: samples),
        Parser("link", link, lambda: links, partial(text, also=["twin", "beside-", "-1"])),
    ]
