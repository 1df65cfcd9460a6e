"""Training on several devices with torchrun: which process this is, and what all must agree on."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

PATIENCE = timedelta(hours=12)
"""How long processes wait for the first one, which may clean data or score candidates for hours; torch's own
ten minutes (NCCL) or thirty (gloo) would end the training."""

Said = TypeVar("Said")


def rank() -> int:
    """This process's number among those that torchrun started; 0 where it did not."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes torchrun started; 1 where it did not."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that writes files and speaks."""
    return rank() == 0


def meet() -> None:
    """Let the processes that torchrun started know one another; nothing where it did not."""
    if world_size() > 1:
        import torch
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def first_says(decide: Callable[[], Said]) -> Said:
    """What the first process decides, told to all; they wait for one another here."""
    if world_size() == 1:
        return decide()
    from torch import distributed

    said: list[Said | None] = [decide() if is_first() else None]
    distributed.broadcast_object_list(said)
    return said[0]  # type: ignore[return-value]  # the first process put it there


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if world_size() > 1:
        from torch import distributed

        distributed.barrier()
