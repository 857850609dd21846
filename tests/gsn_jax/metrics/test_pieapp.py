"""PieAPP against piq's module with the same random weights; the published ones are not at hand.

The expected values are those of piq 0.8.0 with torch 2.13.0, printed in such an environment by

    python tests/gsn_jax/metrics/test_pieapp.py
"""

import numpy as np
import pytest

GOLDENS = {27: 0.25950196385383606, 12: 0.37329474091529846}


def random_state_dict():
    """The authors' names and shapes, filled so that features neither vanish nor explode."""
    rng = np.random.default_rng(0)
    shapes = {}
    widths = (3, 64, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512)
    for i in range(1, 12):
        shapes[f"conv{i}"] = (widths[i], widths[i - 1], 3, 3)
    shapes |= {"fc1_score": (512, 120832), "fc2_score": (1, 512)}
    shapes |= {"fc1_weight": (512, 2048), "fc2_weight": (1, 512)}
    tensors = {}
    for name, shape in shapes.items():
        spread = np.float32(np.sqrt(6 / np.prod(shape[1:])))
        tensors[f"{name}.weight"] = spread * (2 * rng.random(shape, np.float32) - 1)
        tensors[f"{name}.bias"] = np.float32(0.01) * rng.random(shape[0], np.float32)
    tensors["fc2_weight.bias"] += 20  # weights of one sign, so that their sum is not near zero
    tensors["ref_score_subtract.weight"] = np.array([1.7], np.float32)
    tensors["ref_score_subtract.bias"] = np.array([0.2], np.float32)
    return tensors


def random_pair():
    rng = np.random.default_rng(1)
    reference = rng.random((76, 99, 3), np.float32)
    noise = 0.2 * rng.standard_normal(reference.shape).astype(np.float32)
    return reference, np.clip(reference + noise, 0, 1)


def piq_scores():
    import torch
    from piq.pieapp import PieAPP, PieAPPModel

    weights = {name: torch.from_numpy(value) for name, value in random_state_dict().items()}
    weights["ref_score_subtract.weight"] = weights["ref_score_subtract.weight"].unsqueeze(1)
    model = PieAPPModel()
    model.load_state_dict(weights)
    # As the authors read images: BGR.
    pair = [torch.from_numpy(i[..., ::-1].copy()).permute(2, 0, 1)[None] for i in random_pair()]
    scores = {}  # piq takes the distorted image first
    for stride in (27, 12):
        metric = PieAPP.__new__(PieAPP)  # its constructor downloads the weights
        torch.nn.Module.__init__(metric)
        metric.model, metric.data_range, metric.reduction = model, 1.0, "mean"
        metric.stride, metric.enable_grad = stride, False
        scores[stride] = float(metric(*pair[::-1]).detach())
    return scores


@pytest.mark.slow
def test_equals_piq():
    import jax

    from gsn_jax.metrics._pieapp import convert_pieapp, pieapp

    weights = convert_pieapp(random_state_dict())
    reference, distorted = random_pair()
    scored = jax.jit(pieapp, static_argnums=3)
    # float32 sums of 120832 features in another order
    np.testing.assert_allclose(scored(reference, distorted, weights, 12), GOLDENS[12], rtol=1e-4)
    batch = scored(
        np.stack([reference, reference])[None], np.stack([distorted, reference])[None], weights, 27
    )
    assert batch.shape == (1, 2)
    # An identical pair has no differences left: the regressors see zeros.
    hidden = np.maximum(weights.error[0][1], 0) @ weights.error[1][0] + weights.error[1][1]
    identical = 1.7 * 0.01 * hidden[0] + 0.2
    np.testing.assert_allclose(batch[0], [GOLDENS[27], identical], rtol=1e-4)


def test_the_program_does_not_grow_with_the_image():
    import jax

    from gsn_jax.metrics._pieapp import convert_pieapp, pieapp

    weights = convert_pieapp(random_state_dict())
    lines = [
        str(jax.make_jaxpr(pieapp)(image, image, weights)).count("\n")
        for image in (np.zeros((side, side, 3), np.float32) for side in (500, 900))
    ]
    assert lines[1] < 1.1 * lines[0]  # 324 and 1024 patches, in parts of a fixed number


def test_refuses_other_weights():
    from gsn_jax.errors import InputError
    from gsn_jax.metrics._pieapp import convert_pieapp

    with pytest.raises(InputError, match=r"mine\.npz: not the weights of PieAPP"):
        convert_pieapp({"conv1.weight": np.zeros((64, 3, 3, 3))}, where="mine.npz")


def test_says_which_file_is_needed(monkeypatch, tmp_path):
    from gsn_jax.errors import InputError
    from gsn_jax.metrics._pieapp import METRICS, pieapp

    image = np.zeros((64, 64, 3), np.float32)
    monkeypatch.delenv("GSN_PIEAPP_WEIGHTS", raising=False)
    with pytest.raises(InputError, match=r"PieAPPv0\.1\.pth .*set GSN_PIEAPP_WEIGHTS"):
        METRICS["pieapp"](image, image)
    monkeypatch.setenv("GSN_PIEAPP_WEIGHTS", str(tmp_path / "none.pth"))
    with pytest.raises(InputError, match=r"GSN_PIEAPP_WEIGHTS: no such file .*none\.pth"):
        pieapp(image, image)
    with pytest.raises(InputError, match="too small"):
        METRICS["pieapp"](image[:63], image[:63])
    with pytest.raises(InputError, match="no quality map"):
        METRICS["pieapp"].quality_map(image, image)


if __name__ == "__main__":
    print(piq_scores())
