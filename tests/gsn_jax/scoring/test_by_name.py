import re

import numpy as np
import pytest

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.scoring import by_name
from gsn_jax.scoring.by_name import choose, named, split_names


def test_names_are_split_in_one_way():
    assert split_names(" b,a ", "", "a,, c,") == ["b", "a", "c"]
    assert named("gsn,psnr", checkpoint="somewhere") == ["gsn", "psnr"]


def test_names_keep_their_order_and_count_once():
    chosen, passed_over = choose("ssim, psnr,ssim")
    assert [metric.name for metric in chosen] == ["ssim", "psnr"]
    assert passed_over == {}


def test_all_passes_over_what_has_no_weights(monkeypatch):
    monkeypatch.delenv("GSN_PIEAPP_WEIGHTS", raising=False)
    monkeypatch.setattr(metrics, "names", lambda: ("psnr", "pieapp"))
    monkeypatch.setattr(by_name.shipped_models, "names", lambda: ())
    chosen, passed_over = choose("all")
    assert [metric.name for metric in chosen] == ["psnr"]
    assert "GSN_PIEAPP_WEIGHTS" in passed_over["pieapp"]
    with pytest.raises(InputError, match="GSN_PIEAPP_WEIGHTS"):
        choose("psnr,pieapp")
    with pytest.raises(InputError, match="GSN_PIEAPP_WEIGHTS"):
        choose("pieapp,all")


@pytest.mark.parametrize(
    ("names", "checkpoint", "message"),
    [
        (" ,", None, "--metric: no metric is named"),
        ("psnrr", None, "unknown metric 'psnrr'"),
        ("psnr", "somewhere", "--checkpoint: replaces gsn, which --metric does not name"),
    ],
)
def test_what_cannot_be_chosen_is_refused(names, checkpoint, message):
    with pytest.raises(InputError, match=message):
        choose(names, checkpoint)


def test_names_that_are_none_say_what_to_give(tmp_path):
    (tmp_path / "file").touch()
    for name, message in {
        "SSIM": "unknown metric 'SSIM'; did you mean 'ssim'?",
        "nope/model": "nope/model: no such folder; give the folder of a model, or",
        str(tmp_path / "file"): "file: is a file, not a folder; give the folder of a model",
    }.items():
        with pytest.raises(InputError, match=re.escape(message)):
            by_name.resolve(name)
    with pytest.raises(InputError, match=r"give a list of names, such as \['psnr'\]"):
        by_name.resolve_all("psnr")
    image = np.zeros((16, 16, 3))
    with pytest.raises(InputError, match="give one metric or its name, got list"):
        by_name.score(image, image, ["psnr", "ssim"])
    with pytest.raises(InputError, match="give one metric or its name, got NoneType"):
        by_name.as_loss(None)


def test_a_folder_takes_the_place_of_gsn(model_folder):
    (metric,), _ = choose("gsn", str(model_folder))
    assert metric.version == "1.2.3"
