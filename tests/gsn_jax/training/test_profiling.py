import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from gsn_jax.errors import InputError
from gsn_jax.training import profiling
from gsn_jax.training.profiling import Breakdown, Tracer, Work, flops_per_pair, parse_steps


@pytest.mark.parametrize(("text", "want"), [("20:25", range(20, 26)), ("3", range(3, 4))])
def test_steps_are_counted_with_both_ends(text, want):
    assert parse_steps(text) == want


@pytest.mark.parametrize("text", ["", "5:2", "0:3", "a:b", "1:2:3", "-1"])
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match=r"--profile .*FIRST:LAST"):
        parse_steps(text)


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("TPU v5 lite", 197e12),
        ("TPU v5p", 459e12),
        ("TPU v5", 459e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA L40S", None),
        ("cpu", None),
    ],
)
def test_the_peak_is_that_of_the_longest_name_that_fits(kind, want):
    assert profiling.peak_flops(kind) == want


class _Product(nn.Module):
    """Two matrix products per image."""

    @nn.compact
    def __call__(self, reference, distorted, train=False):
        both = jnp.concatenate([reference, distorted], axis=-1).reshape(reference.shape[0], -1)
        hidden = nn.Dense(64, use_bias=False)(both)
        return nn.Dense(1, use_bias=False)(hidden)[:, 0]


def test_operations_of_matrix_products_are_counted():
    size = 8
    inputs = 2 * size * size * 3
    want = 3 * (2 * inputs * 64 + 2 * 64)
    assert flops_per_pair(_Product(), size) == pytest.approx(want, rel=0.02)


def test_a_known_peak_gives_a_fraction():
    work = Work(flops_per_pair=2e9, peak=1e12)
    assert work.rates(100) == {"model_flops_per_second": 2e11, "fraction_of_peak": 0.2}
    assert "2.00 GFLOP per pair" in work.describe()
    assert "fraction_of_peak" not in Work(2e9, None).rates(100)
    assert Work(None, 1e12).rates(100) == {}


def test_phases_add_up_and_are_taken_once(monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 13.0])
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: next(clock))
    breakdown = Breakdown()
    with breakdown.phase("input"):
        pass
    with breakdown.phase("step"):
        pass
    taken = breakdown.take()
    assert taken == {**dict.fromkeys(profiling.PHASES, 0.0), "input": 1.0, "step": 3.0}
    assert profiling.shares(taken) == "input 1.0 s (25%), step 3.0 s (75%)"
    assert sum(breakdown.take().values()) == 0
    assert breakdown.total["step"] == 3.0


def test_a_trace_of_chosen_steps_is_written(tmp_path):
    with Tracer(tmp_path / "profile", range(2, 4)) as tracer:
        for number in range(1, 6):
            tracer.begin(number)
            with tracer.annotated(number):
                result = jax.jit(lambda x: x + 1)(jnp.zeros(3))
            tracer.end(number, result)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
    assert tracer.describe() == f"profile: a trace of steps 2 to 3 is in {tmp_path / 'profile'}"

    with Tracer(tmp_path / "cut", range(2, 40)) as tracer:  # the run ends at step 3
        for number in range(1, 4):
            tracer.begin(number)
            tracer.end(number, jnp.zeros(3))
    assert tracer.describe() == f"profile: a trace of steps 2 to 3 is in {tmp_path / 'cut'}"
    late = Tracer(tmp_path / "none", range(9, 10))
    assert late.describe() == "profile: no trace, because this run did not include steps 9 to 9"
    assert Tracer(tmp_path, range(0)).describe() is None
