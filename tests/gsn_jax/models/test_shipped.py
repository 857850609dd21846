"""What every model inside the package promises, on photographs that it has never seen.

To set the bounds of a new model, run these tests: an assertion's message gives what was measured.
`python scripts/shipped_sanity.py --metric NAME` measures the same as a table.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shipped_checks as checks

import gsn_jax
from data_pipelines import distortions
from gsn_jax import metrics
from gsn_jax.models import shipped

# Of the photographs, the part on which quality must fall strictly from none over level 1 to 5.
STRICT_SHARE = 0.95

_HUES = (
    "level 4 (chroma times -0.3) leaves little colour, 5 (times -0.9) inverts the hues, but the "
    "contrasts of the colours are back"
)

# By model and version, the distortions whose levels cannot all be told apart: the part of the
# photographs on which quality falls strictly at least, and why that is not all of them. From none
# over level 1 to level 5 quality falls for these too, on every photograph.
NOT_STRICT = {
    "gsn 0.4.0": {"saturation": (0.75, _HUES)},
    "gsn-b 0.3.0": {"saturation": (0.5, _HUES)},
}


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The most that a score, from 0 to 1, may change.

    Attributes:
        one_pixel: where the distorted image is the reference, one pixel aside.
        jpeg95: where it is the reference as JPEG of quality 95.
        moved_together: where both images are cut one pixel aside.
        mirrored: between sizes, where a pair is continued by its mirror images.
        resized: between sizes, where a photograph is resized and then distorted.
    """

    one_pixel: float
    jpeg95: float
    moved_together: float
    mirrored: float
    resized: float


# By model and version, a quarter or more above the largest change measured.
BOUNDS = {
    "gsn 0.4.0": Bounds(
        one_pixel=0.44, jpeg95=0.08, moved_together=0.06, mirrored=0.05, resized=0.13
    ),
    "gsn-b 0.3.0": Bounds(
        one_pixel=0.25, jpeg95=0.14, moved_together=0.03, mirrored=0.03, resized=0.05
    ),
}
# For a version that has none of its own.
LOOSE = Bounds(one_pixel=0.75, jpeg95=0.38, moved_together=0.08, mirrored=0.08, resized=0.12)

# The first are asked of slow models.
QUICK_TYPES = (
    "jpeg",
    "gaussian_blur",
    "white_noise",
    "upscaling_bicubic",
    "contrast",
    "mean_shift",
    "chromatic_aberration",
    "quantisation",
    "pattern_noise",
    "denoising",
    "upscaling_nearest",
    "gaussian_blur+white_noise",
)

