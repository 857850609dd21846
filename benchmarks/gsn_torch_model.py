"""GSN's default model and training step in plain PyTorch, as a worker in its own environment.

Reads one JSON request per line on standard input and answers with one JSON line:

    {"load": FILE.npz, "device", "dtype", "compile", "channels_last", "options"}
                        ->  {"device", "torch"}
    {"score": true}     ->  {"scores": [...], "loss": ...}
    {"train": repeats}  ->  {"seconds": [...], "loss": ...}

FILE.npz holds the parameters under `params/...`, in JAX's layout, and the batch. The package itself
never imports torch.
"""

import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class CDC(nn.Module):
    """Central difference convolution, computed as one convolution, and ReLU."""

    def __init__(self, kernel, bias, theta):
        super().__init__()
        self.kernel = nn.Parameter(kernel.permute(3, 2, 0, 1).contiguous())
        self.bias = nn.Parameter(bias)
        self.theta = theta

    def forward(self, x):
        """Keeps the height and width."""
        total = self.kernel.sum(dim=(2, 3), keepdim=True)
        kernel = self.kernel - F.pad(self.theta * total, (1, 1, 1, 1))
        return F.relu(F.conv2d(x, kernel, self.bias, padding=1))


class Attention(nn.Module):
    """CBAM's spatial attention."""

    def __init__(self, kernel):
        super().__init__()
        self.kernel = nn.Parameter(kernel.permute(3, 2, 0, 1).contiguous())

    def forward(self, x):
        """Weights every position."""
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(F.conv2d(pooled, self.kernel, padding=self.kernel.shape[-1] // 2))


class Dense(nn.Module):
    """A linear map over channels; if `positive`, with the softplus of its weights."""

    def __init__(self, kernel, bias=None, *, positive=False):
        super().__init__()
        self.positive = positive
        self.kernel = nn.Parameter(kernel.T[:, :, None, None].contiguous())
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x):
        """Maps the channels."""
        kernel = F.softplus(self.kernel) if self.positive else self.kernel
        return F.conv2d(x, kernel, self.bias)


class Level(nn.Module):
    """Joint features and errors of one level of stride 16 / `factor`, reduced to stride 16."""

    def __init__(self, get, factor):
        super().__init__()
        self.factor = factor
        self.joint = Dense(get("joint/kernel"), get("joint/bias"))
        self.joint_around = Dense(get("joint_around/kernel"))
        self.visibility = Dense(get("visibility/kernel"), get("visibility/bias"))
        self.visibility_around = Dense(
            get("visibility_around/kernel"), get("visibility_around/bias")
        )
        self.mix = Dense(get("mix/kernel"), positive=True)
        self.mix_around = Dense(get("mix_around/kernel"), positive=True)
        self.floor = nn.Parameter(get("floor"))

    def forward(self, a, b):
        """Takes reference and distorted features; returns joint features and errors."""
        floors = F.softplus(self.floor)[:, :, None, None]
        error, a, b, squared, apart = (
            F.avg_pool2d(x, self.factor) if self.factor > 1 else x
            for x in (similarity(a, b, floors[0]), a, b, a**2 + b**2, (a - b) ** 2)
        )
        means = [window(halve(x)) for x in (a, b, squared, apart)]
        around = torch.cat(texture_and_structure(*means, floors[1:]), dim=1)
        scale = torch.rsqrt((a**2 + b**2).mean(1, keepdim=True) / 2 + 0.05)
        near = torch.cat([a * scale, 5 * (b - a) * scale, roots(error)], dim=1)
        near, far = self.joint(near), self.joint_around(roots(around))
        joint = F.relu(near + spread(far, near))
        near = error * 2 * torch.sigmoid(self.visibility(joint))
        far = around * 2 * torch.sigmoid(self.visibility_around(halve(joint)))
        near, far = self.mix(near), self.mix_around(far)
        return joint, (near + spread(far, near)) / 2


def similarity(a, b, floor):
    """Errors as in SSIM."""
    return (a - b) ** 2 / (a**2 + b**2 + floor)


def texture_and_structure(a, b, squared, apart, floors):
    """Errors of texture and structure as in DISTS, from means over windows."""
    structure = F.relu(apart - (a - b) ** 2) / (F.relu(squared - a**2 - b**2) + floors[1])
    return similarity(a, b, floors[0]), structure


def halve(x):
    """Averages over 2 x 2."""
    return F.avg_pool2d(x, 2, ceil_mode=True)


def window(x):
    """Averages over 3 x 3, without the padding."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def spread(x, like):
    """Repeats every value in 2 x 2 cells, cropped to the size of `like`."""
    return F.interpolate(x, scale_factor=2)[..., : like.shape[2], : like.shape[3]]


def roots(x):
    """Square roots of errors, which are on the scale of features; 0 for 0."""
    return torch.sqrt(x + 1e-4) - 1e-2


class GSN(nn.Module):
    """The default GSN for images `(N, 3, H, W)` in [0, 1], with H and W multiples of 16."""

    def __init__(self, params, theta, dtype):
        super().__init__()

        def at(prefix):
            return lambda name: torch.from_numpy(params[f"{prefix}/{name}"])

        def block(prefix):
            get = at(prefix)
            return CDC(get("kernel"), get("bias"), theta)

        self.dtype = dtype
        self.stem = block("backbone/stem")
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AvgPool2d(2), block(f"backbone/{s}_0"), block(f"backbone/{s}_1"))
            for s in ("low", "mid", "high")
        )
        self.attentions = nn.ModuleList(
            Attention(at(f"attentions_{i}")("kernel")) for i in range(3)
        )
        self.levels = nn.ModuleList(Level(at(f"levels_{i}"), 2 ** (2 - i)) for i in range(3))
        self.fusion = block("fusion")
        get = at("scorer")
        self.visibility = Dense(get("visibility/kernel"), get("visibility/bias"))
        self.sum = Dense(get("sum/kernel"), positive=True)
        self.weight = Dense(get("weight/kernel"), get("weight/bias"))
        self.sensitivity = nn.Parameter(torch.from_numpy(params["sensitivity"]))

    def encode(self, images):
        """Features of three levels after spatial attention."""
        x = 2 * images - 1
        n, c, h, w = x.shape
        x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
        x = self.stem(x.reshape(n, 4 * c, h // 2, w // 2))
        features = []
        for stage, attend in zip(self.stages, self.attentions, strict=True):
            x = stage(x)
            features.append(attend(x))
        return features

    def forward(self, reference, distorted):
        """Raw scores `(N,)`."""
        images = torch.cat([reference, distorted])
        with torch.autocast(images.device.type, self.dtype, self.dtype != torch.float32):
            features = self.encode(images)
        pairs = zip(self.levels, features, strict=True)
        joints, errors = zip(*(level(*both.float().chunk(2)) for level, both in pairs), strict=True)
        fused = self.fusion(torch.cat(joints, dim=1))
        visible = 2 * torch.sigmoid(self.visibility(fused))
        scores = self.sum(torch.cat(errors, dim=1) * visible)
        weights = F.softplus(self.weight(fused)) + 1e-3
        pooled = (scores * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))
        return 1 - torch.log1p(pooled * torch.exp(self.sensitivity))


def loss(predictions, labels, options):
    """Weighted sum of the pairwise and listwise losses and the mean squared error."""

    def normalised(x):
        centred = x - x.mean()
        return centred / centred.norm()

    pairwise = ((normalised(predictions) - normalised(labels)) ** 2).mean()
    p = F.log_softmax(predictions / options["temperature"], 0)
    q = F.log_softmax(labels / options["temperature"], 0)
    listwise = (p.exp() * (p - q)).sum()
    mse = ((predictions - labels) ** 2).mean()
    return options["alpha"] * pairwise + options["beta"] * listwise + options["mse_weight"] * mse


def schedule(options):
    """The learning rate relative to its peak, as a function of updates: warm-up, then cosine."""
    warmup, steps = options["warmup_steps"], options["steps"]

    def factor(done):
        if done < warmup:
            return done / warmup
        return (1 + math.cos(math.pi * min((done - warmup) / (steps - warmup), 1))) / 2

    return factor


class Worker:
    """The model and its batch on a device."""

    def __init__(self, request):
        data = np.load(request["load"])
        prefix = "params/"
        params = {k.removeprefix(prefix): data[k] for k in data.files if k.startswith(prefix)}
        self.device = torch.device(
            ("cuda" if torch.cuda.is_available() else "cpu")
            if request["device"] == "auto"
            else request["device"]
        )
        layout = torch.channels_last if request["channels_last"] else torch.contiguous_format
        self.options = request["options"]
        dtype = getattr(torch, request["dtype"])
        model = GSN(params, self.options["theta"], dtype)
        self.model = model.to(self.device, memory_format=layout)
        self.pair = [
            torch.from_numpy(data[name])
            .permute(0, 3, 1, 2)
            .to(self.device)
            .contiguous(memory_format=layout)
            for name in ("reference", "distorted")
        ]
        self.quality = torch.from_numpy(data["quality"]).to(self.device)
        self.call = torch.compile(self.model) if request["compile"] else self.model
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.options["learning_rate"],
            weight_decay=self.options["weight_decay"],
            fused=True,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, schedule(self.options))
        self.average = [p.detach().clone() for p in self.model.parameters()]

    def floats(self):
        """Both images as floats in [0, 1]."""
        return [image.float() / 255 for image in self.pair]

    def score(self):
        """Scores of the batch and their loss, computed as in a step but without TF32."""
        torch.backends.cudnn.allow_tf32 = False
        with torch.no_grad():
            scores = self.call(*self.floats()).float()
            value = loss(scores, self.quality, self.options).item()
        torch.backends.cudnn.allow_tf32 = True
        return {"scores": scores.cpu().tolist(), "loss": value}

    def step(self):
        """One training step: forward, backward, clipping, update, average. Returns the loss."""
        value = loss(self.call(*self.floats()), self.quality, self.options)
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        with torch.no_grad():
            torch._foreach_lerp_(
                self.average, list(self.model.parameters()), 1 - self.options["ema"]
            )
        return value.item()

    def train(self, repeats):
        """Seconds of each step, and the last loss."""
        seconds, value = [], None
        for _ in range(repeats):
            start = time.perf_counter()
            value = self.step()
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "loss": value}


def main():
    """Answers requests until the input ends."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    worker = None
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            worker = Worker(request)
            name = (
                torch.cuda.get_device_name() if worker.device.type == "cuda" else worker.device.type
            )
            answer = {"device": name, "torch": torch.__version__}
        elif "score" in request:
            answer = worker.score()
        else:
            answer = worker.train(request["train"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
