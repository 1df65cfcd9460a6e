"""A trainer of sentence-transformers that takes its batches from a plan; imported only for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, Dataset
from transformers import PrinterCallback

from pipeline.training.batching.batches import BatchPlan
from pipeline.training.job import TrainingExample, TrainingSource
from pipeline.training.running.watch import Watch

if TYPE_CHECKING:
    from pipeline.training.running.loop import Learner


class Rows(Dataset[TrainingExample]):
    """The rows of all sources in order; an item is a row with as many of its negatives as asked for."""

    def __init__(self, sources: Sequence[TrainingSource]) -> None:
        self._rows = [row for source in sources for row in source.rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item: tuple[int, int]) -> TrainingExample:
        number, negatives = item
        row = self._rows[number]
        return TrainingExample(row.query, row.positive, row.negatives[:negatives])


class PlannedBatches:
    """The plan as a batch sampler of torch: a batch for each device in turn.

    It names no batch size: else accelerate takes every smaller batch for the end and leaves it out.
    """

    batch_size = None
    drop_last = False

    def __init__(self, plan: BatchPlan) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan.batches) * self._plan.rules.devices

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self._plan.of_device()


def resumable(
    learner: Learner, arguments: Any, plan: BatchPlan, sources: Sequence[TrainingSource], watch: Watch
) -> Any:
    """The learner's trainer, fed by the plan and watched; it writes no model cards."""

    class Trainer(learner.trainer):  # type: ignore[misc, name-defined]  # the class comes with the learner
        def add_model_card_callback(self, _: dict[str, Any]) -> None:
            """None: the card is written once, by what knows all about the model."""

        def get_train_dataloader(self) -> DataLoader[TrainingExample]:
            self.accelerator.even_batches = False  # the plan has as many batches for each device
            loader: DataLoader[TrainingExample] = self.accelerator.prepare(
                DataLoader(
                    Rows(sources),
                    batch_sampler=PlannedBatches(plan),
                    collate_fn=learner.collate,
                    pin_memory=arguments.dataloader_pin_memory,
                )
            )
            return loader

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            super().log(logs, start_time)
            if "loss" in logs:  # and not the totals at the end
                watch.stepped(self.state.global_step, logs)

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            super()._save_checkpoint(model, trial)
            watch.saved(self.state.global_step)

        def _save(self, output_dir: str, _: Any = None) -> None:
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            self.model.save_pretrained(output_dir, create_model_card=False)

    trainer = Trainer(model=learner.model, args=arguments, loss=learner.loss, data_collator=learner.collate)
    trainer.remove_callback(PrinterCallback)
    return trainer
