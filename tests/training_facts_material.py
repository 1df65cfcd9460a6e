"""What training would have measured of a small model, by hand."""

from __future__ import annotations

from medsearch.evaluation.training_facts import (
    CandidateFacts,
    DataFacts,
    ExportFacts,
    GuardFacts,
    LengthFacts,
    SelectionFacts,
    TrainingFacts,
)
from medsearch.evaluation.verdicts import Outcome

DEV = {"a:dev": 0.70, "b:dev": 0.80}


def some_facts(model: str = "medsearch-minilm", **changes: object) -> TrainingFacts:
    """A model that was chosen among two, a little worse outside medicine; `changes` replace fields."""
    half = {"a:dev": 0.74, "b:dev": 0.85}
    values: dict[str, object] = {
        "model": model,
        "kind": "dense",
        "recipe": {"train": {"batch": 64}, "loss": {"matryoshka": [384, 64]}, "lora": None},
        "steps": 400,
        "data": (DataFacts(name="notes", rows=1_234, weight=2.0, licences={"CC BY": 1_200, "": 34}),),
        "training": {"seconds": 60.0},
        "selection": SelectionFacts(
            suite="medical-dev",
            rule="highest mean",
            base=CandidateFacts(name="base", base_share=1.0, dev=DEV, guard={"trivia": 0.712}),
            candidates=(
                CandidateFacts(name="last", base_share=0.0, dev=DEV, guard={"trivia": 0.6}),
                CandidateFacts(name="last-base-0.5", base_share=0.5, dev=half, guard={"trivia": 0.701}),
            ),
            chosen="last-base-0.5",
            queries={"a:dev": 200, "b:dev": 24},
            documents={"a:dev": 1_000, "b:dev": 937},
            guard_packages={"numpy": "2.4.6", "chatterbot-corpus": "1.3.3"},
        ),
        "guard": (
            GuardFacts(
                task="general questions", queries=150, base=0.712, tuned=0.701, p_holm=0.01,
                outcome=Outcome.WORSE,
            ),
            GuardFacts(
                task="mean", queries=300, base=0.6, tuned=0.6, p_holm=1.0, outcome=Outcome.NOT_DISTINGUISHABLE
            ),
        ),
        "lengths": (LengthFacts(dim=384, dev=half), LengthFacts(dim=64, dev=DEV)),
        "exports": (
            ExportFacts(
                file="onnx/model_int8.onnx", bytes=23 * 2**20, texts=300, cosine_min=0.98765,
                cosine_mean=0.99432, dev=DEV,
            ),
        ),
    }  # fmt: skip
    return TrainingFacts.model_validate({**values, **changes})
