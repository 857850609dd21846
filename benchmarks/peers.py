"""Other implementations of the metrics, as a worker that runs in their own environment.

Reads one JSON request per line on standard input and answers with one JSON line:

    {"values": [[reference, distorted], ...], "metrics": [...]}  ->  {metric: {peer: [value, ...]}}
    {"time": metric, "shape": [N, H, W], "repeats": n}           ->  {peer: [seconds, ...]}

A peer that is not installed is left out, with a line on standard error. GSN_LIBJXL_PEER is the path
of the library built from `libjxl_peer.cc`. The package itself never imports torch or the peers.
"""

import ctypes
import functools
import importlib.util
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from PIL import Image

warnings.filterwarnings("ignore")


def functions():
    """metric -> peer -> function of two float tensors `(N, 3, H, W)` in [0, 1], reference first."""
    table = {}

    def add(name, peer, function):
        table.setdefault(name, {})[peer] = function

    for group in (_pyiqa, _piq, _torchmetrics, _scikit_image, _lpips, _cvvdp, _flip, _psnr_hvsm):
        _unless_absent(group, add)
    for group in (_ssimulacra2, _libjxl, _libvmaf, _adists):
        _unless_absent(group, add)
    return table


def _unless_absent(group, add):
    try:
        group(add)
    except (ImportError, OSError) as error:
        print(f"skipped {group.__name__.strip('_')}: {error}", file=sys.stderr)


def _gray(x):
    import torch

    weights = torch.tensor([0.298936, 0.587043, 0.114021], dtype=x.dtype)
    return ((x * weights.view(1, 3, 1, 1)).sum(1, keepdim=True) * 255).round() / 255


def _each(function):
    """Extends a function of two arrays `(H, W, 3)` in [0, 1] to batches of tensors."""

    def scores(x, y):
        pairs = zip(x.numpy(), y.numpy(), strict=True)
        return np.array(
            [function(*(np.moveaxis(image, 0, -1) for image in pair)) for pair in pairs]
        )

    return scores


def _8_bits(image):
    return np.rint(255 * image).astype(np.uint8)


def _pyiqa(add):
    import pyiqa

    def pyiqa_metric(name, **options):
        @functools.cache
        def model():
            return pyiqa.create_metric(name, device="cpu", **options).net.eval()

        return lambda x, y: model()(y, x)  # the network takes the distorted image first

    for name in ("psnr", "ssim", "ms_ssim", "gmsd", "nlpd", "vsi", "vif", "mad"):
        add(name, "pyiqa", pyiqa_metric(name))
    add("psnr_y", "pyiqa", pyiqa_metric("psnry"))
    add("fsimc", "pyiqa", pyiqa_metric("fsim"))
    add("lpips_alex", "pyiqa", pyiqa_metric("lpips"))
    add("lpips_vgg", "pyiqa", pyiqa_metric("lpips-vgg"))
    add("dists", "pyiqa", pyiqa_metric("dists"))

    add("cw_ssim", "pyiqa", pyiqa_metric("cw_ssim"))


def _piq(add):
    import piq

    def reduced(function, **options):
        return lambda x, y: function(y, x, reduction="none", **options)

    add("psnr", "piq", reduced(piq.psnr))
    add(
        "ssim", "piq", lambda x, y: piq.ssim(_gray(x), _gray(y), downsample=False, reduction="none")
    )
    add("ms_ssim", "piq", lambda x, y: piq.multi_scale_ssim(_gray(x), _gray(y), reduction="none"))
    add("vifp", "piq", reduced(piq.vif_p))
    for name, function in {
        "iw_ssim": piq.information_weighted_ssim,
        "gmsd": piq.gmsd,
        "ms_gmsd": piq.multi_scale_gmsd,
        "mdsi": piq.mdsi,
        "haarpsi": piq.haarpsi,
        "fsimc": piq.fsim,
        "vsi": piq.vsi,
        "sr_sim": piq.srsim,
        "dss": piq.dss,
    }.items():
        add(name, "piq", reduced(function))
    add("fsim", "piq", reduced(piq.fsim, chromatic=False))


