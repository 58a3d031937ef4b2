#!/usr/bin/env bash
# Checks the CUDA path on a machine with an NVIDIA GPU: scripts/gpu-check.sh [DEVICE]
#
# DEVICE is cuda:0 unless said. Takes the release build (HOSTLER_BIN names another binary), fetches ONNX Runtime
# with its CUDA provider, serves digits on the CPU and on the device, and compares the answers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
device=${1:-cuda:0}

step() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'gpu-check.sh: %s\n' "$@" >&2
    exit 1
}

if [[ $device == cuda:* ]]; then
    step 'The driver'
    command -v nvidia-smi >/dev/null || fail 'nvidia-smi was not found: install the NVIDIA driver (580 or newer for CUDA 13)'
    nvidia-smi --query-gpu=index,name,driver_version,memory.total,memory.free --format=csv

    step 'ONNX Runtime with CUDA'
    scripts/onnxruntime.sh --cuda
    # What is loaded later, when a model needs it, is not among these: cuDNN 9, cuFFT, NVRTC.
    lacking=$(ldd onnxruntime/libonnxruntime_providers_cuda.so | sed -n 's/ => not found//p' | xargs)
    if [[ -n $lacking ]]; then
        fail "the CUDA provider needs $lacking" \
            'Install CUDA 13 and cuDNN 9, or put the folders of these libraries into LD_LIBRARY_PATH.'
    fi
    echo 'its libraries are found'
fi

step 'The server'
binary=${HOSTLER_BIN:-${CARGO_TARGET_DIR:-target}/release/hostler}
if [[ -z ${HOSTLER_BIN-} ]]; then cargo build --release --locked; fi
SERVER_DEVICES=$device SERVER_MODELS='[{"model":"digits","replicas":1}]' "$binary" check

step "digits on the CPU and on $device"
HOSTLER_BIN=$binary exec python3 -B tests/e2e/devices.py "$device"
