"""Times pyiqa's LPIPS and DISTS, as a worker that runs in its own environment.

Reads one JSON request per line on standard input and answers with one JSON line:

    {"metric": name, "device": "cuda", "precision": "float32", "shape": [N, H, W], "repeats": n}
        -> {"seconds": [...]}

The answer is {} for metrics that are not compared. Times include the copies to and from the device.
"""

import functools
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")

NAMES = {"lpips_alex": "lpips", "lpips_vgg": "lpips-vgg", "dists": "dists"}


@functools.cache
def network(name, device):
    """pyiqa's network of a metric; it takes the distorted image first."""
    import pyiqa

    return pyiqa.create_metric(NAMES[name], device=device).net.eval()


def timings(request):
    """Seconds of each repeat, after two calls to warm up."""
    import torch

    if request["metric"] not in NAMES:
        return {}
    count, height, width = request["shape"]
    x = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)
    y = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)
    device, half = request["device"], request["precision"] == "bfloat16"
    seconds = []
    for _ in range(request["repeats"] + 2):
        start = time.perf_counter()
        first, second = (images.to(device).float() / 255 for images in (x, y))
        with torch.autocast(device, torch.bfloat16, enabled=half):
            network(request["metric"], device)(second, first).cpu()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds[2:]}


def main():
    """Answers requests until the input ends."""
    import torch

    answers, sys.stdout = sys.stdout, sys.stderr  # pyiqa prints while it loads
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.inference_mode():
        for line in sys.stdin:
            print(json.dumps(timings(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
