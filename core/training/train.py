"""Training: silent thinking by default, resumable to the bit, stopped at any moment without loss.

Random numbers and the learning rate depend on the number of the batch alone. The whole state of a run (weights,
optimiser, batch number, curriculum, log) is one file that is replaced in one move, so that a killed run goes on from
its last save and ends with the same bytes as one that was never stopped, on the same machine with as many threads.
Beside it `core.training.log` keeps what can be watched; nothing of it is read back.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from tqdm import tqdm

from depthscope.core import STARTED, kinds as adapters, tasks
from depthscope.core.checkpoint import load, save
from depthscope.core.config import ModelConfig, renamed
from depthscope.core.encoding import NOTHING, Lesson
from depthscope.core.errors import InputError
from depthscope.core.files import atomic
from depthscope.core.files.locks import alone_in
from depthscope.core.files.strict_json import plain
from depthscope.core.protocol import steps_of
from depthscope.core.training import log as training_log, overrides, recipes
from depthscope.core.training.batches import Lessons
from depthscope.core.training.recipes import Recipe

STATE = "training.safetensors"
SAVE_SECONDS = 30.0
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What the optimizer keeps of a parameter."""


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        batch: Batches done.
        level: Greatest difficulty at present.
        running: Running accuracy of the answers at that level.
        seconds: Time spent, restarts included.
        log: One entry a validation: batch, seconds since the start of the process, accuracy by difficulty.
    """

    batch: int = 0
    level: int = 0
    running: float = 0.5
    seconds: float = 0.0
    log: list[dict[str, Any]] = field(default_factory=list)


def learning_rate(recipe: Recipe, batch: int) -> float:
    """Learning rate of a batch: a linear rise, then a cosine to zero."""
    rise = recipe.warmup * recipe.batches
    if batch < rise:
        return recipe.learning_rate * min(1.0, (batch + 1) / rise)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (batch - rise) / max(1.0, recipe.batches - rise)))


def _known(lesson: Lesson, t: int) -> Tensor:
    """The nodes that the oracle knows after step t, (B, n) bool."""
    return (lesson.value != NOTHING) & (lesson.known_from <= t)


def _loss_at(recipe: Recipe, lesson: Lesson, t: int, answer: Tensor, node: Tensor | None) -> Tensor:
    """Cross-entropy after step t."""
    loss = F.binary_cross_entropy_with_logits(answer.float(), lesson.label.float())
    if recipe.supervision == "answer" or node is None:
        return loss
    known = _known(lesson, t)
    true = lesson.true_from <= t
    task = tasks.get(recipe.task)
    if recipe.model.tells_classes:
        kind = torch.where(true, lesson.value, task.before) - task.lowest
        each = F.cross_entropy(node[known].float(), kind[known], reduction="none")
        rare = torch.bincount(kind[known])[kind[known]].rsqrt()  # rare classes have to be learned as well
        nodes = (rare * each).sum() / rare.sum()
    else:
        value = torch.where(true, lesson.value, 0)
        nodes = F.binary_cross_entropy_with_logits(node[known].float(), value[known].float())
    weight = task.training.answer_weight
    return nodes + weight * loss if weight else nodes


def loss_and_answer(model: Any, recipe: Recipe, lesson: Lesson, steps: int) -> tuple[Tensor, Tensor]:
    """The loss of one lesson, (1 - alpha) CE(T) + alpha / T * sum of CE(t), and the answers' logits after step T.

    A model with a cost of its own adds it, weighted by the recipe's `ponder`.
    """
    batch = lesson.batch
    context = model.prepare(batch)
    h = model.initial(context)
    everywhere = recipe.supervision == "node"
    total = torch.zeros((), device=h.device)
    answer = torch.empty(0)
    for t in range(1, steps + 1):
        h = model.step(h, t - 1, context)
        if t < steps and recipe.alpha == 0:
            continue
        if not everywhere:
            answer, node = model.answer(h, batch), None
        elif recipe.model.tells_classes:
            answer, node = model.answer(h, batch), model.concept(h, batch)
        else:
            answer, node = model.readout(h, batch)
        loss = _loss_at(recipe, lesson, t, answer, node)
        total = total + recipe.alpha / steps * loss
        if t == steps:
            total = total + (1 - recipe.alpha) * loss
    return total + recipe.ponder * model.penalty(h, batch) if recipe.ponder else total, answer


@torch.inference_mode()
def validate(model: Any, lessons: Lessons, device: str) -> dict[int, float]:
    """Accuracy of the answers by difficulty, T chosen beforehand by the recipe's rule."""
    model.eval()
    out = {}
    for difficulty, lesson in lessons.validation.items():
        right = []
        for rows in torch.arange(len(lesson.label)).split(100):
            part = lesson.take(rows).to(device)
            used = int(part.batch.valid.sum(1).max())
            batch = part.narrow(used).batch
            logits = model(batch, steps_of(model, batch, lessons.validation_steps(difficulty)))[0]
            right.append((logits > 0) == (part.label > 0))
        out[difficulty] = float(torch.cat(right).float().mean())
    model.train()
    return out


