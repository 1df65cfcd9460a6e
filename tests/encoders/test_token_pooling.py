"""Token pooling without torch is sentence-transformers' token pooling."""

from __future__ import annotations

import numpy as np
import pytest

from medsearch.encoders.token_pooling import check_pooling, pool_tokens
from medsearch.errors import ModelUnavailableError
from medsearch.types import Vectors


def some_vectors(tokens: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(tokens, 16)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 3.0, 4.0, 100.0])
@pytest.mark.parametrize("tokens", [1, 2, 3, 40, 181])
def test_it_is_the_librarys_pooling(tokens: int, factor: float) -> None:
    import torch
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

    vectors = some_vectors(tokens, seed=tokens)
    expected = HierarchicalTokenPooling(factor).pool([torch.from_numpy(vectors)])[0].numpy()
    np.testing.assert_allclose(pool_tokens(vectors, factor), expected, atol=1e-5)


def test_near_vectors_are_merged_and_the_first_is_not() -> None:
    """[CLS] is as near to its neighbour as any, and two pairs of near vectors become one each."""
    x, y = np.eye(2, dtype=np.float32)
    tilted = np.array([0.99, 0.141067], dtype=np.float32)
    vectors = np.stack([x, x, tilted, y, y])
    pooled = pool_tokens(vectors, 2)
    assert len(pooled) == 3
    np.testing.assert_array_equal(pooled[0], x)
    mean = (x + tilted) / np.linalg.norm(x + tilted)
    assert {tuple(np.round(row, 4)) for row in pooled[1:]} == {tuple(np.round(mean, 4)), (0.0, 1.0)}


def test_vectors_that_cancel_each_other_out_leave_the_first_of_them() -> None:
    """All that is not [CLS] becomes one cluster, whose mean is 0: a NaN would spoil every score."""
    x, y = np.eye(2, dtype=np.float32)
    vectors = np.stack([y, x, -x, y, -y])
    pooled = pool_tokens(vectors, 4)
    np.testing.assert_array_equal(pooled, np.stack([y, x]))
    assert pooled.dtype == np.float32


def test_without_scipy_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medsearch.encoders.token_pooling.find_spec", lambda name: None)
    check_pooling("late", 1.0)
    with pytest.raises(ModelUnavailableError, match=r"token_pooling needs scipy; run `pip install"):
        check_pooling("late", 2.0)