# What is compared between positions and sizes, at level 3.
MOVED = ("jpeg", "gaussian_blur", "white_noise", "contrast")
# Without blur: an enlarged photograph is smooth, and has little that blur could take.
RESIZED = ("jpeg", "white_noise")


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much is measured of one model: what is slow to compute is asked less.

    Attributes:
        photographs: of scikit-image.
        types: of distortion, without the development data.
        kinds: how many of `MOVED` and of `RESIZED` are compared between sizes.
        size: of the crops. From 161 to 288 pixels all cost the same, see `gsn_jax.scoring.tiles`.
        largest: size up to which sizes are compared; 2048 with the development data.
        scenes: Kodak's, with the development data, for all types of distortion.
        ascents: on how many photographs the gradient is followed.
        ascent_size: of these.
        ascent_steps: along the gradient.
    """

    photographs: tuple[str, ...]
    types: tuple[str, ...]
    kinds: int
    size: int
    largest: int
    scenes: tuple[int, ...]
    ascents: int
    ascent_size: int
    ascent_steps: int


BUDGETS = {
    "gsn": Budget(
        photographs=checks.PHOTOGRAPHS[:2],
        types=QUICK_TYPES,
        kinds=2,
        size=288,
        largest=1024,
        scenes=checks.RESERVED_SCENES,
        ascents=2,
        ascent_size=96,
        ascent_steps=50,
    )
}
SLOW = Budget(
    photographs=checks.PHOTOGRAPHS[:1],
    types=QUICK_TYPES[:3],
    kinds=1,
    size=128,
    largest=512,
    scenes=checks.RESERVED_SCENES[:2],
    ascents=1,
    ascent_size=64,
    ascent_steps=20,
)


def _shipped():
    """The default model in every run; the others take much time and rarely break."""
    return [
        pytest.param(name, marks=() if name in BUDGETS else pytest.mark.slow)
        for name in shipped.names()
    ]


@pytest.fixture(scope="module", params=_shipped())
def metric(request):
    return gsn_jax.load(request.param)


def version_of(metric):
    return f"{metric.name} {metric.version}"


@pytest.fixture(scope="module")
def budget(metric):
    return BUDGETS.get(metric.name, SLOW)


@pytest.fixture(scope="module")
def bounds(metric):
    return BOUNDS.get(version_of(metric), LOOSE)


@pytest.fixture(scope="module")
def images(budget):
    return checks.photographs(budget.size, budget.photographs)


def level_3(image, kinds):
    return {kind: distortions.apply(kind, image, level=3) for kind in kinds}


def assert_below(changes, bound):
    worst = max(changes, key=changes.get)
    listed = ", ".join(f"{name}: {value:.4f}" for name, value in changes.items())
    assert changes[worst] < bound, f"{worst}: {changes[worst]:.4f}, not below {bound}; {listed}"


def assert_falling(metric, images, kinds):
    scores = checks.level_scores(metric, images, kinds)
    shares = checks.share_falling(scores)
    named = NOT_STRICT.get(version_of(metric), {})
    missed = {
        kind: share
        for kind, share in shares.items()
        if share < (named[kind][0] if kind in named else STRICT_SHARE)
    }
    coarse = [case for case, row in scores.items() if not checks.falls([row[0], row[1], row[5]])]
    missed.update((kind, shares[kind]) for _, kind in coarse if kind in named)
    rows = [
        f"{name}, {kind}: {np.round(row, 4).tolist()}"
        for (name, kind), row in scores.items()
        if kind in missed and not checks.falls(row)
    ]
    total = np.mean([checks.falls(row) for row in scores.values()])
    assert not missed, "\n".join(
        [f"falls strictly in {total:.1%} of {len(scores)} cases; too seldom: {missed}", *rows]
    )


@pytest.mark.slow
def test_quality_falls_with_level(metric, budget, images):
    assert_falling(metric, images, budget.types)


@pytest.mark.slow
def test_quality_falls_with_level_for_every_type(metric, budget, gsn_data):
    images = checks.reserved(gsn_data, 288, budget.scenes)
    assert_falling(metric, images, distortions.names())


def test_what_is_named_as_not_strict_is_a_distortion():
    for named in NOT_STRICT.values():
        assert set(named) <= set(distortions.names())


def test_an_identical_pair_has_exactly_one_and_nothing_has_more(metric, images):
    for image in images.values():
        score = checks.against(metric, image)
        assert score(image) == 1.0
        hardly = image.copy()
        hardly[::8, ::8] ^= 1  # the last bit of a few pixels
        assert 0.9 < score(hardly) < 1.0, score(hardly)


@pytest.mark.slow
def test_what_hardly_shows_changes_little(metric, bounds, images):
    apart = {name: checks.one_pixel_apart(metric, image) for name, image in images.items()}
    jpeg = {name: checks.jpeg_drop(metric, image) for name, image in images.items()}
    assert_below(apart, bounds.one_pixel)
    assert_below(jpeg, bounds.jpeg95)


@pytest.mark.slow
def test_what_changes_no_pixel_changes_nothing(metric, images):
    image = next(iter(images.values()))
    for version in (image, *level_3(image, MOVED[:2]).values()):
        assert checks.lossless_change(metric, image, version) == 0


@pytest.mark.slow
def test_a_score_does_not_hang_on_one_pixel_of_a_frame(metric, bounds, images):
    for name, image in images.items():
        changes = checks.moved_together(metric, image, level_3(image, MOVED))
        assert_below(
            {f"{name}, {kind}": value for kind, value in changes.items()}, bounds.moved_together
        )


def sizes_up_to(largest):
    return [size for size in (256, 512, 1024, 2048) if size <= largest]


def assert_alike(scores, bound):
    assert_below({f"{kind} {row}": float(np.ptp(row)) for kind, row in scores.items()}, bound)


@pytest.mark.slow
def test_more_of_the_same_content_scores_alike(metric, budget, bounds):
    (image,) = checks.photographs(256, ("coffee",)).values()
    sizes = sizes_up_to(budget.largest)
    versions = level_3(image, MOVED[: budget.kinds])
    assert_alike(checks.mirrored_scores(metric, image, versions, sizes), bounds.mirrored)


@pytest.mark.slow
def test_large_images_score_alike(metric, bounds, gsn_data):
    """All size classes, which takes time."""
    (image,) = checks.reserved(gsn_data, 256, (23,)).values()
    sizes = sizes_up_to(2048)
    scores = checks.mirrored_scores(metric, image, level_3(image, MOVED[:1]), sizes)
    assert_alike(scores, bounds.mirrored)


@pytest.mark.slow
def test_a_resized_photograph_scores_alike(metric, budget, bounds):
    image = checks.photograph("astronaut")
    sizes = sizes_up_to(budget.largest)
    kinds = RESIZED[: budget.kinds]
    assert_alike(checks.resized_scores(metric, image, kinds, sizes), bounds.resized)


@pytest.mark.slow
@pytest.mark.usefixtures("few_programs")
def test_gradients_are_finite(metric, budget):
    gradient = checks.gradient(metric)
    (image,) = checks.photographs(budget.ascent_size, ("coffee",)).values()
    image = jnp.float32(image) / 255
    black, grey, white = (jnp.full_like(image, value) for value in (0.0, 0.5, 1.0))
    for pair in ((image, image), (black, black), (image, grey), (grey, image), (black, white)):
        assert np.isfinite(gradient(*pair)).all()


@pytest.mark.slow
@pytest.mark.usefixtures("few_programs")
def test_ascent_improves_an_image_in_the_eyes_of_others(metric, budget):
    """Steps of Adam take noise away, not only from what the model sees."""
    images = checks.photographs(budget.ascent_size, budget.photographs[: budget.ascents])
    for name, image in images.items():
        start = checks.noisy(image)
        improved, finite = checks.ascend(metric, image, start, steps=budget.ascent_steps)
        assert finite
        for other in (metric, metrics.get("vsi"), metrics.get("ssim")):
            before, after = (float(other(image, np.asarray(x))) for x in (start, improved))
            assert after > before, f"{name}: {other.name} {before:.4f} before, {after:.4f} after"


def test_stored_kernels_are_close_to_the_published_ones():
    """Rounding to steps of the scale has an RMS error of step / sqrt(12), whatever the kernel."""
    folder = shipped.folder("gsn-b")
    found = {}
    for path, kernel in stored_kernels(folder):
        rms = np.sqrt(np.mean(np.square(kernel["int8"] * kernel["scale"])))
        found[path] = float(np.sqrt(np.mean(np.square(kernel["scale"])) / 12) / rms)
    assert len(found) == 18  # without VGG16's first, which is small; and the fusion
    assert max(found.values()) < 0.025, found


def stored_kernels(folder):
    """The kernels that are stored as bytes, with their path."""
    from orbax.checkpoint import v1 as ocp

    saved = ocp.metadata(folder / "variables").metadata
    tree = ocp.load(
        folder / "variables", jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), saved)
    )
    is_kernel = lambda node: isinstance(node, dict) and set(node) == {"int8", "scale"}  # noqa: E731
    nodes = jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_kernel)
    return [(jax.tree_util.keystr(path), node) for path, node in nodes if is_kernel(node)]
