import pytest

from gsn_jax import metrics
from gsn_jax.metric import Metric

LOWER_IS_BETTER = {
    "lpips_alex": True,
    "lpips_vgg": True,
    "dists": True,
    "pieapp": True,
    "deepiqa": False,
}


@pytest.mark.parametrize("name", list(LOWER_IS_BETTER))
def test_learned_metrics_are_registered(name):
    assert name in metrics.names()
    metric = metrics.get(name)
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert metric.higher_is_better is not LOWER_IS_BETTER[name]
    assert metric.has_map is name.startswith("lpips")
    assert callable(getattr(metrics, name))
