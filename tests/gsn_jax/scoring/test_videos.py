import numpy as np
import pytest
from video_files import frame_of_planes, write_frames, write_images

from gsn_jax.errors import InputError
from gsn_jax.images import yuv
from gsn_jax.metrics import get
from gsn_jax.scoring import videos
from gsn_jax.scoring.pairs import Loading


@pytest.fixture
def levels(tmp_path, rng):
    """Two gray Y4M videos of six frames, and their samples."""
    reference = rng.integers(16, 200, (6, 32, 40), dtype=np.uint8)
    distorted = reference + np.arange(6, dtype=np.uint8)[:, None, None]
    for name, samples in (("r.y4m", reference), ("d.y4m", distorted)):
        frames = [frame_of_planes([plane], "gray") for plane in samples]
        write_frames(tmp_path / name, frames, "wrapped_avframe")
    return tmp_path / "r.y4m", tmp_path / "d.y4m", reference, distorted


def test_frames_are_pairs(levels):
    """PSNR of frame n, whose samples are off by n, by its definition."""
    frames = videos.frame_pairs(levels[0], [levels[1], levels[0]])
    scored = dict(frames.score([get("psnr")]))
    assert sorted(scored) == list(range(12))
    assert [scored[n].pair.distorted for n in (0, 5, 6)] == [
        f"{levels[1]}#0", f"{levels[1]}#5", f"{levels[0]}#0",
    ]  # fmt: skip
    assert scored[5].pair.reference == f"{levels[0]}#5"
    for n in range(1, 6):
        assert scored[n].scores["psnr"] == pytest.approx(20 * np.log10(255 / n), abs=1e-4)
    assert {scored[n].scores["psnr"] for n in range(6, 12)} == {np.inf}


def test_every_nth_frame_and_only_what_is_wanted(levels):
    frames = videos.frame_pairs(levels[0], [levels[1]], every=2)
    assert [pair.distorted.rpartition("#")[2] for pair in frames.pairs] == ["0", "2", "4"]
    scored = dict(frames.score([get("psnr")], wanted=[2, 1]))
    assert sorted(scored) == [1, 2]
    assert scored[2].scores["psnr"] == pytest.approx(20 * np.log10(255 / 4), abs=1e-4)


def test_what_one_file_does_not_say_is_taken_from_the_other(tmp_path, rng):
    """A Y4M file without labels against the same samples in a file that says BT.709, full range."""
    planes = list(rng.integers(30, 220, (3, 32, 32), dtype=np.uint8))
    labelled = [frame_of_planes(planes, "yuv444p", matrix=1, full=True)]
    write_frames(tmp_path / "said.mkv", labelled, "ffv1")
    silent = write_frames(
        tmp_path / "silent.y4m", [frame_of_planes(planes, "yuv444p")], "wrapped_avframe"
    )
    for names in (("silent.y4m", "said.mkv"), ("said.mkv", "silent.y4m")):
        paths = [tmp_path / name for name in names]
        ((_, scored),) = videos.frame_pairs(paths[0], paths[1:]).score([get("psnr")])
        assert scored.scores["psnr"] == np.inf
    other = [frame_of_planes(planes, "yuv444p", matrix=6, full=False)]
    write_frames(tmp_path / "other.mkv", other, "ffv1")
    ((_, scored),) = videos.frame_pairs(tmp_path / "said.mkv", [tmp_path / "other.mkv"]).score(
        [get("psnr")]
    )
    seen = [yuv.to_rgb(planes, 8, matrix, full) for matrix, full in ((1, True), (6, False))]
    error = np.mean((np.float64(seen[0]) - seen[1]) ** 2)
    assert scored.scores["psnr"] == pytest.approx(-10 * np.log10(error), abs=1e-4)
    assert silent.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": 5}, r"has 5 frames, but .*r.mp4 has 6; trim both"),
        ({"rate": 24}, r"24 fps differs from 30 fps of .*r.mp4"),
        ({"size": 48}, r"size 48 x 64 differs from 64 x 64 of .*--resize"),
    ],
)
def test_videos_that_do_not_fit_are_refused(tmp_path, photo, change, message):
    def write(name, number=6, rate=30, size=64):
        images = [np.ascontiguousarray(photo[:64, n : n + size]) for n in range(number)]
        return write_images(tmp_path / name, images, "libx264", rate=rate)

    reference, distorted = write("r.mp4"), write("d.mp4", **change)
    with pytest.raises(InputError, match=message):
        videos.frame_pairs(reference, [distorted])
    if "size" in change:
        frames = videos.frame_pairs(reference, [distorted], loading=Loading(resize="to-reference"))
        assert all(0 < item.scores["psnr"] < 60 for _, item in frames.score([get("psnr")]))


def test_a_bare_stream_has_no_rate_to_differ(tmp_path, photo):
    paths = [
        write_images(tmp_path / name, [photo] * 3, "libx264", rate=50)
        for name in ("a.mp4", "b.h264")
    ]
    assert len(videos.frame_pairs(paths[0], paths[1:]).pairs) == 3


def test_an_image_is_no_video(levels, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.png: is not a video; give videos only"):
        videos.frame_pairs(levels[0], [tmp_path / "a.png"])


def test_a_video_that_changes_meanwhile(levels):
    frames = videos.frame_pairs(levels[0], [levels[1]])
    data = levels[1].read_bytes()
    levels[1].write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="it changed while it was read"):
        list(frames.score([get("psnr")]))
