"""Batches score as single pairs do, in any order and on any number of devices."""

import collections
import copy
import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from gsn_jax import metrics
from gsn_jax.devices import batches
from gsn_jax.errors import InputError
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.scoring import batching
from gsn_jax.scoring.batching import Job, score_in_batches
from gsn_jax.scoring.model_metric import load
from gsn_jax.scoring.protocol import Protocol

TOLERANCE = 1e-5  # relative above 1, as docs/scoring.md says

COLLECTIVES = re.compile(
    r"\b(all-reduce|all-gather|all-to-all|reduce-scatter|collective-\w+|ragged-all-to-all)\b"
)


def encode(image):
    return jnp.sqrt(image)


def compare(first, second):
    return jnp.abs(first - second).mean((-3, -2, -1))


STAGED = FunctionMetric(
    "staged",
    lambda reference, distorted: compare(encode(reference), encode(distorted)),
    higher_is_better=False,
    value_range=(0.0, 1.0),
    stages=Stages(encode, compare),
)


@pytest.fixture
def on_devices(monkeypatch):
    """`on_devices(n)` scores on the first n devices, and gives a list of the programs used."""

    def use(count):
        monkeypatch.setattr(
            batches, "mesh", lambda: Mesh(np.asarray(jax.local_devices()[:count]), ("pairs",))
        )
        programs = []

        def recording(function):
            jitted, compiled = jax.jit(function), {}

            def call(*arguments):
                shapes = jax.tree.map(jax.typeof, arguments)
                if str(shapes) not in compiled:
                    compiled[str(shapes)] = jitted.lower(*arguments).compile()
                programs.append((compiled[str(shapes)], shapes))
                return compiled[str(shapes)](*arguments)

            return call

        monkeypatch.setattr(batches, "bounded_jit", recording)
        return programs

    return use


def make_pairs(rng):
    """Two classes of sizes; several versions of a reference; tiles; one pair of floats."""
    pairs = []
    for size, versions in [((20, 31), 5), ((90, 64), 4), ((33, 100), 1), ((30, 1300), 1)]:
        reference = rng.integers(40, 200, (*size, 3), np.uint8)
        for level in range(1, versions + 1):
            noise = rng.normal(0, 5 * level, reference.shape)
            distorted = np.clip(reference + noise, 0, 255).astype(np.uint8)
            pairs.append((reference, distorted))
    pairs.append((pairs[0][0], np.float32(pairs[0][1]) / np.float32(255)))
    return pairs


def make_metrics(model_folder):
    chosen = [metrics.get("psnr"), metrics.get("ssim"), STAGED, load(model_folder)]
    return [copy.deepcopy(metric) for metric in chosen[:3]] + chosen[3:]


def jobs_of(pairs, chosen, order=None):
    return [Job(i, lambda i=i: pairs[i], chosen) for i in order or range(len(pairs))]


def assert_same(found, pairs, chosen):
    for index, outcome in found.items():
        for metric in chosen:
            want = metric.score_arrays(*pairs[index])
            np.testing.assert_allclose(
                outcome[metric.name], want, rtol=TOLERANCE, atol=TOLERANCE, err_msg=metric.name
            )


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "per_device"), [(1, 4), (2, 3), (8, 1)])
def test_scores_are_those_of_single_pairs(rng, model_folder, on_devices, devices, per_device):
    pairs = make_pairs(rng)
    chosen = make_metrics(model_folder)
    programs = on_devices(devices)
    with jax.transfer_guard("disallow"):  # but for what is put on the devices or fetched explicitly
        found = dict(score_in_batches(jobs_of(pairs, chosen), len(pairs), per_device))
    assert sorted(found) == list(range(len(pairs)))
    assert_same(found, pairs, chosen)
    for program in {id(program): program for program, _ in programs}.values():
        assert not COLLECTIVES.search(program.as_text())
    # In another order.
    programs.clear()
    order = rng.permutation(len(pairs)).tolist()
    again = dict(score_in_batches(jobs_of(pairs, chosen, order), len(pairs), per_device))
    for index, outcome in found.items():
        assert again[index] == pytest.approx(outcome, rel=TOLERANCE, abs=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["psnr", "mdsi", "ciede2000"])
