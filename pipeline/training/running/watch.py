"""Looks on while a trainer steps: notes losses, scores the dev panel, keeps checkpoints, draws the curve."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from medsearch.errors import MedsearchError
from pipeline.training.batching.batches import BatchPlan
from pipeline.training.batching.padding import TokenLengths, padded_tokens
from pipeline.training.job import TrainingJob
from pipeline.training.processes import is_first, wait_for_all
from pipeline.training.running.checkpoints import clear_away, mark_complete
from pipeline.training.running.curve import write_curve
from pipeline.training.running.history import History
from pipeline.training.running.memory import peak_memory

if TYPE_CHECKING:
    from pipeline.training.running.loop import Learner


_SHOWN = 20
"""Steps whose mean loss stands behind the bar."""

_REDRAWN_S = 20.0
"""Seconds after which the page of the curve is drawn again, at the next step."""


@runtime_checkable
class Noting(Protocol):
    """Progress that can show a few words beside how far it is."""

    def note(self, text: str, /) -> None:
        """Show them."""
        ...


class Watch:
    """Hears of every step and every checkpoint, in each process; the first one writes."""

    def __init__(self, job: TrainingJob, learner: Learner, plan: BatchPlan, lengths: TokenLengths) -> None:
        self._job, self._learner, self._plan, self._lengths = job, learner, plan, lengths
        self._history = History(job.folder.history)
        self._every = job.recipe.train.evaluate_every
        self._advance: Callable[[int], None] | None = None
        self._started = perf_counter()
        self._drawable = True
        self._drawn = perf_counter()
        self._losses: deque[float] = deque(maxlen=_SHOWN)

    def begin(self, done: int, advance: Callable[[int], None]) -> None:
        """Training begins after `done` steps, which count as made; the base is scored before the first."""
        self._advance = advance
        advance(done)
        if done:
            self._job.progress.say(f"going on after step {done:,} of {len(self._plan.batches):,}")
        elif is_first():
            self._score(0)
        self._started = perf_counter()

    def stepped(self, step: int, logs: Mapping[str, float]) -> None:
        """A step is made. Its time is from the end of what was done after the last one.

        Raises:
            MedsearchError: its loss is no number.
        """
        seconds = perf_counter() - self._started
        if not isfinite(logs["loss"]):
            raise MedsearchError(
                f"the loss is {logs['loss']} at step {step}: lower train.learning_rate, or set "
                'train.precision to "fp32"'
            )
        if is_first():
            self._note(step, logs, seconds)
            if step % self._every == 0 or step == len(self._plan.batches):
                self._score(step)
            elif perf_counter() - self._drawn >= _REDRAWN_S:
                self.draw(running=True)
        self._losses.append(logs["loss"])
        if isinstance(self._job.progress, Noting):
            self._job.progress.note(f"loss {sum(self._losses) / len(self._losses):.3f}")
        if self._advance is not None:
            self._advance(1)
        self._started = perf_counter()

    def saved(self, step: int) -> None:
        """A checkpoint is written: it counts from now, and old ones go."""
        wait_for_all()  # each process has written its own random state
        if is_first():
            folder = self._job.folder.checkpoints
            mark_complete(folder / f"checkpoint-{step}")
            clear_away(folder, keep=self._job.recipe.train.keep_checkpoints, every=self._every)
        self._started = perf_counter()

    def draw(self, *, running: bool) -> None:
        """Draw the page of the curve; without what draws it, say so once."""
        if not self._drawable:
            return
        name, steps = self._job.recipe.name, len(self._plan.batches)
        try:
            write_curve(self._job.folder.curve, self._history.rows(), name=name, steps=steps, running=running)
        except MedsearchError as error:
            self._drawable = False
            self._job.progress.say(f"{self._job.folder.curve.name} is not drawn: {error}")
        self._drawn = perf_counter()

    def _note(self, step: int, logs: Mapping[str, float], seconds: float) -> None:
        batch, devices = self._plan.batches[step - 1], self._plan.rules.devices
        real, padded = padded_tokens(batch, self._lengths, self._learner.chunks, devices=devices)
        self._history.add(
            {
                "step": step,
                "loss": logs["loss"],
                "learning_rate": logs["learning_rate"],
                "seconds": round(seconds, 4),
                "padding_share": round(1 - real / padded, 4),
                "memory_mib": peak_memory(),
            }
        )

    def _score(self, step: int) -> None:
        import torch

        self._learner.model.eval()
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        # Scoring must not move the random numbers that the next steps draw.
        with torch.random.fork_rng(devices=devices):
            scores = dict(self._learner.score())
        said = f"step {step:,} of {len(self._plan.batches):,}"
        rows = [row for row in self._history.rows() if "loss" in row][-self._every :]
        if rows:
            said += f": loss {sum(row['loss'] for row in rows) / len(rows):.4f}"
        if scores:
            mean = sum(scores.values()) / len(scores)
            self._history.add({"step": step, "dev": scores, "mean": mean})
            said += f"{',' if rows else ':'} dev mean nDCG@10 {100 * mean:.2f}"
        self._job.progress.say(said)
        self.draw(running=True)
