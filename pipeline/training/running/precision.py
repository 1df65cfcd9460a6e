"""Which numbers this machine multiplies fast."""

from __future__ import annotations

from pipeline.training.recipe import Precision


def chosen_precision(asked: Precision) -> Precision:
    """What is trained in: `auto` is bf16 where the hardware multiplies it, else fp32."""
    if asked is not Precision.AUTO:
        return asked
    return Precision.BF16 if multiplies_bf16() else Precision.FP32


def multiplies_bf16() -> bool:
    """Whether the GPU that torch would use, or without one the processor, has bf16 instructions."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def device_name() -> str:
    """The device that torch would train on, for people."""
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"{torch.cpu.get_capabilities().get('cpu_name') or 'CPU'}, {torch.get_num_threads()} threads"
