import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from data_pipelines.device import DevicePrefetcher
from data_pipelines.loader import train_loader
from data_pipelines.tables import PairTable


class Counter:
    """An iterator with a position, which notes how far it was read."""

    def __init__(self, count):
        self.position, self.count = 0, count

    def __iter__(self):
        return self

    def __next__(self):
        if self.position == self.count:
            raise StopIteration
        self.position += 1
        return {"x": np.full((2, 3), self.position), "valid": np.array([True, False])}

    def get_state(self):
        return self.position

    def set_state(self, state):
        self.position = state


@pytest.fixture
def sharding():
    return NamedSharding(Mesh(np.array(jax.devices()[:1]), ("data",)), PartitionSpec("data"))


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_gives_all_batches_in_order_as_global_arrays(sharding, depth):
    batches = list(DevicePrefetcher(Counter(5), sharding, depth))
    assert [int(batch["x"][0, 0]) for batch in batches] == [1, 2, 3, 4, 5]
    assert all(batch["x"].sharding == sharding for batch in batches)
    np.testing.assert_array_equal(batches[0]["valid"], [True, False])


def test_reads_ahead_but_its_position_is_what_was_given_out(sharding):
    upstream = Counter(9)
    prefetcher = DevicePrefetcher(upstream, sharding, 3)
    assert prefetcher.get_state() == 0
    next(prefetcher)
    next(prefetcher)
    assert upstream.position == 5
    assert prefetcher.get_state() == 2
    prefetcher.set_state(7)
    assert int(next(prefetcher)["x"][0, 0]) == 8
    assert prefetcher.get_state() == 8


def test_resumes_the_loader_exactly(sharding, position_table):
    source = PairTable(position_table())
    settings = {"batch_size": 3, "crop_size": 16, "seed": 4}
    loader = train_loader(source, **settings)
    expected = [next(loader)["distorted"] for _ in range(5)]
    loader.close()
    prefetcher = DevicePrefetcher(train_loader(source, **settings), sharding)
    next(prefetcher)
    next(prefetcher)
    state = prefetcher.get_state()
    prefetcher.close()
    resumed = DevicePrefetcher(train_loader(source, **settings), sharding)
    resumed.set_state(state)
    for k in range(2, 5):
        np.testing.assert_array_equal(next(resumed)["distorted"], expected[k])
    resumed.close()