def _torchmetrics(add):
    import torchmetrics.functional.image as tm

    def torchmetrics_ssim(x, y):
        # Its Gaussian window is cut at 3.5 sigma: 11 samples for sigma 1.5.
        return tm.structural_similarity_index_measure(
            _gray(y), _gray(x), data_range=1.0, reduction="none"
        )

    add("ssim", "torchmetrics", torchmetrics_ssim)


def _scikit_image(add):
    from skimage import color
    from skimage import metrics as sk

    def skimage_ssim(x, y):
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        pairs = zip(_gray(x).numpy()[:, 0], _gray(y).numpy()[:, 0], strict=True)
        return np.array(
            [sk.structural_similarity(a, b, data_range=1.0, **options) for a, b in pairs]
        )

    def skimage_psnr(x, y):
        pairs = zip(x.numpy(), y.numpy(), strict=True)
        return np.array([sk.peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in pairs])

    add("ssim", "scikit-image", skimage_ssim)
    add("psnr", "scikit-image", skimage_psnr)
    add(
        "ciede2000",
        "scikit-image",
        _each(lambda a, b: color.deltaE_ciede2000(color.rgb2lab(a), color.rgb2lab(b)).mean()),
    )


def _lpips(add):
    import lpips

    @functools.cache
    def model(network):
        return lpips.LPIPS(net=network, verbose=False).eval()

    def scores(network, x, y):
        return model(network)(2 * x - 1, 2 * y - 1)

    for name, network in (("lpips_alex", "alex"), ("lpips_vgg", "vgg")):
        add(name, "lpips", functools.partial(scores, network))


