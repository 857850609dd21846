import importlib
import pkgutil
import subprocess
import sys

import pytest

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="unknown metric 'sssim'; did you mean 'ssim'"):
        metrics.get("sssim")
    with pytest.raises(InputError, match="unknown metric 'SSIM'; did you mean 'ssim'"):
        metrics.get("SSIM")
    with pytest.raises(InputError, match=r"are loaded with gsn_jax\.load\('gsn-b'\)"):
        metrics.get("gsn-b")
    with pytest.raises(InputError, match="must be text, got list"):
        metrics.get(["ssim"])
    with pytest.raises(AttributeError, match="nonsense"):
        _ = metrics.nonsense


@pytest.mark.parametrize("name", ["psnr", "ms_ssim", "fsimc", "mad"])
def test_metric_and_function_share_the_name(name):
    metric = metrics.get(name)
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert metric.function is getattr(metrics, name)
    assert name in dir(metrics)


LOWER_IS_BETTER = {
    "lpips_alex": True,
    "lpips_vgg": True,
    "dists": True,
    "adists": True,
    "pieapp": True,
    "deepiqa": False,
}


@pytest.mark.parametrize("name", list(LOWER_IS_BETTER))
def test_learned_metrics_are_registered(name):
    assert name in metrics.names()
    metric = metrics.get(name)
    assert metric.name == name
    assert metric.higher_is_better is not LOWER_IS_BETTER[name]
    assert metric.has_map is name.startswith("lpips")
    assert callable(getattr(metrics, name))


def test_no_module_hides_a_metric():
    modules = {module.name for module in pkgutil.iter_modules(metrics.__path__)}
    assert not modules & set(metrics.names()), "importing the module would hide the function"
    for module in modules:
        importlib.import_module(f"gsn_jax.metrics.{module}")
    assert all(callable(getattr(metrics, name)) for name in ("psnr", "vif", "vsi"))


def test_listing_names_imports_no_metric():
    code = (
        "import sys, gsn_jax.metrics as m; m.names(); "
        "print([k for k in sys.modules if k.startswith('gsn_jax.metrics.')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