class Run:
    """One training run in one folder; `changes` are what the recipe was varied by, and are kept for the card."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        seed: int,
        device: str,
        threads: int,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.changes = dict(changes or {})
        self.recipe, self.out, self.seed, self.device, self.threads = recipe, out, seed, device, threads
        torch.manual_seed(seed)
        self.model = adapters.make(recipe.kind, recipe.model).to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.lessons = Lessons(recipe, seed)
        start = recipe.curriculum.start if recipe.curriculum else recipe.difficulty[1]
        self.progress = Progress(level=start)

    def begin(self) -> None:
        """Takes the weights of the checkpoint that the recipe starts from; those of the readout if it is the same.

        Raises:
            InputError: If it cannot be opened, or is of another kind, task or size.
        """
        if self.recipe.start is None:
            return
        base = load(self.recipe.start, self.device)
        theirs, ours = base.model.state_dict(), self.model.state_dict()
        if base.config.readout != self.recipe.model.readout:
            theirs, ours = ({k: v for k, v in x.items() if not k.startswith("head.")} for x in (theirs, ours))
        start = f"start={self.recipe.start}"
        if (base.kind, base.config.task) != (self.recipe.kind, self.recipe.task):
            raise InputError(f"{start} is of kind {base.kind!r:.80} for {base.config.task}, which this recipe is not")
        for name in sorted(theirs.keys() | ours.keys()):
            there, here = (tuple(x[name].shape) if name in x else "missing" for x in (theirs, ours))
            if there != here:
                raise InputError(f"{start} is not built as this recipe: {name} is {there} there and {here} here")
        self.model.load_state_dict(theirs, strict=False)

    def settings(self) -> dict[str, Any]:
        """What must agree for a run to go on."""
        return plain({"recipe": self.recipe, "seed": self.seed})

    def save_state(self) -> None:
        """Writes the whole state of the run in one move."""
        tensors = {f"model.{k}": v.detach().cpu() for k, v in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{key}.{name}"] = torch.as_tensor(value).detach().cpu()
        meta = {"settings": json.dumps(self.settings()), "progress": json.dumps(asdict(self.progress))}
        meta["digest"] = _digest(tensors, meta)
        atomic.write(self.out / STATE, safetensors.torch.save(tensors, metadata=meta))

    def load_state(self) -> None:
        """Takes up the state of an earlier run.

        Raises:
            InputError: If the file is damaged or of another recipe or seed.
        """
        path = self.out / STATE
        try:
            with safetensors.safe_open(path, "pt") as file:
                meta = file.metadata()
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            if meta.keys() != {"settings", "progress"} and meta["digest"] != _digest(tensors, meta):
                raise ValueError("its digest does not match")  # states of earlier versions have none
            settings = _with_defaults(json.loads(meta["settings"]))
            progress = Progress(**json.loads(meta["progress"]))
        except (safetensors.SafetensorError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise InputError(f"{path} is damaged and cannot be resumed: {error!s:.200}") from None
        if settings != self.settings():
            raise InputError(
                f"{self.out} holds a run of another recipe or seed, or other --set; give --resume the same"
            )
        if not (_sound(progress) and self._fits(tensors)):
            raise InputError(f"{path} is damaged and cannot be resumed: it does not fit its recipe")
        self.progress = progress
        self.model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        for name, parameter in self.model.named_parameters():
            state = {
                key: tensors[f"optimizer.{key}.{name}"].to(self.device)
                for key in MOMENTS
                if f"optimizer.{key}.{name}" in tensors
            }
            if state:
                self.optimizer.state[parameter] = state

    def _fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether tensors are those of this model and its optimizer, parameter by parameter."""
        own = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            if any(f"optimizer.{key}.{name}" in tensors for key in MOMENTS):
                like = {key: torch.zeros(()) if key == "step" else parameter for key in MOMENTS}
                own |= {f"optimizer.{key}.{name}": tensor for key, tensor in like.items()}
        return tensors.keys() == own.keys() and all(
            tensors[name].shape == tensor.shape and tensors[name].dtype == tensor.dtype for name, tensor in own.items()
        )

    def learn(self) -> tuple[float, float]:
        """One batch; returns loss and accuracy of the answers."""
        recipe, progress = self.recipe, self.progress
        lesson, steps, top = self.lessons.draw(progress.batch, progress.level)
        lesson = lesson.to(self.device)
        steps = steps_of(self.model, lesson.batch, steps)
        torch.manual_seed(self.seed * 1_000_003 + progress.batch)  # for dropout
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, progress.batch)
        half = recipe.bfloat16 and (self.device != "cpu" or _cpu_has_bfloat16())
        self.optimizer.zero_grad()
        parts = lesson.parts(recipe.parts) if recipe.parts > 1 else [lesson]
        everywhere = recipe.supervision == "node"
        shares = [int(_known(part, steps).sum()) if everywhere else len(part.label) for part in parts]
        total, right = 0.0, 0
        for part, share in zip(parts, shares, strict=True):
            with torch.autocast(self.device.split(":")[0], torch.bfloat16) if half else nullcontext():
                loss, answer = loss_and_answer(self.model, recipe, part, steps)
            loss = loss * (share / sum(shares))
            loss.backward()
            total, right = total + float(loss.detach()), right + int(((answer > 0) == (part.label > 0)).sum())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimizer.step()
        accuracy = right / len(lesson.label)
        progress.batch += 1
        if recipe.curriculum is not None and top == progress.level:
            rule = recipe.curriculum
            progress.running = rule.memory * progress.running + (1 - rule.memory) * accuracy
            if progress.running > rule.threshold and progress.level < recipe.difficulty[1]:
                progress.level, progress.running = progress.level + 1, 0.5
        return total, accuracy

    def finish(self) -> None:
        """Writes the checkpoint; a finished run leaves no state behind."""
        done = self.progress.batch >= self.recipe.batches
        name = self.out.resolve().name if self.changes else f"{self.recipe.task}-{self.recipe.name}"
        training = {
            "difficulty": list(self.recipe.difficulty),
            "steps": list(self.recipe.steps),
            "data": self.recipe.data,
            "seed": self.seed,
            "batches": self.progress.batch,
            "finished": done,
            "seconds": round(self.progress.seconds, 1),
            "threads": self.threads,
            "machine": _machine(self.device, self.threads),
            "recipe": self.settings()["recipe"],
            "overrides": self.changes,
        }
        metrics = {"validation": self.progress.log}
        save(self.out, self.model, name=name, recipe=self.recipe.name, training=training, metrics=metrics,
             card=card(name, self.recipe, training, self.progress.log))  # fmt: skip
        if done:
            (self.out / STATE).unlink(missing_ok=True)


