import builtins
import os
import subprocess
import sys

import av
import numpy as np
import pytest
from video_files import frame_of_planes, write_frames, write_images

from gsn_jax.errors import InputError
from gsn_jax.images import video, yuv

MATRICES = {1: "bt709", 6: "bt601", 9: "bt2020"}


def read(path):
    """The first frame as `gsn_jax` reads it, and what the file holds."""
    held = video.inspect(path)
    coding = held.coding.filled_from(yuv.default_coding(held.width, held.height))
    return next(video.frames(held, coding, [0])), held


def frames_of(path):
    """How many frames a file has; 0 where it is refused."""
    try:
        return video.inspect(path).frames
    except InputError:
        return 0


def converted_by_ffmpeg(path, matrix, full):
    """The first frame as FFmpeg's scaler converts it, 8 bits, with chroma at the left."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        graph = av.filter.Graph()
        source = graph.add_buffer(template=container.streams.video[0])
        scale = graph.add(
            "scale",
            f"in_color_matrix={MATRICES[matrix]}:in_range={'full' if full else 'limited'}"
            ":out_range=full:in_chroma_loc=left"
            ":flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp",
        )
        form = graph.add("format", "rgb24")
        sink = graph.add("buffersink")
        source.link_to(scale)
        scale.link_to(form)
        form.link_to(sink)
        graph.configure()
        source.push(frame)
        return sink.pull().to_ndarray()


def planes_of(photo, form, matrix, full):
    """Samples of a photograph in a pixel format, by FFmpeg; which way is no matter here."""
    frame = av.VideoFrame.from_ndarray(photo, "rgb24").reformat(
        format=form, dst_colorspace=matrix, dst_color_range=2 if full else 1
    )
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("bits", ["", "10le"])
@pytest.mark.parametrize("chroma", ["420", "422", "444"])
def test_frames_are_those_of_ffmpeg(tmp_path, photo, chroma, bits, matrix, full):
    """Within its rounding to 8 bits; FFmpeg divides ten bits in full range by 4, not by 4.012."""
    form = f"yuv{chroma}p{bits}"
    path = write_frames(tmp_path / "a.mkv", [planes_of(photo, form, matrix, full)], "ffv1")
    got, held = read(path)
    assert (held.coding.matrix, held.coding.full_range) == (matrix, full)
    assert got.dtype == np.float32
    bound = 1.3 if bits and full else 0.52
    error = np.abs(255 * got - converted_by_ffmpeg(path, matrix, full))
    assert error.max() <= bound


@pytest.mark.parametrize("full", [None, False, True])
@pytest.mark.parametrize("form", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
def test_y4m_says_its_range_and_its_matrix_is_that_of_its_size(tmp_path, photo, form, full):
    frame = planes_of(photo, form, 6, bool(full))
    frame.colorspace, frame.color_range = 2, {None: 0, False: 1, True: 2}[full]
    path = write_frames(tmp_path / "a.y4m", [frame], "wrapped_avframe")
    said = {None: b"", False: b"XCOLORRANGE=LIMITED", True: b"XCOLORRANGE=FULL"}[full]
    assert said in path.read_bytes().split(b"\n")[0]
    got, held = read(path)
    assert held.coding == yuv.Coding(full_range=full)
    assert held.rate == 30
    bound = 1.3 if "10" in form and full else 0.52
    assert np.abs(255 * got - converted_by_ffmpeg(path, 6, bool(full))).max() <= bound


@pytest.mark.parametrize(("form", "codec"), [("bgr0", "ffv1"), ("rgb24", "libx264rgb")])
def test_rgb_keeps_its_values(tmp_path, photo, form, codec):
    frame = av.VideoFrame.from_ndarray(photo, "rgb24").reformat(format=form)
    frame.colorspace, frame.color_range = 2, 0
    options = {"qp": "0"} if codec == "libx264rgb" else {}
    got, held = read(write_frames(tmp_path / "a.mkv", [frame], codec, options=options))
    assert held.coding.kind == "rgb"
    np.testing.assert_allclose(got, photo / 255, atol=1e-6)


def test_deep_rgb_keeps_its_depth_and_its_order(tmp_path, rng):
    green, blue, red = rng.integers(0, 1024, (3, 16, 24), dtype=np.uint16)
    frame = frame_of_planes([green, blue, red], "gbrp10le")
    got, _ = read(write_frames(tmp_path / "a.mkv", [frame], "ffv1"))
    np.testing.assert_allclose(got, np.stack([red, green, blue], axis=-1) / 1023, atol=1e-6)


def test_samples_of_other_layouts_are_moved_and_not_changed(tmp_path, rng):
    luma = rng.integers(16, 236, (16, 24), dtype=np.uint8)
    blue, red = rng.integers(16, 241, (2, 8, 12), dtype=np.uint8)
    mixed = np.stack([blue, red], axis=-1).reshape(8, 24)
    one = frame_of_planes([luma, mixed], "nv12")
    two = frame_of_planes([luma, blue, red], "yuv420p")
    first, _ = read(write_frames(tmp_path / "a.mkv", [one], "rawvideo"))
    second, _ = read(write_frames(tmp_path / "b.mkv", [two], "ffv1"))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(second, yuv.to_rgb([luma, blue, red], 8, 6, False))


def test_gray_video_is_full_range_unless_it_says_otherwise(tmp_path, rng):
    levels = rng.integers(16, 236, (16, 24), dtype=np.uint8)
    paths = [
        write_frames(
            tmp_path / f"{full}.mkv", [frame_of_planes([levels], "gray", full=full)], "ffv1"
        )
        for full in (None, False)
    ]
    np.testing.assert_allclose(read(paths[0])[0][..., 1], levels / 255, atol=1e-6)
    np.testing.assert_allclose(read(paths[1])[0][..., 1], (levels - 16.0) / 219, atol=1e-6)


def test_other_primaries_become_srgb(tmp_path, photo):
    """Against linear light in float64, from the chromaticities of BT.2020 and BT.709."""
    frame = planes_of(photo, "yuv444p10le", 9, True)
    frame.color_primaries, frame.color_trc = 9, 1
    path = write_frames(tmp_path / "a.mkv", [frame], "ffv1")
    got, held = read(path)
    assert (held.coding.primaries, held.coding.transfer) == (9, 1)

    def to_xyz(chromaticities):
        xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in chromaticities]).T
        white = np.array([0.3127 / 0.329, 1, (1 - 0.3127 - 0.329) / 0.329])
        return xyz * np.linalg.solve(xyz, white)

    wide = to_xyz([(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)])
    narrow = to_xyz([(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)])
    stored = np.float64(photo) / 255
    linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.linalg.solve(narrow, wide).T, 0, 1)
    want = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    # Ten bits and FFmpeg's rounding of what it stores; the curve is steep in the shadows.
    assert np.abs(got - want).mean() < 0.002
    assert np.quantile(np.abs(got - want), 0.999) < 0.02


def test_frames_are_upright(tmp_path, photo):
    path = write_images(tmp_path / "a.mov", [photo], "mpeg4", rotation=90)
    got, held = read(path)
    assert (held.height, held.width) == (160, 128)
    assert np.abs(got - np.rot90(photo) / 255).mean() < 0.03
    assert np.abs(got - np.rot90(photo, 3) / 255).mean() > 0.2


def test_every_wanted_frame_comes_in_order(tmp_path):
    levels = [10 * n + 20 for n in range(12)]
    path = write_images(
        tmp_path / "a.mkv", [np.full((16, 16, 3), v, np.uint8) for v in levels], "ffv1"
    )
    held = video.inspect(path)
    assert held.frames == 12
    coding = yuv.default_coding(16, 16)
    got = [255 * frame.mean() for frame in video.frames(held, coding, [0, 3, 4, 11])]
    np.testing.assert_allclose(got, [levels[k] for k in (0, 3, 4, 11)], atol=1)
    assert list(video.frames(held, coding, [])) == []
    with pytest.raises(InputError, match="no longer has frame 12; it changed"):
        list(video.frames(held, coding, [12]))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.webm", "libvpx-vp9"), ("a.hevc", "libx265"),
        ("a.h264", "libx264"), ("a.avi", "mjpeg"), ("a.mpg", "mpeg2video"), ("a.ts", "libx264"),
    ],
)  # fmt: skip
def test_frames_are_counted_whatever_the_header_says(tmp_path, photo, name, codec):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    form = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_images(
        tmp_path / name,
        [np.roll(photo, 4 * n, 1) for n in range(9)],
        codec,
        form=form,
        options=options,
    )
    assert video.is_video(path)
    got, held = read(path)
    assert held.frames == 9
    assert held.rate in (None, 30)
    assert (held.rate is None) == name.endswith(("hevc", "h264"))  # bare streams have none
    assert np.abs(got - photo / 255).mean() < 0.05


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.y4m", "wrapped_avframe"), ("a.mkv", "ffv1")]
)
def test_a_truncated_file_loses_frames_or_is_refused(tmp_path, photo, name, codec, cut):
    path = write_images(tmp_path / name, [photo] * 9, codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    assert frames_of(path) < 9


def test_flipped_bits_are_found_by_the_decoder(tmp_path, photo, rng):
    path = write_images(tmp_path / "a.mp4", [np.roll(photo, 4 * n, 1) for n in range(9)], "libx264")
    data = bytearray(path.read_bytes())
    for position in rng.integers(len(data) // 3, 2 * len(data) // 3, 30):
        data[position] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        video.inspect(path)


def hdr(transfer):
    frame = frame_of_planes([np.full((16, 16), 400, np.uint16)] * 3, "yuv444p10le", matrix=9)
    frame.color_primaries, frame.color_trc = 9, transfer
    return frame


@pytest.mark.parametrize(
    ("frames", "codec", "message"),
    [
        ([hdr(16)], "ffv1", r"is an HDR image \(PQ\)"),
        ([hdr(18)], "ffv1", r"is an HDR image \(HLG\)"),
        ([av.VideoFrame(16, 16, "bgra")], "ffv1", "has an alpha channel"),
        ([av.VideoFrame(16, 16, "xyz12le")], "rawvideo", "pixel format xyz12le is not supported"),
        (
            [frame_of_planes([np.full((16, 16), 99, np.uint8)] * 3, "yuv444p", matrix=8)],
            "ffv1",
            r"its matrix \(H.273 code 8\) is not supported",
        ),
    ],
)
def test_what_cannot_become_srgb_is_refused(tmp_path, frames, codec, message):
    path = write_frames(tmp_path / "a.mkv", frames, codec)
    with pytest.raises(InputError, match=message):
        video.inspect(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a video",
        b"YUV4MPEG2 W0 H16 F30:1 C420jpeg\nFRAME\n",
        b"YUV4MPEG2 W16 H16 F30:1 Cunknown\nFRAME\n" + bytes(384),
        b"YUV4MPEG2 W16 H16 F30:1 C420jpeg\n",
        b"YUV4MPEG2 W16 H16 F30:1 C420jpeg\nFRAME\n" + bytes(100),
        b"YUV4MPEG2 W16 H16 F0:0 C420jpeg\nGRAME\n" + bytes(384),
        b"YUV4MPEG2 W99999 H99999 F30:1 C420jpeg\nFRAME\n" + bytes(384),
        b"ffconcat version 1.0\nfile other.mp4\n",
        b"#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
    ],
)
def test_bad_files_are_one_line(tmp_path, photo, content):
    write_images(tmp_path / "other.mp4", [photo], "libx264")
    path = tmp_path / "bad.y4m"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        video.inspect(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_missing_files_folders_and_pipes(tmp_path):
    os.mkfifo(tmp_path / "pipe.y4m")
    (tmp_path / "folder.y4m").mkdir()
    for name, message in (
        ("none.y4m", "no such file"), ("pipe.y4m", "a device"), ("folder.y4m", "is a folder"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            video.inspect(tmp_path / name)


def test_a_sound_is_no_video(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="has no video stream"):
        video.inspect(path)


def test_an_unknown_codec(tmp_path, photo):
    path = write_images(tmp_path / "a.mkv", [photo], "libx264")
    data = path.read_bytes()
    assert data.count(b"V_MPEG4/ISO/AVC") == 1
    path.write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/XYZ"))
    with pytest.raises(InputError, match="its codec is not supported"):
        video.inspect(path)


def test_the_limit_of_pixels_holds_before_decoding(tmp_path, photo):
    path = write_images(tmp_path / "a.mp4", [photo], "libx264")
    with pytest.raises(InputError, match="160 x 128 pixels is beyond the limit of 20,000"):
        video.inspect(path, max_pixels=20_000)
    assert video.inspect(path, max_pixels=160 * 128).frames == 1


def test_sizes_that_change_are_refused(tmp_path, photo):
    """Two bare streams one after the other are one stream that changes its size."""
    small = write_images(tmp_path / "b.h264", [photo[:96, :96]] * 2, "libx264").read_bytes()
    path = write_images(tmp_path / "a.h264", [photo] * 2, "libx264")
    path.write_bytes(path.read_bytes() + small)
    with pytest.raises(InputError, match="frame 2 has 96 x 96 pixels, but frame 0 has 160 x 128"):
        video.inspect(path)
    path.write_bytes(small + write_images(tmp_path / "c.h264", [photo] * 2, "libx264").read_bytes())
    with pytest.raises(InputError):
        video.inspect(path, max_pixels=96 * 96)


def test_without_pyav_the_line_names_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "av":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"needs PyAV; run: pip install 'gsn_jax\[video\]'"):
        video.inspect(tmp_path / "a.y4m")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path):
    """Three hundred more frames of 1.4 MB as floats, in a process of its own."""
    program = (
        "import re, sys\n"
        "from gsn_jax.images import video, yuv\n"
        "held = video.inspect(sys.argv[1])\n"
        "coding = yuv.default_coding(held.width, held.height)\n"
        "for frame in video.frames(held, coding, range(held.frames)): pass\n"
        "peak = re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]\n"
        "print(held.frames, peak)\n"
    )
    peaks = []
    for number in (20, 320):
        image = np.full((360, 320, 3), 99, np.uint8)
        path = write_images(tmp_path / f"{number}.mp4", [image] * number, "libx264")
        done = subprocess.run(
            [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
        )
        frames, peak = map(int, done.stdout.split())
        assert frames == number
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 30_000  # KiB; all frames would take 400 000
