"""Names of photographs, and what is refused."""

import pytest
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.rate_distortion.photos import find_photos


def test_names_of_photographs(tmp_path, photo):
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for name in ("a.png", "more/b.png"):
        Image.fromarray(photo).save(photos / name)
    Image.open(photos / "a.png").save(photos / "a.webp", lossless=True)
    assert [item.name for item in find_photos([photos])] == ["a.png", "a.webp", "more/b"]
    with pytest.raises(InputError, match=r"c.png: no such file or folder"):
        find_photos([photos / "a.png", photos / "c.png"])
    with pytest.raises(InputError, match="two photographs are named"):
        find_photos([photos / "a.png", photos / "a.png"])
    (photos / "empty").mkdir()
    with pytest.raises(InputError, match="no images found"):
        find_photos([photos / "empty"])
