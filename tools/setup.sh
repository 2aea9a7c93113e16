#!/bin/sh
# Make a virtual environment and install into it; on failure write one sentence to the output.
# Usage: tools/setup.sh PYTHON FOLDER PIP-ARGUMENTS...
python=$1
folder=$2
shift 2
log=$folder/install.log

fail() {
    echo "$*"
    exit 1
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

version=$(version_of "$python") || fail "spikewright needs Python 3.11 or newer and '$python' does not run;" \
    "name another one, for example PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "spikewright needs Python 3.11 or newer and '$python' is Python $version;" \
        "name another one, for example PYTHON=python3.12"

echo "Installing into $folder: once, a few minutes." >&2

# An environment of another Python, or one whose Python is gone, is made anew.
if [ "$(version_of "$folder/bin/python")" != "$version" ]; then
    "$python" -m venv --clear "$folder" >/dev/null 2>&1 ||
        fail "'$python' cannot make a virtual environment in $folder; see: $python -m venv --clear $folder"
    echo '*' >"$folder/.gitignore"
fi

"$folder/bin/python" -m pip install --disable-pip-version-check --no-compile "$@" >"$log" 2>&1 || {
    reason=$(grep '^ *ERROR: ' "$log" | tail -n 1 | sed 's/^ *ERROR: //; s/[. ]*$//')
    fail "the installation failed (${reason:-no reason given}); everything pip said is in $log"
}
rm -f "$folder"/.ready-*
