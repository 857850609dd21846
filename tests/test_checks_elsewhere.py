"""What other projects use in their checks: the GitHub Action and the pre-commit hook."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, photo):
    """Two folders of images, one pair good and one bad, and a `gsn` command of this checkout."""
    image = Image.fromarray(photo[:64, :64])
    for name in ("originals", "encoded", "bin"):
        (tmp_path / name).mkdir()
    for name, quality in (("good", 95), ("bad", 2)):
        image.save(tmp_path / "originals" / f"{name}.png")
        image.save(tmp_path / "encoded" / f"{name}.jpg", quality=quality)
    for name, module in (("gsn", "-m gsn_jax"), ("python", "")):
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        command.chmod(0o755)
    return tmp_path


@pytest.fixture
def environment(folder):
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }


def score_step(folder, environment, **inputs):
    """Runs the step that scores as GitHub does: inputs become variables, then bash -eo pipefail."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    values = {name: one["default"] for name, one in action["inputs"].items()} | inputs
    (step,) = (step for step in action["runs"]["steps"] if step.get("name") == "Score")

    def resolve(match):
        context, _, name = match[1].partition(".")
        return str(folder / "temp") if context == "runner" else values[name]

    variables = {
        name: re.sub(r"\$\{\{ *([\w.-]+) *\}\}", resolve, text)
        for name, text in step["env"].items()
    }
    summary = folder / "summary.md"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder, env={**environment, **variables, "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, summary.read_text(), folder / "temp" / values["artifact"]


FOLDERS = {"reference-dir": "originals", "distorted-dir": "encoded"}


def test_the_action_fails_where_a_score_is_worse(folder, environment):
    limits = {"metric": "psnr,gmsd", "fail-below": "psnr=30 gmsd=0.2"}
    done, summary, results = score_step(folder, environment, **FOLDERS, **limits)
    assert done.returncode == 1, done.stderr
    assert "encoded/bad.jpg: psnr" in done.stderr
    lines = summary.splitlines()
    assert lines[4].startswith("| failed | encoded/bad.jpg |")
    assert lines[5].startswith("| passed | encoded/good.jpg |")
    assert {path.name for path in results.iterdir()} == {
        "junit.xml", "maps", "messages.txt", "scores.csv", "scores.csv.json",
    }  # fmt: skip
    assert {path.name for path in (results / "maps").iterdir()} == {
        f"{stem}.{metric}.map.png" for stem in ("bad", "good") for metric in ("psnr", "gmsd")
    }


def test_the_action_passes_and_takes_options(folder, environment):
    (folder / "pairs.csv").write_text("reference,distorted\noriginals/bad.png,encoded/bad.jpg\n")
    inputs = {"pairs": "pairs.csv", "metric": "psnr", "maps": "false", "options": "--pool\n"}
    done, summary, results = score_step(folder, environment, **inputs)
    assert done.returncode == 0, done.stderr
    assert "psnr:mean" in summary
    assert not (results / "maps").exists()


def test_the_action_shows_why_it_could_not_start(folder, environment):
    done, summary, _ = score_step(folder, environment, metric="psnr", maps="false")
    assert done.returncode == 2
    assert "<pre>gsn: give REFERENCE and DISTORTED images" in summary


def test_inputs_of_the_action_are_not_run(folder, environment):
    inputs = {"metric": 'psnr"; touch stolen; "', "options": "$(touch stolen)", "maps": "`touch x`"}
    done, _, _ = score_step(folder, environment, **FOLDERS, **inputs)
    assert done.returncode == 2
    assert not (folder / "stolen").exists()
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert not [step for step in action["runs"]["steps"] if "${{" in step.get("run", "")]


def test_the_action_keeps_to_the_schema():
    schema = "--builtin-schema", "vendor.github-actions"
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(ROOT / "action.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def pre_commit(*arguments, cwd, env):
    command = [sys.executable, "-m", "pre_commit", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def git(folder, *arguments):
    name = "-c", "user.name=a", "-c", "user.email=a@example.org"
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_hook_runs_where_images_changed(folder, environment):
    """In a repository that takes the hook from another one; without the installation of it."""
    manifest = ROOT / ".pre-commit-hooks.yaml"
    environment["PRE_COMMIT_HOME"] = str(folder / "cache")
    done = pre_commit("validate-manifest", manifest, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout
    (hook,) = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    assert hook["language"] == "python"
    source, user = folder / "source", folder / "user"
    source.mkdir()
    (source / manifest.name).write_text(yaml.safe_dump([{**hook, "language": "system"}]))
    git(source, "init")
    git(source, "add", ".")
    git(source, "commit", "-m", "hook")
    revision = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=source, text=True).strip()

    user.mkdir()
    for name in ("originals", "encoded"):
        (folder / name).rename(user / name)
    arguments = ["--reference-dir", "originals", "--distorted-dir", "encoded", "--metric", "psnr"]
    hooks = [{"id": hook["id"], "args": [*arguments, "--fail-below", "30"]}]
    config = {"repos": [{"repo": str(source), "rev": revision, "hooks": hooks}]}
    (user / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(user, "init")
    git(user, "add", ".")
    done = pre_commit("run", cwd=user, env=environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "encoded/bad.jpg: psnr" in done.stdout
    (user / "originals" / "good.png").rename(user / "originals" / "kept.png")
    Image.open(user / "originals" / "kept.png").save(user / "encoded" / "kept.jpg", quality=95)
    for name in ("originals/bad.png", "encoded/bad.jpg", "encoded/good.jpg"):
        (user / name).unlink()
    git(user, "add", "--all")
    done = pre_commit("run", cwd=user, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    git(user, "-c", "core.hooksPath=/dev/null", "commit", "-m", "images")
    (user / "notes.txt").write_text("no image\n")
    git(user, "add", ".")
    assert "Skipped" in pre_commit("run", cwd=user, env=environment).stdout
