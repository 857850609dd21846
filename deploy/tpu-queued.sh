#!/bin/bash
# Requests a Cloud TPU slice; its hosts start training as soon as it is granted:
# deploy/tpu-queued.sh NAME ZONE ACCELERATOR_TYPE BUCKET, e.g. gsn us-west4-a v5litepod-16 gs://mine
# BUCKET/data/pairs.csv is the pairs table. The run is stored in BUCKET/runs/NAME.
set -euo pipefail
if [ $# -ne 4 ]; then
    echo "usage: deploy/tpu-queued.sh NAME ZONE ACCELERATOR_TYPE BUCKET" >&2
    exit 2
fi
name=$1 zone=$2 type=$3 bucket=$4

case $type in
v5litepod-*) runtime=v2-alpha-tpuv5-lite ;;
v5p-*) runtime=v2-alpha-tpuv5 ;;
v6e-*) runtime=v2-alpha-tpuv6e ;;
*) runtime=tpu-ubuntu2204-base ;;
esac

# Runs on every host after each boot, so that a restarted slice resumes the run.
startup=$(mktemp)
trap 'rm -f "$startup"' EXIT
cat > "$startup" << EOF
#!/bin/bash
set -eu
export HOME=/root
curl -LsSf https://astral.sh/uv/install.sh | env UV_INSTALL_DIR=/usr/local/bin sh
uv venv --allow-existing --python 3.12 /opt/gsn
uv pip install --python /opt/gsn/bin/python 'gsn_jax[tpu,gcs]'
# 75: another host was lost, so retry. SIGTERM before a preemption saves and exits with 0.
until /opt/gsn/bin/gsn train --config default --workdir '$bucket/runs/$name' \\
    --config.data.train='$bucket/data/pairs.csv' --config.data.batch_size=512; do
    [ \$? -eq 75 ] || exit 1
done
EOF

# Spot capacity is cheaper but may be preempted; omit --spot to avoid that.
gcloud compute tpus queued-resources create "$name" --node-id="$name" --zone="$zone" \
    --accelerator-type="$type" --runtime-version="$runtime" --spot \
    --metadata-from-file=startup-script="$startup"

# State:  gcloud compute tpus queued-resources describe NAME --zone=ZONE
# Log:    gcloud compute tpus tpu-vm ssh NAME --zone=ZONE --worker=0 \
#             --command='sudo journalctl -fu google-startup-scripts'
# Remove: gcloud compute tpus queued-resources delete NAME --zone=ZONE --force
