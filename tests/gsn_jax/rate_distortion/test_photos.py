"""Which files are photographs, their names, and what is refused."""

import pytest
from command_line import run
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
    twice = [photos, photos / "a.png", photos / "more", photos / "more" / ".." / "a.webp"]
    assert find_photos(twice) == find_photos([photos])
    Image.fromarray(photo).save(photos / "more" / "a.png")
    with pytest.raises(InputError, match=r"two photographs are named a.png; give one folder above"):
        find_photos([photos / "a.png", photos / "more" / "a.png"])
    (photos / "empty").mkdir()
    with pytest.raises(InputError, match="no images found"):
        find_photos([photos / "empty"])


def test_what_gsn_encoded_is_not_a_photograph(tmp_path, photo):
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for name in ("a.png", "more/b.png"):
        Image.fromarray(photo[:32, :32]).save(photos / name)
    encode = ("encode", "--codec", "jpeg", "--target", "psnr=20", "--out")
    rd = ("rd", "--codec", "jpeg", "--quality", "40,60,80,90", "--metric", "psnr", "--workers", "1")
    assert run(*encode, photos / "more" / "encoded", photos)[2] == 0
    assert run(*encode, photos, photos / "a.png")[2] == 0
    printed, err, _ = run(*rd, "--resamples", "0", "--out", photos / "rd", photos)
    assert err.startswith(f"gsn: {photos}: left out 3 files that gsn rd or gsn encode made\n")
    assert len(list((photos / "rd" / "encoded").rglob("*.jpg"))) == 8
    printed, err, code = run(*encode, tmp_path / "out", photos)
    assert (code, printed.count(": quality ")) == (0, 2)
    assert err == f"gsn: {photos}: left out 11 files that gsn rd or gsn encode made\n"
    # A photograph that has replaced an encoded file.
    Image.fromarray(photo[:16, :16]).save(photos / "a.jpg")
    assert [item.name for item in find_photos([photos])] == ["a.jpg", "a.png", "more/b"]


@pytest.mark.parametrize("command", [("encode", "--target", "psnr=20"), ("rd", "--metric", "psnr")])
def test_the_folder_of_the_photographs_is_not_that_of_the_files(tmp_path, photo, command):
    Image.fromarray(photo[:32, :32]).save(tmp_path / "a.png")
    before = sorted(tmp_path.iterdir())
    _, err, code = run(*command, "--codec", "jpeg", "--out", tmp_path, tmp_path)
    refusal = "is the folder of the photographs and also --out; name another folder for --out"
    assert (err, code) == (f"gsn: {tmp_path}: {refusal}\n", 2)
    assert sorted(tmp_path.iterdir()) == before