def test_equal_images_score_the_optimum_on_several_devices(rng, name):
    metric = metrics.get(name)
    image = rng.integers(0, 256, (60, 76, 3), np.uint8)
    found = dict(score_in_batches(jobs_of([(image, image.copy())] * 9, [metric]), 9, 2))
    best = metric.value_range[1 if metric.higher_is_better else 0]
    assert [outcome[name] for outcome in found.values()] == [best] * 9


def test_a_class_has_one_program_and_a_full_batch_one_fetch(rng, on_devices, monkeypatch):
    """On a CPU the transfer guard does not see what is fetched, so it is counted."""
    programs = on_devices(8)
    arrays = type(jnp.zeros(1))
    read = arrays._value
    fetched = []
    monkeypatch.setattr(
        arrays, "_value", property(lambda array: fetched.append(array.shape) or read.fget(array))
    )
    psnr = copy.deepcopy(metrics.get("psnr"))
    sizes = [(20, 30), (40, 50), (60, 70), (90, 80)] * 6
    pairs = [rng.integers(0, 256, (2, *size, 3), np.uint8) for size in sizes]
    found = dict(score_in_batches(jobs_of(pairs, [psnr]), len(pairs), 1))
    assert fetched == [(8,)] * 3
    assert_same(found, pairs, [copy.deepcopy(psnr)])
    float(copy.deepcopy(psnr)(*pairs[0]))  # as single pairs are scored
    assert len(fetched) == 4
    assert len(programs) == 3
    assert len({str(arguments) for _, arguments in programs}) == 1


def test_the_search_for_collectives_finds_them(on_devices):
    on_devices(8)
    spec = PartitionSpec("pairs")
    summed = jax.shard_map(
        lambda x: jax.lax.psum(x, "pairs"),
        mesh=batches.mesh(),
        in_specs=spec,
        out_specs=spec,
        check_vma=False,
    )
    assert COLLECTIVES.search(jax.jit(summed).lower(jnp.zeros(8)).compile().as_text())


def test_a_shared_reference_is_encoded_once_per_device(rng, on_devices):
    programs = on_devices(2)
    staged = copy.deepcopy(STAGED)
    reference = rng.integers(0, 256, (20, 20, 3), np.uint8)
    pairs = [(reference, rng.integers(0, 256, (20, 20, 3), np.uint8)) for _ in range(8)]
    found = dict(score_in_batches(jobs_of(pairs, [staged]), len(pairs), 4))
    assert_same(found, pairs, [staged])
    ((_, (_, arrays)),) = programs
    assert arrays.references.shape == (4, 20, 20, 3)  # one and a copy of it on each device
    assert arrays.distorted.shape == (8, 20, 20, 3)


def test_bad_pairs_do_not_stop_the_others(rng, on_devices):
    on_devices(8)
    chosen = [copy.deepcopy(metrics.get(name)) for name in ("psnr", "ssim")]
    pairs = [rng.integers(0, 256, (2, *size, 3), np.uint8) for size in [(20, 20), (8, 8)]]

    def broken():
        raise InputError("x.png: is damaged")

    jobs = [*jobs_of(pairs, chosen), Job(2, broken, chosen)]
    found = dict(score_in_batches(jobs, 3, 1))
    assert str(found[2]) == "x.png: is damaged"
    assert isinstance(found[1]["ssim"], InputError)
    assert "8 x 8 is too small" in str(found[1]["ssim"])
    assert_same({0: found[0]}, pairs, chosen)
    assert_same({1: found[1]}, pairs, chosen[:1])


