"""Labels of synthesised images, from distances and levels."""

import numpy as np
import pytest

from data_pipelines import distortions, synthesis_labels
from gsn_jax.errors import InputError


def test_isotonic_labels_by_hand():
    # pool adjacent violators: 0.5 and 0.7 become their mean
    np.testing.assert_allclose(synthesis_labels.falling([0.9, 0.5, 0.7]), [0.9, 0.6, 0.6])
    np.testing.assert_allclose(synthesis_labels.falling([1.2, 0.4, -0.1]), [1, 0.4, 0])


def test_the_ensemble_falls_with_every_distance_and_is_highest_for_identical_images():
    zero = np.zeros((1, len(synthesis_labels.weights.METRICS)))
    best = synthesis_labels.ensemble_quality("jpeg", zero)[0]
    assert 0.85 < best <= 1
    for column in range(zero.shape[1]):
        worse = zero.copy()
        worse[0, column] = 0.3
        assert synthesis_labels.ensemble_quality("jpeg", worse)[0] <= best
    assert synthesis_labels.ensemble_quality("jpeg", zero + 0.5)[0] < 0.5


def test_restored_images_are_judged_by_lpips_and_dists_alike():
    weights = synthesis_labels.weights.RESTORED
    assert list(weights) == ["lpips_alex", "dists"]
    values = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [0.4, 0.3]])
    quality = synthesis_labels.restored_quality(values)
    assert 0.9 < quality[0] <= 1
    assert quality[3] < 0.5
    assert quality[0] > max(quality[1:3])
    assert min(quality[1:3]) > quality[3]
    alone = [
        1 / (1 + np.exp(slope * np.log(distance + floor) - offset))
        for distance, (floor, offset, slope) in zip([0.4, 0.3], weights.values(), strict=True)
    ]
    assert quality[3] == pytest.approx(np.mean(alone), abs=1e-12)


def test_the_ensemble_says_at_once_which_weights_are_missing(monkeypatch):
    def missing():
        raise InputError("weights.pt: run: pip install --no-deps DISTS-pytorch==0.1")

    monkeypatch.setattr(synthesis_labels.packages, "dists_weights", missing)
    with pytest.raises(InputError, match="pip install --no-deps DISTS-pytorch"):
        synthesis_labels.check("ensemble")


def test_the_tables_of_labels_name_the_types_of_distortions():
    weights, like = synthesis_labels.weights, synthesis_labels.LIKE
    assert set(distortions.names()) >= {*weights.OFFSETS, *like, *like.values()}
    # A similar type has an offset and opinions to lend; the type itself has none.
    assert set(weights.OFFSETS) >= set(like.values())
    assert not set(weights.OFFSETS) & set(like)
    numbers = {name: distortions.get(name).tid2013 for name in distortions.names()}
    assert all(numbers[other] and not numbers[name] for name, other in like.items())
    assert set(filter(None, numbers.values())) == set(weights.MOS) == set(range(1, 25))


def test_every_type_has_a_label_at_every_level():
    for name in distortions.names():
        labels = [synthesis_labels.level_quality(name, level) for level in distortions.LEVELS]
        assert labels == sorted(labels, reverse=True)
        assert 0 < labels[-1] < labels[0] <= 1


def test_level_labels_follow_the_opinions_of_tid2013():
    # mean opinion 5.91 and 2.12 of JPEG's levels 1 and 5, over 7.2
    assert synthesis_labels.level_quality("jpeg", 1) == pytest.approx(5.91 / 7.2, abs=1e-6)
    assert synthesis_labels.level_quality("jpeg", 5) == pytest.approx(2.12 / 7.2, abs=1e-6)
    # lens blur is judged like Gaussian blur, 5.67 at level 1
    assert synthesis_labels.level_quality("lens_blur", 1) == pytest.approx(5.67 / 7.2, abs=1e-6)
    assert synthesis_labels.level_quality("jitter", 1) > synthesis_labels.level_quality("jitter", 5)
