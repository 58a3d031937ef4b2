#!/usr/bin/env bash
# Fetches the ONNX Runtime library that the server loads: a pinned wheel through pip, checked by its hash.
# Usage: scripts/onnxruntime.sh [--cpu | --cuda]
#
# Puts libonnxruntime.so into the folder onnxruntime/ of this repository, and with --cuda the CUDA and TensorRT
# providers beside it. Without a flag it keeps the flavour that is there, and takes the CPU one where none is.
# Does nothing when the right library is there already.
set -euo pipefail

VERSION=1.31.1
# The wheels for CPython 3.11. Which Python is no matter: only the library is taken out.
HASH_CPU_X86_64=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
HASH_CPU_AARCH64=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3
HASH_CUDA_X86_64=e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6

say() { printf 'onnxruntime.sh: %s\n' "$*" >&2; }
fail() {
    say "$1"
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=onnxruntime
stamp=$folder/.stamp

flavour=cpu
if [[ -f $stamp ]] && read -r _ there _ <"$stamp" && [[ $there == cuda ]]; then
    flavour=cuda
fi
case ${1-} in
    '') ;;
    --cpu | --cuda) flavour=${1#--} ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
    *) say "unknown argument $1; expected --cpu or --cuda" && exit 2 ;;
esac
if (($# > 1)); then
    say 'expected at most one argument: --cpu or --cuda'
    exit 2
fi

machine=$(uname -s)-$(uname -m)
case $flavour-$machine in
    cpu-Linux-x86_64) package=onnxruntime arch=x86_64 hash=$HASH_CPU_X86_64 ;;
    cpu-Linux-aarch64) package=onnxruntime arch=aarch64 hash=$HASH_CPU_AARCH64 ;;
    cuda-Linux-x86_64) package=onnxruntime-gpu arch=x86_64 hash=$HASH_CUDA_X86_64 ;;
    *)
        fail "there is no pinned $flavour wheel for $machine" \
            "Install ONNX Runtime $VERSION by other means and set ORT_DYLIB_PATH to its library."
        ;;
esac
libraries=(libonnxruntime.so)
if [[ $flavour == cuda ]]; then
    libraries+=(libonnxruntime_providers_{shared,cuda,tensorrt}.so)
fi

wanted="$VERSION $flavour $arch $hash"
complete() {
    local library
    [[ -f $stamp && $(<"$stamp") == "$wanted" ]] || return 1
    for library in "${libraries[@]}"; do [[ -s $folder/$library ]] || return 1; done
}
if complete; then
    exit 0
fi

command -v python3 >/dev/null || fail 'python3 was not found' \
    'Install Python 3 with pip (Debian: apt-get install python3-pip), or set ORT_DYLIB_PATH.'
python3 -m pip --version >/dev/null 2>&1 || fail 'python3 has no pip' \
    'Install it (Debian: apt-get install python3-pip; elsewhere: python3 -m ensurepip), or set ORT_DYLIB_PATH.'

mkdir -p "$folder"
# Beside its destination, so that a library appears whole or not at all, even while a server has the old one open.
work=$(mktemp -d "$folder/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching $package $VERSION for $arch"
if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version 3.11 --implementation cp --abi cp311 --platform "manylinux_2_28_$arch" \
    --dest "$work" "$package==$VERSION" >"$work/log" 2>&1; then
    cat "$work/log" >&2
    fail "pip could not download $package $VERSION" \
        'Is the network there? Behind a proxy or a mirror set HTTPS_PROXY or PIP_INDEX_URL.' \
        "Without a network: fetch ${package//-/_}-$VERSION-cp311-cp311-manylinux_2_28_$arch.whl elsewhere and run" \
        '  PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER scripts/onnxruntime.sh'
fi

python3 - "$work" "$hash" "$VERSION" "${libraries[@]}" <<'PYTHON' || exit 1
import hashlib
import pathlib
import shutil
import sys
import zipfile

work, expected, version, *libraries = sys.argv[1:]
work = pathlib.Path(work)
(wheel,) = work.glob("*.whl")
digest = hashlib.sha256()
with wheel.open("rb") as file:
    for block in iter(lambda: file.read(1 << 20), b""):
        digest.update(block)
if digest.hexdigest() != expected:
    sys.exit(
        f"onnxruntime.sh: {wheel.name} has the wrong hash and was thrown away\n"
        f"  expected {expected}\n  found    {digest.hexdigest()}\n"
        "  Clear pip's cache (python3 -m pip cache purge) and try again; if it stays, the index is not to be trusted."
    )
# The notices go along: whoever hands the library on has to hand them on too.
members = {"onnxruntime/LICENSE": "LICENSE", "onnxruntime/ThirdPartyNotices.txt": "ThirdPartyNotices.txt"}
for library in libraries:
    suffix = f".{version}" if library == "libonnxruntime.so" else ""
    members[f"onnxruntime/capi/{library}{suffix}"] = library
with zipfile.ZipFile(wheel) as archive:
    for member, name in members.items():
        with archive.open(member) as source, open(work / name, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
PYTHON

# The stamp goes first and comes back last: whatever breaks off in between is fetched again.
rm -f "$stamp"
for file in LICENSE ThirdPartyNotices.txt "${libraries[@]}"; do mv -f "$work/$file" "$folder/$file"; done
if [[ $flavour == cpu ]]; then
    rm -f "$folder"/libonnxruntime_providers_*.so
fi
printf '%s\n' "$wanted" >"$stamp"
say "ONNX Runtime $VERSION ($flavour) is in $folder/"
