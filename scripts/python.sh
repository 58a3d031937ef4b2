#!/usr/bin/env bash
# An environment of Python packages for tests and benchmarks: scripts/python.sh [NAME REQUIREMENTS]
#
# Makes the git-ignored folder .tools/NAME with the packages of the file REQUIREMENTS, and prints the path of its
# interpreter. Without arguments: .tools/python with tests/python/requirements.txt. Does nothing when what is there
# was made from the same file and the same Python. PYTHON names another interpreter than python3.
set -euo pipefail

fail() {
    printf 'python.sh: %s\n' "$@" >&2
    exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
case $# in
    0) name=python requirements=tests/python/requirements.txt ;;
    2) name=$1 requirements=$2 ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
esac
folder=$PWD/.tools/$name
stamp=$folder/.stamp

python=$(command -v "${PYTHON:-python3}") || fail "${PYTHON:-python3} was not found; install Python 3 with pip"
wanted=$("$python" -c 'import sys; print(sys.version, sys.prefix)' && cat "$requirements")
if [[ -x $folder/bin/python && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    printf '%s\n' "$folder/bin/python"
    exit 0
fi

"$python" -c 'import venv' 2>/dev/null || fail 'Python has no module venv (Debian: apt-get install python3-venv)'
"$python" -m pip --version >/dev/null 2>&1 || fail 'Python has no pip (Debian: apt-get install python3-pip)'
printf 'python.sh: installing %s into .tools/%s\n' "$requirements" "$name" >&2
rm -rf "$folder"
# Without a pip of its own: Debian keeps what that takes in a package apart, and the one that is there will do.
"$python" -m venv --without-pip "$folder"
pip=("$python" -m pip --python "$folder/bin/python" install)
if ! "${pip[@]}" --help >/dev/null 2>&1; then # older than pip 22.3
    pip=("$python" -m pip install --target "$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')")
fi
PIP_ROOT_USER_ACTION=ignore "${pip[@]}" --quiet --disable-pip-version-check --only-binary=:all: -r "$requirements" >&2
# Last: what broke off before it is made again.
printf '%s\n' "$wanted" >"$stamp"
printf '%s\n' "$folder/bin/python"
