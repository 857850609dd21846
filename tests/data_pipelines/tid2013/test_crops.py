"""TID2013's references as crops of the Kodak photographs."""

import pytest
from PIL import Image

from data_pipelines.regenerate_tid2013 import make
from data_pipelines.tid2013 import crops, fidelity, published
from gsn_jax.errors import InputError


def test_a_photograph_of_another_size_is_refused(tmp_path):
    Image.new("RGB", (100, 100)).save(tmp_path / "kodim02.png")
    with pytest.raises(InputError, match="768 x 512"):
        crops.reference(tmp_path, 2)


def test_reserved_scenes():
    assert {1, 3, 4, 6, 8, 19, 21, 23} == crops.RESERVED


@pytest.mark.parametrize("scene", sorted(crops.OFFSETS))
def test_crops_and_jpeg_are_those_of_tid2013(scene, gsn_data):
    targets = published.read(gsn_data / "tables")
    reference = crops.reference(gsn_data / "photos" / "kodak", scene)
    match = make(reference, (scene, 10, 2), targets[scene, 10, 2])
    target = targets[scene, 10, 2]
    assert match.psnr == pytest.approx(target.psnr, abs=1e-5)
    assert fidelity.gmsd(reference, match.image) == pytest.approx(target.gmsd, abs=3e-5)
    assert fidelity.ssim(reference, match.image) == pytest.approx(target.ssim, abs=3e-4)
