"""Queries that several tasks share are one piece of evidence: by hand, and on simulated runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from medsearch.evaluation.intervals import interval_of_means, stratified_interval
from medsearch.evaluation.shared_queries import FEW, Clusters, cluster_queries
from medsearch.evaluation.significance import randomisation_test
from medsearch.evaluation.task_means import mean_over_tasks, shared_weights, task_group, task_weights
from medsearch.evaluation.verdicts import Procedure, compare_means

Array = NDArray[np.float64]
Scores = dict[str, float]
QUICK = Procedure(permutations=1_000, resamples=200)


def by_query(scores: Array, prefix: str = "q") -> Scores:
    return {f"{prefix}{number:03}": float(score) for number, score in enumerate(scores)}


def members(clusters: Clusters) -> list[set[tuple[str, str]]]:
    """The clusters as sets of (task, query id)."""
    names = [(task, query_id) for task, ids in clusters.order.items() for query_id in ids]
    found: list[set[tuple[str, str]]] = [set() for _ in range(len(clusters))]
    for name, number in zip(names, clusters.member, strict=True):
        found[number].add(name)
    return found


def test_parts_of_an_mteb_task_share_one_weight() -> None:
    tasks = [
        "mteb:CUREv1/en:all",
        "mteb:CUREv1/fr:all",
        "mteb:CUREv1/en:genetics",
        "mteb:SciFact:test",
        "a/en:x",
    ]
    assert [task_group(task) for task in tasks] == [*["mteb:CUREv1"] * 3, "mteb:SciFact", "a/en:x"]
    assert task_weights(tasks) == pytest.approx(
        dict(zip(tasks, [1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 3], strict=True))
    )
    assert shared_weights(tasks) == {"mteb:CUREv1": 3}
    # "/en" of a corpus that is no task of mteb is a corpus of its own, and SciFact-PL another task.
    assert shared_weights(["a/en:x", "a/fr:x", "mteb:SciFact:test", "mteb:SciFact-PL:test"]) == {}
    scores = {"mteb:N/x:t": {"q": 0.2}, "mteb:N/y:t": {"q": 0.4, "r": 0.6}, "own:t": {"q": 1.0}}
    assert mean_over_tasks(scores) == pytest.approx(((0.2 + 0.5) / 2 + 1.0) / 2)
    found = compare_means({task: (of_one, dict.fromkeys(of_one, 0.0)) for task, of_one in scores.items()})
    assert (found.a, found.b, found.difference) == pytest.approx((0.675, 0.0, -0.675))


def test_queries_are_one_by_their_words_over_tasks_and_by_their_ids_within_an_mteb_task() -> None:
    tasks = {"a:t": ["1", "2", "3"], "b:t": ["1", "2"], "mteb:N/en:t": ["1", "2"], "mteb:N/fr:t": ["1"]}
    keys = {"a:t": {"1": "x", "2": "y", "3": ""}, "b:t": {"2": "x"}, "mteb:N/en:t": {"1": "y"}}
    assert members(cluster_queries(tasks, keys)) == [
        {("a:t", "1"), ("b:t", "2")},
        {("a:t", "2"), ("mteb:N/en:t", "1"), ("mteb:N/fr:t", "1")},
        {("a:t", "3")},
        {("b:t", "1")},
        {("mteb:N/en:t", "2")},
    ]
    # Without keys equal ids of different collections are different queries.
    assert len(cluster_queries({"a:t": ["1", "2"], "b:t": ["1", "2"]})) == 4
    # The same words twice in one task are one query too.
    assert members(cluster_queries({"a:t": ["1", "2"]}, {"a:t": {"1": "x", "2": "x"}})) == [
        {("a:t", "1"), ("a:t", "2")}
    ]


def test_strata_are_clusters_of_the_same_tasks_and_rare_ones_go_together() -> None:
    ids = [f"{n:03}" for n in range(50)]
    tasks = {"a:t": ids, "b:t": ids[:35], "c:t": ids[:2]}
    keys = {task: {query_id: query_id for query_id in ids} for task in tasks}
    clusters = cluster_queries(tasks, keys)
    assert sorted(map(len, clusters.strata)) == [2, 15, 33]  # all three tasks, a alone, a and b
    assert FEW > 2  # so that further rare patterns would join the first
    values = np.random.default_rng(1).random(87)
    whole = sum(part.mean() for part in clusters.parts(values))
    by_hand = (values[:50].mean() + values[50:85].mean() + values[85:].mean()) / 3
    assert whole == pytest.approx(by_hand)
    tasks["b:t"], tasks["c:t"] = [*ids[:30], *ids[32:35]], ids[28:32]
    # 28 are on a and b, 2 on all, 2 on a and c: the rare two patterns are resampled together.
    assert sorted(map(len, cluster_queries(tasks, keys).strata)) == [4, 15, 31]


def test_a_comparison_with_a_shared_query_by_hand() -> None:
    tasks = {
        "x:t": ({"1": 0.0, "2": 0.0}, {"1": 0.2, "2": 0.4}),
        "y:t": ({"7": 0.0, "8": 0.0}, {"7": 0.3, "8": -0.0}),
    }
    found = compare_means(tasks, keys={"x:t": {"1": "k"}, "y:t": {"7": "k"}})
    assert (found.queries, found.distinct, found.wins, found.ties) == (4, 3, 3, 1)
    assert found.difference == pytest.approx((0.3 + 0.15) / 2)
    # Signs: of 0.2 + 0.3 together, and of 0.4. Of their four patterns ++ and -- are as far from 0.
    assert found.p == 2 / 4
    assert compare_means(tasks).p == 2 / 8


def test_without_shared_queries_keys_change_nothing() -> None:
    random = np.random.default_rng(2)
    tasks = {
        f"{name}:t": (by_query(random.random(size)), by_query(random.random(size)))
        for name, size in (("a", 40), ("b", 12), ("c", 90))
    }
    keys = {task: {query: f"{task} {query}" for query in a} for task, (a, _) in tasks.items()}
    found = compare_means(tasks, keys=keys)
    assert found == compare_means(tasks)
    # As each task's queries are drawn, and signs flipped, by themselves.
    strata = [np.array([b[q] - a[q] for q in a]) for a, b in tasks.values()]
    assert found.ci == pytest.approx(stratified_interval(strata), abs=1e-9)
    weights = np.concatenate([np.full(len(values), 1 / len(values)) for values in strata])
    assert found.p == pytest.approx(randomisation_test(np.concatenate(strata) * weights * 40).p, abs=0.005)


def simulated(
    random: np.random.Generator, *, shared: int
) -> tuple[Mapping[str, tuple[Scores, Scores]], dict[str, dict[str, str]]]:
    """Three tasks of 60 queries; the first `shared` are the same, and mostly won by the same, on all."""
    common = random.normal(0, 0.2, shared)
    tasks, keys = {}, {}
    for name in ("a:t", "b:t", "c:t"):
        own = random.normal(0, 0.2, 60)
        own[:shared] = common + random.normal(0, 0.05, shared)
        base = random.uniform(0.3, 0.7, 60)
        tasks[name] = by_query(base, name), by_query(base + own, name)
        keys[name] = {f"{name}{n:03}": f"words {n}" for n in range(shared)}
    return tasks, keys


@pytest.mark.parametrize("shared", [60, 25])
def test_shared_queries_give_no_more_false_positives_than_alpha(shared: int) -> None:
    random = np.random.default_rng(shared)
    trials = 400
    naive = clustered = held = naively_held = 0
    for _ in range(trials):
        tasks, keys = simulated(random, shared=shared)
        plain, found = compare_means(tasks, QUICK), compare_means(tasks, QUICK, keys)
        naive += plain.p < 0.05
        clustered += found.p < 0.05
        naively_held += plain.ci[0] <= 0 <= plain.ci[1]
        held += found.ci[0] <= 0 <= found.ci[1]
    low, high = stats.binom.interval(0.999, trials, 0.05)
    assert low <= clustered <= high
    assert trials - held <= stats.binom.interval(0.999, trials, 0.07)[1]  # BCa falls a little short
    assert naive > high  # the simulation can tell the two apart: 25 % and 14 %
    assert trials - naively_held > high


def test_the_parts_of_an_mteb_task_share_their_queries_without_keys() -> None:
    random = np.random.default_rng(3)
    trials = 300
    naive = clustered = 0
    for _ in range(trials):
        common = random.normal(0, 0.2, 50)
        parts = {
            language: (by_query(np.zeros(50)), by_query(common + random.normal(0, 0.05, 50)))
            for language in ("en", "es", "fr")
        }
        found = compare_means({f"mteb:N/{language}:all": pair for language, pair in parts.items()}, QUICK)
        assert (found.queries, found.distinct) == (150, 50)
        clustered += found.p < 0.05
        naive += (
            compare_means({f"n/{language}:all": pair for language, pair in parts.items()}, QUICK).p < 0.05
        )
    low, high = stats.binom.interval(0.999, trials, 0.05)
    assert low <= clustered <= high
    assert naive > high


def test_the_interval_of_a_mean_is_wider_where_tasks_share_their_queries() -> None:
    scores = np.random.default_rng(4).random(60)
    tasks = {"a:t": by_query(scores), "b:t": by_query(scores)}
    keys = {task: {query: query for query in of_one} for task, of_one in tasks.items()}
    alone, apart = interval_of_means({"a:t": tasks["a:t"]}), interval_of_means(tasks)
    together = interval_of_means(tasks, keys=keys)
    assert together == pytest.approx(alone, abs=1e-9)  # twice the same is no more than once
    assert together[1] - together[0] == pytest.approx(2**0.5 * (apart[1] - apart[0]), rel=0.1)
