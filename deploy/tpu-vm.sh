#!/bin/bash
# Installs and starts the same command on every host of a TPU VM slice.
# deploy/tpu-vm.sh NAME ZONE FOLDER_THAT_ALL_HOSTS_SHARE
set -euo pipefail
name=$1 zone=$2 shared=$3

everywhere() {
    gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$1"
}

everywhere 'python3 -m venv ~/gsn && ~/gsn/bin/pip install --quiet "gsn_jax[tpu]"'
# In the background, with a log on every host: the ssh connection may end before the training.
everywhere "nohup ~/gsn/bin/gsn train --config default --workdir $shared/runs/gsn \
    --config.data.train=$shared/data/pairs.csv --config.data.batch_size=512 \
    > ~/gsn.log 2>&1 < /dev/null & disown"

# Look:          gcloud compute tpus tpu-vm ssh NAME --zone=ZONE --worker=0 --command='tail -f gsn.log'
# Save and stop: ... --worker=all --command='pkill -TERM -f "gsn train"'
