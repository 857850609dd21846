import json
import re
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from PIL import Image

import gsn_jax
from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.models import registry, shipped
from gsn_jax.models.folders import TrainedModel, read_model, write_model
from gsn_jax.scoring import by_name, model_metric
from gsn_jax.scoring.protocol import Protocol


@pytest.fixture
def batch(photo, rng):
    reference = np.stack([photo[:48, :64], photo[40:88, 20:84], photo[60:108, 90:154]])
    noise = rng.normal(scale=[[[[5]]], [[[20]]], [[[60]]]], size=reference.shape)
    return reference, np.clip(reference + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def metric(model_folder):
    return gsn_jax.load(model_folder)


def test_a_loaded_model_is_a_metric(metric):
    assert isinstance(metric, Metric)
    assert (metric.name, metric.version, metric.value_range) == ("gsn", "1.2.3", (0.0, 1.0))
    assert metric.higher_is_better


def test_the_score_is_the_calibrated_score_of_the_unfolded_model(metric, small_model, batch):
    model = registry.build(small_model.config)
    raw = np.float64(
        jax.jit(model.apply)(small_model.variables, *(np.float32(x) / 255 for x in batch))
    )
    want = np.clip(1.12 / (1 + np.exp(-(raw - 0.2) / 0.2)) - 0.1, 0, 1)
    assert_close(metric(*batch), want)


def test_alone_or_in_a_batch_or_from_a_file_the_score_is_the_same(metric, batch, tmp_path):
    together = np.asarray(metric(*batch))
    assert together.shape == (3,)
    for index in range(3):
        pair = [x[index] for x in batch]
        alone = metric(*pair)
        assert alone.shape == ()
        assert float(alone) == together[index]
        assert float(metric(*(np.float32(x) / np.float32(255) for x in pair))) == together[index]
        for name, image in zip("rd", pair, strict=True):
            Image.fromarray(image).save(tmp_path / f"{name}.png")
        assert float(metric(tmp_path / "r.png", str(tmp_path / "d.png"))) == together[index]
    nested = metric(*(x.reshape(3, 1, *x.shape[1:]) for x in batch))
    np.testing.assert_array_equal(nested[:, 0], together)


@pytest.mark.slow
def test_another_process_gives_the_same_score(metric, batch, model_folder, tmp_path):
    for name, image in zip("rd", (batch[0][1], batch[1][1]), strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    code = (
        "import gsn_jax, sys\n"
        "print(float(gsn_jax.load(sys.argv[1])(sys.argv[2], sys.argv[3])).hex())"
    )
    arguments = [model_folder, tmp_path / "r.png", tmp_path / "d.png"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert float.fromhex(done.stdout.strip()) == float(metric(batch[0][1], batch[1][1]))


def test_an_identical_pair_has_quality_one_and_is_best(metric, batch):
    reference, distorted = batch
    same = np.asarray(metric(reference, reference))
    assert (same >= 0.99).all()
    assert (np.asarray(metric(reference, distorted)) < same).all()


@pytest.mark.slow
def test_works_under_jit_vmap_and_grad(metric, batch):
    first, second = (jnp.float32(x[:2]) / 255 for x in batch)
    want = metric(first, second)
    mapped = jax.jit(jax.vmap(metric))(first, second)
    assert_close(mapped, want)
    gradient = jax.jit(jax.grad(lambda x: metric(first, x).sum()))(first)
    assert np.isfinite(gradient).all()


@pytest.mark.slow
def test_the_map_is_local_quality(metric, batch):
    reference, _ = batch
    distorted = reference.copy()
    distorted[:, 32:, 48:] = 128
    local = metric.quality_map(reference, distorted)
    assert local.shape == (3, 6, 8)
    assert ((local >= 0) & (local <= 1)).all()
    # The error of the whole image counts everywhere, that of a cell in the cell.
    assert (local[:, 0, 0] > local[:, -1, -1]).all()
    single = metric.quality_map(reference[0], distorted[0])
    assert_close(single, local[0])


def test_its_text_is_short(metric):
    assert repr(metric) == f"ModelMetric({metric.name!r}, version='1.2.3')"


def test_wrong_images_are_refused(metric, batch):
    with pytest.raises(InputError, match="too small; at least 16 x 16"):
        metric(np.zeros((8, 40, 3)), np.zeros((8, 40, 3)))
    with pytest.raises(InputError, match="differs"):
        metric(batch[0], batch[1][:2])


class TestLoad:
    def test_score_takes_names_folders_and_metrics(self, batch, model_folder, metric):
        want = metric(*batch)
        np.testing.assert_array_equal(gsn_jax.score(*batch, metric=model_folder), want)
        np.testing.assert_array_equal(gsn_jax.score(*batch, metric=metric), want)
        error = np.mean((np.float64(batch[0]) - batch[1]) ** 2, axis=(1, 2, 3))
        psnr = 10 * np.log10(255**2 / error)
        np.testing.assert_allclose(gsn_jax.score(*batch, metric="psnr"), psnr, rtol=1e-5)

    def test_unknown_names_list_what_there_is(self):
        with pytest.raises(InputError, match="unknown metric 'nonsense'; known: gsn, gsn-b, psnr"):
            gsn_jax.score(np.zeros((16, 16, 3)), np.zeros((16, 16, 3)), metric="nonsense")
        with pytest.raises(InputError, match="neither a shipped model"):
            gsn_jax.load("nonsense")
        with pytest.raises(InputError, match="by its name or from its folder, got NoneType"):
            gsn_jax.load(None)
        with pytest.raises(InputError, match=r"not a trained model; use gsn_jax\.metrics\.get"):
            gsn_jax.load("ssim")

    def test_folders_that_are_no_model(self, tmp_path):
        with pytest.raises(InputError, match="not a model, training run or checkpoint"):
            gsn_jax.load(tmp_path)
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="is a file, not a folder; give the folder of a model"):
            gsn_jax.load(tmp_path / "file")

    def test_a_run_without_a_checkpoint(self, tmp_path):
        (tmp_path / "checkpoints").mkdir()
        with pytest.raises(InputError, match="contains no complete checkpoint; continue the"):
            gsn_jax.load(tmp_path)

    def test_damaged_model(self, model_folder, tmp_path):
        folder = tmp_path / "damaged"
        shutil.copytree(model_folder, folder)
        (folder / "model.json").write_text("{")
        with pytest.raises(InputError, match=r"damaged \(model.json does not match its checksum"):
            gsn_jax.load(folder)
        (folder / "SHA256SUMS").unlink()
        with pytest.raises(InputError, match="damaged: cannot be read as a model"):
            gsn_jax.load(folder)

    @pytest.mark.parametrize(
        "changed",
        [[], None, {"model": None}, {"model": {}}, {"version": ["1"]}, {"calibration": {}}],
    )
    def test_a_description_of_wrong_types_is_refused_in_one_line(
        self, model_folder, tmp_path, changed
    ):
        folder = tmp_path / "odd"
        shutil.copytree(model_folder, folder)
        (folder / "SHA256SUMS").unlink()
        if isinstance(changed, dict):
            changed = {**json.loads((folder / "model.json").read_text()), **changed}
        (folder / "model.json").write_text(json.dumps(changed))
        with pytest.raises(InputError, match=re.escape(str(folder))):
            gsn_jax.load(folder)

    def test_every_file_has_a_checksum(self, model_folder, tmp_path):
        folder = tmp_path / "flipped"
        shutil.copytree(model_folder, folder)
        files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
        assert len(files) > 5
        for file in files:
            content = file.read_bytes()
            middle = len(content) // 2
            file.write_bytes(
                content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            )
            with pytest.raises(InputError, match=r"damaged .*; copy, install or train"):
                gsn_jax.load(folder)
            file.write_bytes(content)
        next((folder / "variables").rglob("manifest.ocdbt")).unlink()
        with pytest.raises(InputError, match=r"damaged .* is missing"):
            gsn_jax.load(folder)

    def test_model_of_a_later_format(self, model_folder, tmp_path):
        folder = tmp_path / "later"
        shutil.copytree(model_folder, folder)
        description = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps({**description, "format": 99}))
        (folder / "SHA256SUMS").unlink()
        with pytest.raises(InputError, match="format 99"):
            gsn_jax.load(folder)

    def test_writing_replaces_a_model_as_a_whole(self, small_model, tmp_path):
        write_model(tmp_path / "m", small_model)
        changed = jax.tree.map(lambda leaf: leaf + 1, small_model.variables)
        write_model(tmp_path / "m", TrainedModel(small_model.config, changed, None, {}, "2.0.0"))
        read = read_model(tmp_path / "m")
        assert (read.version, read.calibration) == ("2.0.0", None)
        jax.tree.map(np.testing.assert_array_equal, read.variables["params"], changed["params"])
        assert [path.name for path in tmp_path.iterdir()] == ["m"]
        for path in (tmp_path / "m").rglob("*"):  # a model can be moved: it names no folder
            assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes()

    def test_without_calibration_scores_are_raw(self, small_model, batch, tmp_path):
        write_model(
            tmp_path / "raw",
            TrainedModel(small_model.config, small_model.variables, None, {}, "0"),
        )
        metric = gsn_jax.load(tmp_path / "raw")
        assert metric.value_range == (-np.inf, np.inf)
        error = jax.jit(metric.error)(*as_float(batch))
        assert_close(1 - error, metric(*batch))


def as_float(batch):
    return tuple(jnp.float32(x) / 255 for x in batch)


class TestAsLoss:
    def test_a_model_gives_its_raw_error(self, metric, batch):
        loss = jax.jit(gsn_jax.as_loss(metric))
        first, second = as_float(batch)
        np.testing.assert_array_equal(loss(first, first), 0)
        values = loss(first, second)
        assert (np.diff(values) > 0).all()  # the noise grows along the batch
        gradient = jax.jit(jax.grad(lambda x: loss(first, x).sum()))
        assert np.isfinite(gradient(first)).all()
        assert (np.abs(gradient(second)).max(axis=(1, 2, 3)) > 0).all()

    def test_qualities_are_turned_round_and_distances_kept(self, batch):
        first, second = as_float(batch)
        wanted = {"ssim": lambda x: 1 - x, "psnr": lambda x: -x, "gmsd": lambda x: x}
        for name, turned in wanted.items():
            got = jax.jit(gsn_jax.as_loss(name))(first, second)
            score = jax.jit(getattr(metrics, name))(first, second)
            np.testing.assert_allclose(got, turned(score), rtol=1e-6, atol=1e-6, err_msg=name)

    def test_psnr_of_an_identical_pair_has_no_weight_in_a_clipped_mean(self, batch):
        """The way that docs/loss_and_export.md recommends."""
        first, second = as_float(batch)
        second = second.at[0].set(first[0])
        loss = gsn_jax.as_loss("psnr")
        assert loss(first, second)[0] == -np.inf
        mean = jax.value_and_grad(lambda x: jax.numpy.maximum(loss(first, x), -60).mean())
        value, gradient = mean(second)
        rest = np.asarray(loss(first, second)[1:])
        assert value == pytest.approx((rest.sum() - 60) / len(first), rel=1e-5)
        assert (gradient[0] == 0).all()
        assert np.isfinite(gradient).all()

    @pytest.mark.parametrize("name", ["gsn", "ssim", "gmsd"])
    def test_files_are_refused(self, name):
        loss = gsn_jax.as_loss(name)
        under = gsn_jax.as_loss(Protocol(crop_border=2).of(by_name.resolve(name)))
        for function in (loss, under):
            with pytest.raises(InputError, match=rf"{name}: needs arrays .*, got str; read files"):
                function("a.png", "b.png")


class TestShippedModel:
    """What the checkpoint inside the package promises."""

    def test_is_there_and_small(self):
        assert "gsn" in shipped.names()
        folder = shipped.folder("gsn")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert size <= 25e6

    def test_identical_is_best_and_levels_are_ordered(self, photo):
        from data_pipelines import distortions

        metric = gsn_jax.load()
        assert float(metric(photo, photo)) >= 0.99
        for name in ("jpeg", "gaussian_blur", "white_noise"):
            scores = [
                float(metric(photo, distortions.apply(name, photo, level=level, seed=0)))
                for level in (1, 3, 5)
            ]
            assert scores == sorted(scores, reverse=True), name
            assert 0.99 > scores[0] > scores[2]

    def test_can_stand_in_for_another(self):
        assert model_metric.load("gsn-b", name="gsn").name == "gsn"
        assert model_metric.load("gsn-b").name == "gsn-b"

    def test_says_how_it_was_trained(self):
        training = gsn_jax.load().training
        assert training["config"]["data"]["train"]
        assert training["evaluation"]["srcc"] > 0.5

    def test_beats_psnr_on_real_super_resolution(self, gsn_data):
        from scipy import stats

        from gsn_jax.images.pair_tables import read_rows
        from gsn_jax.scoring.many_pairs import score_pairs
        from gsn_jax.scoring.pairs import pairs_of_table

        table = gsn_data / "srij-dev" / "pairs.csv"
        mos = [float(row.fields["mos"]) for row in read_rows(table)][::8]
        pairs = pairs_of_table(table)[::8]
        scored = list(score_pairs(pairs, [gsn_jax.load(), metrics.get("psnr")]))
        agreement = {
            name: stats.spearmanr([item.scores[name] for item in scored], mos).statistic
            for name in ("gsn", "psnr")
        }
        assert agreement["gsn"] > agreement["psnr"]
