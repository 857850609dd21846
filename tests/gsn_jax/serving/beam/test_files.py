import pytest

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

from gsn_jax.errors import InputError
from gsn_jax.serving.beam import files


def test_names_in_a_remote_table():
    table = "gs://bucket/sets/pairs.csv"
    assert files.resolve(table, "a/b.png") == "gs://bucket/sets/a/b.png"
    assert files.resolve(table, "s3://other/b.png") == "s3://other/b.png"
    assert files.resolve(table, "/mnt/b.png") == "/mnt/b.png"
    assert files.resolve("sets/pairs.csv", "gs://bucket/b.png") == "gs://bucket/b.png"
    with pytest.raises(InputError, match="outside the table's folder"):
        files.resolve(table, "../b.png")
