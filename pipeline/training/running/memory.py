"""How much memory a training takes."""

from __future__ import annotations

import sys


def peak_memory() -> int:
    """The most memory that this process has held, in MiB: the GPU's where there is one."""
    import resource

    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() / 2**20)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(held / (2**20 if sys.platform == "darwin" else 2**10))
