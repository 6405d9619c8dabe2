"""The paper's models, written here a second time from their equations, against what is imported from their weights."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depthscope.core import checkpoint
from depthscope.core.cli import main
from depthscope.core.encoding import NEVER, SOURCE, TARGET, Encoding, collate
from depthscope.core.errors import InputError
from depthscope.core.exchange.paper_import import PAPER, import_paper


class Gated(nn.Module):
    """The update gate and the step embedding, which the three models share."""

    def __init__(self, d: int, rows: int) -> None:
        super().__init__()
        self.depth_emb = nn.Embedding(rows, d)
        self.gate_proj = nn.Linear(2 * d, d)

    def mixed(self, new: Tensor, old: Tensor) -> Tensor:
        z = torch.sigmoid(self.gate_proj(torch.cat([new, old], -1)))
        return z * new + (1 - z) * old

    def row(self, t: int) -> Tensor:
        return self.depth_emb.weight[min(t, len(self.depth_emb.weight) - 1)]


class GraphBlock(Gated):
    def __init__(self, d: int, heads: int, ff: int, rows: int) -> None:
        super().__init__(d, rows)
        self.layer = nn.TransformerEncoderLayer(d, heads, ff, 0.1, batch_first=True, norm_first=True)
        self.heads = heads

    def forward(self, h: Tensor, t: int, allowed: Tensor) -> Tensor:
        blocked = torch.zeros(allowed.shape).masked_fill(~allowed, -math.inf).repeat_interleave(self.heads, 0)
        return self.mixed(self.layer(h + self.row(t), src_mask=blocked), h)


class Scale(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(d) + 0.3)


class TokenBlock(Gated):
    def __init__(self, d: int, heads: int, ff: int, rows: int) -> None:
        super().__init__(d, rows)
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.ffn = nn.Sequential(nn.Linear(d, ff), nn.GELU(), nn.Dropout(0.1), nn.Linear(ff, d), nn.Dropout(0.1))
        self.ls1, self.ls2 = Scale(d), Scale(d)

    def attention(self, x: Tensor, pad: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, n, d = x.shape

        def heads(y: Tensor, turn: bool) -> Tensor:
            y = y.view(b, n, self.heads, -1).transpose(1, 2)
            first, second = y.chunk(2, -1)
            turned = torch.cat([first * cos - second * sin, first * sin + second * cos], -1)
            return turned if turn else y

        q, k, v = heads(self.q_proj(x), True), heads(self.k_proj(x), True), heads(self.v_proj(x), False)
        scores = q @ k.transpose(-1, -2) / math.sqrt(d // self.heads)
        weights = scores.masked_fill(pad[:, None, None], -math.inf).softmax(-1)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(b, n, d))

    def forward(self, h: Tensor, t: int, pad: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        u = h + self.row(t)
        y = u + self.ls1.gamma * self.attention(self.norm1(u), pad, cos, sin)
        y = y + self.ls2.gamma * self.ffn(self.norm2(y))
        return self.mixed(y, h)


class Reference(nn.Module):
    """What the three models share: embedding, norm, head."""

    def __init__(self, task: str, d: int, ff: int, rows: int, read: int, block: nn.Module) -> None:
        super().__init__()
        self.token_emb = nn.Embedding(PAPER[task].model.vocabulary, d, padding_idx=0)
        self.emb_norm = nn.LayerNorm(d)
        self.thinking_block = block
        self.head = nn.Sequential(nn.LayerNorm(read), nn.Linear(read, d), nn.GELU(), nn.Dropout(0.1), nn.Linear(d, 1))


class GraphReference(Reference):
    def __init__(self, d: int = 64, ff: int = 96, rows: int = 6) -> None:
        super().__init__("graph", d, ff, rows, 2 * d, GraphBlock(d, d // 32, ff, rows))
        self.source_role_emb, self.target_role_emb = (nn.Parameter(torch.randn(d)) for _ in range(2))

    def forward(self, ids: Tensor, allowed: Tensor, source: Tensor, target: Tensor, steps: int) -> Tensor:
        rows = torch.arange(len(ids))
        e = self.token_emb(ids)
        e[rows, source] = e[rows, source] + self.source_role_emb
        e[rows, target] = e[rows, target] + self.target_role_emb
        h = self.emb_norm(e)
        for t in range(steps):
            h = self.thinking_block(h, t, allowed)
        return self.head(torch.cat([h[rows, source], h[rows, target]], -1))[:, 0]


class Rope(nn.Module):
    inv_freq: Tensor
    cos_cache: Tensor
    sin_cache: Tensor

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.register_buffer("inv_freq", 1.0 / (10000.0 ** (torch.arange(0, width, 2).float() / width)))
        angle = torch.arange(length).float()[:, None] * self.inv_freq[None]
        self.register_buffer("cos_cache", angle.cos())
        self.register_buffer("sin_cache", angle.sin())


class TokenReference(Reference):
    def __init__(self, task: str, d: int = 64, ff: int = 96, rows: int = 6) -> None:
        super().__init__(task, d, ff, rows, d, TokenBlock(d, d // 32, ff, rows))
        self.rope = Rope(32, 128)

    def forward(self, ids: Tensor, steps: int) -> Tensor:
        n = ids.shape[1]
        h = self.emb_norm(self.token_emb(ids))
        for t in range(steps):
            h = self.thinking_block(h, t, ids == 0, self.rope.cos_cache[:n], self.rope.sin_cache[:n])
        return self.head(h[:, 0])[:, 0]


def reference(task: str) -> GraphReference | TokenReference:
    """A model with random weights, none of them at its usual start."""
    model = GraphReference() if task == "graph" else TokenReference(task)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model.eval()


def encoding(ids: np.ndarray, edges: np.ndarray | None, source: int = 0, answer: int = 0) -> Encoding:
    n = len(ids)
    roles = np.zeros(n, dtype=np.int64)
    if edges is not None:
        roles[source] |= SOURCE
        roles[answer] |= TARGET
    never = np.full(n, NEVER)
    labels = tuple(map(str, ids))
    interface = "tokens" if edges is None else "edges"
    return Encoding(interface, labels, ids, roles, edges, answer, source, np.ones(n, np.int8), never, never, never)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(5)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 4, 6, 15])
def test_graph_logits_are_the_papers(tmp_path: Path, steps: int) -> None:
    theirs = reference("graph")
    torch.save(theirs.state_dict(), tmp_path / "graph.pt")
    ours, _ = import_paper(tmp_path / "graph.pt", "graph")
    assert (ours.config.width, ours.config.heads, ours.config.mlp_width, ours.config.depth_embedding) == (64, 2, 96, 6)

    rng = np.random.default_rng(0)
    encodings, n_most = [], 14
    allowed = torch.eye(n_most, dtype=torch.bool).repeat(12, 1, 1)  # the paper's padding attends to itself
    for b in range(12):
        n = int(rng.integers(3, n_most + 1)) if b else n_most
        mask = (rng.random((n, n)) < 0.3) | np.eye(n, dtype=bool)
        source, target = rng.choice(n, 2, replace=False)
        ids = 1 + rng.permutation(26)[:n]
        encodings.append(encoding(ids, np.stack(np.nonzero(mask)), int(source), int(target)))
        allowed[b, :n, :n] = torch.from_numpy(mask)
    batch = collate(encodings)
    with torch.no_grad():
        due = theirs(batch.token_ids, allowed, batch.source, batch.answer, steps)
        got, _ = ours(batch, steps)
        sparse, _ = ours(collate(encodings, sparse=True), steps)
    torch.testing.assert_close(got, due, rtol=0, atol=1e-5)
    torch.testing.assert_close(sparse, due, rtol=0, atol=1e-5)
    assert due.std() > 0.01


@pytest.mark.parametrize("task", ["logic", "text"])
@pytest.mark.parametrize("steps", [1, 4, 6, 20])
def test_token_logits_are_the_papers(tmp_path: Path, task: str, steps: int) -> None:
    theirs = reference(task)
    torch.save(theirs.state_dict(), tmp_path / "model.pt")
    ours, notes = import_paper(tmp_path / "model.pt", task)
    assert (ours.config.task, ours.config.position, ours.config.layer_scale) == (task, "rope", 1e-4)
    assert any("heads" in note for note in notes)

    rng = np.random.default_rng(1)
    rows = [rng.integers(1, PAPER[task].model.vocabulary, n) for n in (100, 3, 17, 60)]
    batch = collate([encoding(row, None) for row in rows])
    with torch.no_grad():
        due = theirs(batch.token_ids, steps)
        got, _ = ours(batch, steps)
    torch.testing.assert_close(got, due, rtol=0, atol=1e-5)
    assert due.std() > 0.01


def test_the_command_makes_a_checkpoint_that_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = reference("logic")
    torch.save(theirs.state_dict(), tmp_path / "logic_model.pt")
    out = tmp_path / "ours"
    assert main(["import", str(tmp_path / "logic_model.pt"), "--task", "logic", "--out", str(out)]) == 0
    opened = checkpoint.load(out)
    assert opened.config.vocabulary == 9
    assert opened.training["difficulty"] == [1, 8]
    assert "parameters" in capsys.readouterr().out
    ours, _ = import_paper(tmp_path / "logic_model.pt", "logic")
    for name, tensor in ours.state_dict().items():
        assert torch.equal(opened.model.state_dict()[name], tensor)


def broken(kind: str, folder: Path) -> tuple[Path, str]:
    """A file that is not the paper's graph model, and the task asked for."""
    file, weights, task = folder / "model.pt", dict(reference("graph").state_dict()), "graph"
    gate = "thinking_block.gate_proj.weight"
    if kind == "missing":
        del weights["head.4.bias"]
    elif kind == "more":
        weights["thinking_block.extra"] = torch.zeros(3)
    elif kind == "shape":
        weights[gate] = weights[gate][:, :-1].clone()
    elif kind == "flat":
        weights["token_emb.weight"] = torch.zeros(27)
    elif kind == "nan":
        weights[gate] = torch.full_like(weights[gate], math.nan)
    elif kind == "integers":
        weights[gate] = weights[gate].long()
    elif kind == "roles":
        weights["source_role_emb"] = torch.zeros(3)
    elif kind == "view":
        weights[gate] = torch.zeros(1).expand(30_000, 30_000)
    elif kind == "vocabulary":
        weights["token_emb.weight"] = torch.zeros(54, 64)
    elif kind == "width":
        weights["token_emb.weight"] = torch.zeros(27, 60)
    elif kind == "task":
        task = "text"
    elif kind == "long":
        weights["x" * 70_000] = torch.zeros(1)
    torch.save(weights, file)
    if kind == "object":
        torch.save({"model": Path("x")}, file)
    elif kind == "list":
        torch.save([torch.zeros(3)], file)
    elif kind == "truncated":
        file.write_bytes(file.read_bytes()[:-1000])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "code":
        torch.save({"a": print}, file)
    elif kind == "bomb":
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("archive/data/999", bytes(300 << 20))
    return file, task


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "lacks 'head.4.bias'"),
        ("more", "'thinking_block.extra'"),
        ("shape", r"\(64, 127\), but \(64, 128\)"),
        ("flat", "should be a matrix"),
        ("nan", "not finite"),
        ("integers", "floating-point"),
        ("roles", "differ in shape"),
        ("view", "more weights than it holds"),
        ("vocabulary", "looks like the text model"),
        ("width", "not a multiple of 32"),
        ("task", "rather a graph model"),
        ("object", "weights alone"),
        ("list", "state dict"),
        ("truncated", "truncated"),
        ("empty", "truncated"),
        ("code", "weights alone"),
        ("long", "no more; their list"),
        ("bomb", "unpacks to more than 256 MB"),
    ],
)
def test_what_is_not_the_papers_gets_one_sentence(tmp_path: Path, kind: str, says: str) -> None:
    file, task = broken(kind, tmp_path)
    with pytest.raises(InputError, match=says) as caught:
        import_paper(file, task)
    assert "\n" not in str(caught.value)


def test_other_rotary_positions_are_refused(tmp_path: Path) -> None:
    weights = reference("logic").state_dict()
    weights["rope.cos_cache"] = (torch.arange(128).float()[:, None] * 100.0 ** (-torch.arange(16) / 16)).cos()
    torch.save(weights, tmp_path / "model.pt")
    with pytest.raises(InputError, match="rotary"):
        import_paper(tmp_path / "model.pt", "logic")
