from gsn_jax.wording import counted


def test_one_thing_is_in_the_singular():
    assert [counted(count, "pair") for count in (0, 1, 2)] == ["0 pairs", "1 pair", "2 pairs"]