def _adists(add):
    """The authors' A-DISTS; GSN_ADISTS is the path of a file of github.com/dingkeyan93/A-DISTS."""
    path = os.environ.get("GSN_ADISTS")
    if not path:
        raise ImportError("GSN_ADISTS is not set")
    spec = importlib.util.spec_from_file_location("adists", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    @functools.cache
    def model():
        return module.ADISTS().eval()

    def scores(x, y):
        return model()(x, y, as_loss=False)

    add("adists", "authors", scores)


def _libvmaf(add):
    """libvmaf's command `vmaf` on luma; VMAF_MODELS is the folder of its models."""
    if not shutil.which("vmaf"):
        raise ImportError("the program vmaf is not on the PATH")
    models = os.environ.get("VMAF_MODELS")
    if not models:
        raise ImportError("VMAF_MODELS is not set")

    def luma(x):
        rgb = x.permute(0, 2, 3, 1).double().numpy()
        return np.round(16 + rgb @ [65.481, 128.553, 24.966]).astype(np.uint8)

    def score(model, pair, folder):
        height, width = pair[0].shape
        command = ["vmaf", "-q", "--json", "-w", width, "-h", height, "-p", "420", "-b", "8"]
        command += ["-m", f"path={models}/{model}.json:name=score"]
        for option, plane in zip("rd", pair, strict=True):
            chroma = bytes([128]) * (2 * -(-height // 2) * -(-width // 2))
            pathlib.Path(folder, option).write_bytes(plane.tobytes() + chroma)
            command += [f"-{option}", f"{folder}/{option}"]
        command = [*map(str, command), "-o", f"{folder}/scores.json"]
        subprocess.run(command, check=True, capture_output=True)
        scores = json.loads(pathlib.Path(folder, "scores.json").read_text())
        return scores["frames"][0]["metrics"]["score"]

    def scores(model, x, y):
        with tempfile.TemporaryDirectory() as folder:
            pairs = zip(luma(x), luma(y), strict=True)
            return np.array([score(model, pair, folder) for pair in pairs])

    for name, version in (("vmaf", "v0.6.1"), ("vmaf_neg", "v0.6.1neg")):
        add(name, "libvmaf", functools.partial(scores, f"vmaf_float_{version}"))
        add(name, "libvmaf integer", functools.partial(scores, f"vmaf_{version}"))


def _cvvdp(add):
    import pycvvdp
    import torch

    @functools.cache
    def model():
        return pycvvdp.cvvdp(display_name="standard_4k", quiet=True, device=torch.device("cpu"))

    def score(x, y):
        return float(model().predict(y, x, dim_order="HWC")[0])

    add("cvvdp", "cvvdp", _each(score))


def _flip(add):
    import flip_evaluator

    def score(x, y):
        return flip_evaluator.evaluate(x, y, "LDR", applyMagma=False)[1]

    add("flip", "flip-evaluator", _each(score))


def _psnr_hvsm(add):
    import psnr_hvsm

    package = psnr_hvsm.BACKENDS["cpp"]  # always computes both metrics

    def score(which, x, y):
        # The package aborts on incomplete blocks; the authors' code leaves them out.
        height, width = (size // 8 * 8 for size in x.shape[:2])
        images = (np.ascontiguousarray(_8_bits(image[:height, :width])) for image in (x, y))
        luma = (package["bt601ycbcr"](image)[0] for image in images)
        return package["psnr_hvs_hvsm"](*luma)[which]

    for which, name in enumerate(("psnr_hvs", "psnr_hvs_m")):
        add(name, "psnr-hvsm", _each(functools.partial(score, which)))


def _ssimulacra2(add):
    package = importlib.import_module("ssimulacra2.ssimulacra2")

    def bitmap(image):
        file = io.BytesIO()  # the package takes files only; BMP decodes fastest
        Image.fromarray(_8_bits(image)).save(file, "bmp")
        return file

    add(
        "ssimulacra2",
        "ssimulacra2",
        _each(lambda x, y: package.compute_ssimulacra2(bitmap(x), bitmap(y))),
    )


def _libjxl(add):
    library = ctypes.CDLL(os.environ.get("GSN_LIBJXL_PEER", "GSN_LIBJXL_PEER is not set"))

    def score(function, which, x, y):
        planes = [np.ascontiguousarray(np.moveaxis(image, -1, 0)) for image in (x, y)]
        result = np.zeros(2)
        first, second, out = (a.ctypes.data_as(ctypes.c_void_p) for a in (*planes, result))
        height, width = (ctypes.c_size_t(size) for size in x.shape[:2])
        if not function(first, second, height, width, out):
            raise ValueError("libjxl failed")
        return result[which]

    for name, function, which in (
        ("butteraugli", library.libjxl_butteraugli, 0),
        ("butteraugli_3norm", library.libjxl_butteraugli, 1),
        ("ssimulacra2", library.libjxl_ssimulacra2, 0),
    ):
        function.restype = ctypes.c_bool
        add(name, "libjxl", _each(functools.partial(score, function, which)))


def load(path):
    """An 8-bit image file as a tensor (1, 3, H, W) in [0, 1]."""
    import torch

    pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()


def values(table, request):
    """Scores of pairs of files by every peer of the metrics; None where a peer fails."""
    answer = {}
    for name in request["metrics"]:
        for peer, function in table.get(name, {}).items():
            scores = []
            for reference, distorted in request["values"]:
                try:
                    scores.append(np.asarray(function(load(reference), load(distorted))).item())
                except Exception as error:
                    print(f"{peer} {name}: {error}", file=sys.stderr)
                    scores.append(None)
            answer.setdefault(name, {})[peer] = scores
    return answer


def timings(table, request):
    """Seconds of each repeat, after one call to warm up."""
    import torch

    generator = torch.Generator().manual_seed(0)
    count, height, width = request["shape"]
    x = torch.rand(count, 3, height, width, generator=generator)
    y = (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    answer = {}
    for peer, function in table.get(request["time"], {}).items():
        function(x, y)
        answer[peer] = []
        for _ in range(request["repeats"]):
            start = time.perf_counter()
            function(x, y)
            answer[peer].append(time.perf_counter() - start)
    return answer


def main():
    """Answers requests until the input ends."""
    import torch

    answers, sys.stdout = sys.stdout, sys.stderr  # the peers print while they load
    torch.set_num_threads(2)
    table = functions()
    with torch.inference_mode():
        for line in sys.stdin:
            request = json.loads(line)
            answer = values(table, request) if "values" in request else timings(table, request)
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
