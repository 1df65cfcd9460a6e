"""A tiny BERT with random weights and a WordPiece tokenizer, as a sentence-transformers folder.

Small enough for unit tests, and real in all that matters to them: config, safetensors, tokenizer and module
files have the layout of the BGE models.
"""

from __future__ import annotations

import json
from pathlib import Path

WORDS = [
    "the",
    "a",
    "of",
    "in",
    "with",
    "and",
    "for",
    "is",
    "are",
    "was",
    "pain",
    "chest",
    "after",
    "eating",
    "heart",
    "attack",
    "fever",
    "cough",
    "child",
    "adult",
    "dose",
    "drug",
    "blood",
    "pressure",
    "high",
    "low",
    "treatment",
    "what",
    "symptoms",
    "represent",
    "this",
    "sentence",
    "searching",
    "relevant",
    "passages",
    ":",
]
DIM = 32
MAX_TOKENS = 64


def make_tiny_bert(
    folder: Path, *, pooling: str = "cls", max_tokens: int = MAX_TOKENS, seed: int = 0
) -> Path:
    """Write the model into `folder` and return it.

    The vocabulary has `WORDS`, single letters and digits (as word starts and continuations), so that any text
    in lower or upper case is split without unknown tokens.
    """
    import torch
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _vocabulary()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=max_tokens,
        # A larger spread than BERT's 0.02, so that texts get clearly different vectors.
        initializer_range=0.5,
    )
    BertModel(config).eval().save_pretrained(folder)
    _write_tokenizer(folder, vocabulary, max_tokens)
    _write_modules(folder, pooling, max_tokens)
    return folder


def _vocabulary() -> dict[str, int]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *letters,
        *(f"##{sign}" for sign in letters),
    ]
    return {word: number for number, word in enumerate(dict.fromkeys([*words, ".", ",", "?", "-"]))}


def _write_tokenizer(folder: Path, vocabulary: dict[str, int], max_tokens: int) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    special = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
    tokens = {f"{role}_token": token for role, token in special.items()}
    _write(folder / "special_tokens_map.json", tokens)
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": max_tokens}
    _write(folder / "tokenizer_config.json", tokens | settings)


def _write_modules(folder: Path, pooling: str, max_tokens: int) -> None:
    kinds = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
    modules = [
        {"idx": int(name), "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for name, path, kind in kinds
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": True})
    pooling_file = folder / "1_Pooling" / "config.json"
    pooling_file.parent.mkdir(exist_ok=True)
    modes = {
        f"pooling_mode_{mode}": mode.startswith(pooling)
        for mode in ("cls_token", "mean_tokens", "max_tokens")
    }
    _write(pooling_file, {"word_embedding_dimension": DIM} | modes)


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
