"""What was seen while training: a row a step, and a row a point of the dev curve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsearch.index.manifest import replace_file

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """The rows of `history.jsonl`.

    Of a step: `step`, `loss`, `learning_rate`, `seconds`, `padding_share`, and `memory_mib`, the most that
    its process had held. Of a point of the dev curve: `step`, `dev` (nDCG@10 by task) and their `mean`.
    """

    file: Path

    def add(self, row: Row) -> None:
        """Append a row."""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """All rows; a last one that a kill cut short is left out."""
        if not self.file.is_file():
            return []
        lines = self.file.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line]

    def cut_back(self, step: int) -> None:
        """Forget what was seen after a step: it is going to be done again."""
        if self.file.is_file():
            kept = (json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows() if row["step"] <= step)
            replace_file(self.file, "".join(kept).encode())