class Fragile:
    """A metric whose batches fail."""

    name = "fragile"

    def __init__(self, error):
        self.error = error
        self.calls = collections.Counter()

    def __call__(self, reference, distorted):
        self.calls["alone"] += 1
        return np.float32(0.5)

    def batch_class(self, size):
        return batches.BatchClass(size)

    def score_batch(self, batch):
        self.calls["batch"] += 1
        raise self.error


def test_batches_that_do_not_fit_are_scored_one_by_one(rng, on_devices):
    on_devices(2)
    pairs = [rng.integers(0, 256, (2, 20, 20, 3), np.uint8) for _ in range(4)]
    fragile = Fragile(RuntimeError("RESOURCE_EXHAUSTED: out of memory"))
    found = dict(score_in_batches(jobs_of(pairs, [fragile]), 4, 2))
    assert [found[i] for i in range(4)] == [{"fragile": 0.5}] * 4
    assert fragile.calls == {"batch": 1, "alone": 4}
    fragile = Fragile(ValueError("a defect"))
    found = dict(score_in_batches(jobs_of(pairs, [fragile]), 4, 2))
    assert all(str(found[i]["fragile"]) == "a defect" for i in range(4))
    assert fragile.calls == {"batch": 1}


def test_the_images_in_memory_are_bounded(rng, on_devices, monkeypatch):
    programs = on_devices(8)
    monkeypatch.setattr(batching, "_OPEN_BYTES", 3 * 2 * 20 * 20 * 3 / 8)
    psnr = copy.deepcopy(metrics.get("psnr"))
    pairs = [rng.integers(0, 256, (2, 20, 20, 3), np.uint8) for _ in range(5)]
    found = dict(score_in_batches(jobs_of(pairs, [psnr]), 5, 1))
    assert_same(found, pairs, [copy.deepcopy(psnr)])
    assert len(programs) == 2  # of four and of one


def test_a_protocol_holds_in_batches(rng, on_devices):
    programs = on_devices(2)
    chosen = [
        Protocol("studio", 2).of(copy.deepcopy(metrics.get("psnr"))),
        Protocol(crop_border=1).of(copy.deepcopy(STAGED)),
    ]
    pairs = [*make_pairs(rng)[:6], tuple(rng.integers(0, 256, (2, 4, 9, 3), np.uint8))]
    found = dict(score_in_batches(jobs_of(pairs, chosen), 7, 3))
    assert "9 x 4 is too small" in str(found.pop(6)["psnr"])
    assert_same(found, pairs, chosen)
    # The images of the first batch of each metric: what the protocol leaves of 20 x 31 pixels, with
    # the reference that its pairs share.
    shapes = {(arrays.references.shape[0], *arrays.distorted.shape) for _, (_, arrays) in programs}
    assert {(4, 6, 96, 96, 3), (4, 6, 18, 29, 3)} <= shapes


def test_large_images_are_scored_alone():
    assert metrics.get("psnr").batch_class((5000, 5000)) is None
    assert metrics.get("psnr").batch_class((300, 400)).padded


@pytest.mark.parametrize(
    ("platform", "memory", "pixels", "pairs"),
    [
        ("cpu", None, 512 * 384, 1),
        ("gpu", {"bytes_limit": 100 * 2**30}, 512 * 384, 64),
        ("gpu", {"bytes_limit": 12 * 2**30}, 512 * 384, 8),
        ("gpu", {"bytes_limit": 12 * 2**30}, 4096 * 4096, 1),
        ("tpu", None, 512 * 384, 4),
    ],
)
def test_the_batch_size_follows_the_memory(monkeypatch, platform, memory, pixels, pairs):
    device = types.SimpleNamespace(platform=platform, memory_stats=lambda: memory)
    row = types.SimpleNamespace(devices=np.array([device]))
    monkeypatch.setattr(batches, "mesh", lambda: row)
    assert batches.pairs_per_device(pixels) == pairs
    assert batches.pairs_per_device(pixels, 5) == 5
