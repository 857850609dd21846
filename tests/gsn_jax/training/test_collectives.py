import pytest

from gsn_jax.training.collectives import collectives, ring_seconds

HLO = """
  %all-reduce.2 = f32[] all-reduce(%wrapped_reduce.5), channel_id=3, to_apply=%region
  %x = (f32[7,7,2,1]{3,2,1,0}, /*index=1*/bf16[4]{0:T(256)}) all-reduce-start(%a, %b), channel_id=1
  %y = f32[2,4]{0,1} all-gather(%bitcast.209), dimensions={1}, metadata={op_name="all-to-all"}
  %z = u8[3,5]{1,0} collective-permute(%p), source_target_pairs={{0,1}}
  %w = f32[2]{0} add(%all-reduce.2, %y), metadata={op_name="jit(f)/all-reduce"}
"""


def test_kinds_shapes_and_bytes_are_read():
    found = [(one.kind, one.shapes, one.bytes) for one in collectives(HLO)]
    assert found == [
        ("all-reduce", ((),), 4),
        ("all-reduce", ((7, 7, 2, 1), (4,)), 4 * 98 + 2 * 4),
        ("all-gather", ((2, 4),), 32),
        ("collective-permute", ((3, 5),), 15),
    ]


def test_a_ring_sends_nearly_twice_the_message():
    options = {"link_bytes_per_second": 1e9, "hop_seconds": 0.0}
    assert ring_seconds(1, [1000], **options) == 0
    assert ring_seconds(2, [1000], **options) == pytest.approx(1e-6)
    assert ring_seconds(256, [500, 500], **options) == pytest.approx(2 * 255 / 256 * 1e-6)
    slow = {"link_bytes_per_second": 1e9, "hop_seconds": 1e-6}
    assert ring_seconds(3, [0, 0], **slow) == pytest.approx(2 * 4e-6)