def _with_defaults(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a run as it would be begun now: what a recipe did not have yet is at its default."""
    recipe, model = settings["recipe"], settings["recipe"]["model"]
    model = {**_defaults(ModelConfig), **renamed(model)}
    return {**settings, "recipe": {**_defaults(Recipe), **recipe, "model": model}}


def _defaults(kind: type) -> dict[str, Any]:
    return plain({f.name: f.default for f in fields(kind) if f.default is not MISSING})


def _digest(tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> str:
    """SHA-256 of the state of a run."""
    parts = [meta["settings"], meta["progress"]]
    digest = hashlib.sha256(json.dumps(parts).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _sound(progress: Progress) -> bool:
    """Whether each field is of its kind."""
    numbers = (progress.running, progress.seconds)
    counts = (progress.batch, progress.level)
    return (
        all(type(n) is int and n >= 0 for n in counts)
        and all(isinstance(x, int | float) and math.isfinite(x) for x in numbers)
        and isinstance(progress.log, list)
        and all(isinstance(entry, dict) and isinstance(entry.get("accuracy"), dict) for entry in progress.log)
    )


@cache
def _cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere autocast would be slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _machine(device: str, threads: int) -> str:
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {threads} thread{'s' if threads > 1 else ''}, torch {torch.__version__}"


def card(name: str, recipe: Recipe, training: dict[str, Any], log: list[dict[str, Any]]) -> str:
    """The checkpoint's README: what it is, how it was made, what it reached."""
    rows = "\n".join(f"| {k} | {v:.3f} |" for k, v in (log[-1]["accuracy"] if log else {}).items())
    changes, batches = training["overrides"], str(training["batches"])
    settings = ", ".join(f"`{text}`" for text in overrides.written(changes))
    if not training["finished"]:
        batches += f" of {recipe.batches}"
    (low, high), (fewest, most) = recipe.difficulty, recipe.steps
    steps = f"T = {fewest}" if fewest == most else f"T drawn from {fewest} to {most} for every batch"
    steps = "one step a token" if recipe.kind == "gru" else steps
    same = f"--seed {training['seed']} --threads {training['threads']}"
    command = f"train {recipe.task} --recipe {recipe.name}{overrides.arguments(changes)} {same}"
    return f"""# {name}

{adapters.TITLES[recipe.kind]} for the {recipe.task} task, recipe `{recipe.name}`\
{f" with {settings}" if settings else ""}, trained on {recipe.data} data of
difficulty {low} to {high} with {steps}, \
{"loss at the last step only" if recipe.alpha == 0 else f"alpha = {recipe.alpha}"}, \
{"on the answer alone" if recipe.supervision == "answer" else "on every node"}\
{f", after `{recipe.start}`" if recipe.start else ""}.

    depthscope {command} --out checkpoints/{name}

Seed {training["seed"]}, {batches} batches of {recipe.batch_size} in {training["seconds"]:.0f} s on \
{training["machine"]}.

Validation on instances that no training saw ({tasks.get(recipe.task).words.validated_on.format(recipe.data)}), \
difficulty and accuracy:

| difficulty | accuracy |
|---|---|
{rows}
"""


def train(
    task: str,
    recipe_name: str,
    out: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str | None = None,
    resume: bool = False,
    max_seconds: float | None = None,
    threads: int | None = None,
    watch: Callable[[Progress], bool] | None = None,
) -> None:
    """Trains a recipe into a folder.

    Args:
        task: Task.
        recipe_name: Recipe.
        out: Folder of the checkpoint.
        changes: What the recipe is varied by, as in `recipes.varied`.
        seed: Of weights, data and steps.
        device: None takes a GPU where there is one.
        resume: Goes on where an earlier run in the folder was stopped.
        max_seconds: Stops, resumably, after so much time.
        threads: Of torch; None takes all cores.
        watch: Called after every batch, in place of the progress bar; true stops the run, resumably.

    Raises:
        InputError: If the recipe is unknown or cannot be varied so, the folder holds something that would be lost or
            another training is at work in it, or it cannot be written.
    """
    recipe = recipes.varied(recipes.get(task, recipe_name), changes or {})
    out = Path(out)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    run = Run(recipe, out, seed, device, torch.get_num_threads(), changes)
    with alone_in(out) as alone:
        if not alone:
            raise InputError(f"another training is at work in {out}; wait for it, or choose another folder")
        if (out / STATE).exists():
            if not resume:
                raise InputError(f"{out} holds an unfinished run; add --resume to go on, or choose another folder")
            run.load_state()
        elif (out / "config.json").exists():
            raise InputError(f"{out} holds a finished checkpoint; choose another folder")
        else:
            run.begin()
        for litter in out.glob(f".*.tmp{Path(STATE).suffix}"):  # of a run that was killed while it saved
            litter.unlink(missing_ok=True)
        atomic.sweep(out)
        _loop(run, max_seconds, watch)


class Stop:
    """Ctrl-C and SIGTERM end the run after the batch in hand; a second one ends it at once.

    Only the main thread hears them; in another thread nothing is ever asked.
    """

    def __enter__(self) -> Stop:
        self.requested = False
        heard = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        self.old = {s: signal.signal(s, self._ask) for s in heard}
        return self

    def _ask(self, number: int, _frame: object) -> None:
        if self.requested:
            signal.signal(number, self.old[signal.Signals(number)])
            signal.raise_signal(number)
        self.requested = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.old.items():
            signal.signal(number, handler)


def _loop(run: Run, max_seconds: float | None, watch: Callable[[Progress], bool] | None) -> None:
    recipe, progress = run.recipe, run.progress
    begun, before = time.monotonic(), progress.seconds
    saved = begun
    started = begun if watch else STARTED  # a worker of a sweep makes many runs
    log = training_log.Writer(run.out, recipe.batches)
    bar = tqdm(total=recipe.batches, initial=progress.batch, desc=f"{recipe.task}-{recipe.name}", file=sys.stderr,
               unit="batch", mininterval=1.0, smoothing=0.05, disable=watch is not None)  # fmt: skip
    run.model.train()
    with Stop() as stop, bar:
        while progress.batch < recipe.batches:
            loss, accuracy = run.learn()
            now = time.monotonic()
            progress.seconds = before + now - begun
            bar.set_postfix(loss=f"{loss:.4f}", accuracy=f"{accuracy:.3f}", level=progress.level, refresh=False)
            bar.update()
            if not math.isfinite(loss):
                raise InputError(
                    f"the loss is {loss} at batch {progress.batch}; the last save in {run.out} is from before"
                )
            log.batch(progress.batch, progress.seconds, loss, accuracy, progress.level)
            if progress.batch % recipe.validate_every == 0 or progress.batch == recipe.batches:
                entry = _log_validation(run, before - started)
                log.validation(progress.log[-1])
                if watch is None:
                    tqdm.write(entry, file=sys.stderr)
            if now - saved > SAVE_SECONDS:
                run.save_state()
                saved = now
            stopped = watch is not None and watch(progress)
            if stopped or stop.requested or (max_seconds is not None and now - begun > max_seconds):
                break
    if progress.batch < recipe.batches:
        run.save_state()
    run.finish()
    if progress.batch < recipe.batches and watch is None:
        print(f"stopped after {progress.batch} of {recipe.batches} batches; go on with --resume", file=sys.stderr)


def _log_validation(run: Run, offset: float) -> str:
    """Validates, adds to the log, and returns the line that says so; seconds are those of the clock plus the offset."""
    accuracy = validate(run.model, run.lessons, run.device)
    entry = {"batch": run.progress.batch, "seconds": round(offset + time.monotonic(), 1), "accuracy": accuracy}
    run.progress.log.append(plain(entry))
    shown = " ".join(f"{k}:{v:.3f}" for k, v in accuracy.items())
    return f"validation batch={entry['batch']} seconds={entry['seconds']} min={min(accuracy.values()):.3f} {shown}"
