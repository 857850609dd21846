import copy
import pickle

import pytest

from gsn_jax import metrics
from gsn_jax.metric import Metric


@pytest.mark.parametrize("name", metrics.names())
def test_every_metric_follows_the_protocol_and_can_be_copied(name):
    metric = metrics.get(name)
    assert isinstance(metric, Metric)
    for twin in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        assert twin.name == name
        assert twin.value_range == metric.value_range
        assert twin.has_map == metric.has_map
