#!/bin/bash
# Runs all checks that need a GPU, in at most ten minutes:
#
#   scripts/gpu_checks.sh FOLDER [COMMAND THAT RUNS PYTHON WITH PYTORCH AND PYIQA]
#
# Each part writes FOLDER/PART.txt as it goes and has its own time limit; FOLDER/summary.txt says
# how each ended. PYTHON names the interpreter. DRY=1 runs small settings on any device, with longer
# time limits.
set -uo pipefail
folder=${1:?give a folder for the results} peers=${2:-}
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$here/.venv/bin/python}
mkdir -p "$folder"
: > "$folder/summary.txt"
failed=0

# part NAME SECONDS BENCHMARK ARGUMENTS...
part() {
    local name=$1 seconds=$2 benchmark=$3 start=$SECONDS code word
    shift 3
    PYTHONUNBUFFERED=1 timeout --kill-after=5 "$seconds" \
        "$python" "$here/benchmarks/$benchmark.py" "$@" > "$folder/$name.txt" 2>&1
    code=$?
    case $code in
    0) word=ok ;;
    124 | 137) word="timed out after $seconds s" ;;
    *) word="failed with code $code" ;;
    esac
    [ "$code" -eq 0 ] || failed=1
    echo "$name: $word, $((SECONDS - start)) s" | tee -a "$folder/summary.txt"
}

if [ "${DRY:-}" ]; then
    small=(--size 48 64)
    part agreement 900 device_agreement "${small[@]}" --metrics psnr,ssim --crop-size 32 \
        --levels 8 30
    part scoring 900 gpu_scoring "${small[@]}" --metrics psnr,lpips_alex --batch-sizes 2 \
        --repeats 1 ${peers:+--peers "$peers"}
    part training 900 gpu_throughput --any-device --batch-sizes 2 --crop-size 32 --repeats 4
    beside=(900 torch_gsn --batch-size 2 --crop-size 32 --repeats 1 --rounds 1)
else
    part agreement 180 device_agreement
    part scoring 160 gpu_scoring ${peers:+--peers "$peers"}
    part training 100 gpu_throughput --batch-sizes 64 256
    beside=(150 torch_gsn --batch-size 64 --rounds 2)
fi
if [ "$peers" ]; then
    part training-beside-pytorch "${beside[@]}" --peers "$peers"
else
    echo "training-beside-pytorch: skipped, no command with PyTorch" | tee -a "$folder/summary.txt"
fi
exit "$failed"
