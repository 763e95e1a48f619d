#!/usr/bin/env bash
# Makes .venv agree with uv.lock, from nothing but Python 3.11+ and a package index.
#
# Finds an interpreter that really runs (a version manager's shim may exist and still exit 127), finds uv or installs
# a pinned one outside the checkout, and syncs. Safe to run again at any time; `make setup` runs it only when a
# pyproject.toml or uv.lock is newer than the last success.
#
#   tools/bootstrap.sh          sync .venv
#   tools/bootstrap.sh --group bench      the same with a group more; UV_PROJECT_ENVIRONMENT names another folder
#   tools/bootstrap.sh python   print the interpreter it would use
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Older ones do not know all that uv.lock says.
readonly UV_OLDEST=0.8.0
UV_VERSION="$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' tools/uv.txt)"
readonly UV_VERSION
readonly UV_HOME="${XDG_CACHE_HOME:-$HOME/.cache}/asya/uv-$UV_VERSION"
# The version and the hashes of its files, for every system: pip takes no other.
readonly UV_LOCKED=tools/uv.txt

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$1" >&2; printf '       %s\n' "$2" >&2; exit 1; }

# The base executable, not the shim or the virtual environment that led to it: uv probes what it is given.
real_python() {
    "$1" -c 'import sys; sys.version_info >= (3, 11) and print(getattr(sys, "_base_executable", "") or sys.executable)' \
        2>/dev/null || true
}

find_python() {
    local candidate found
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python /usr/bin/python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python3; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        found="$(real_python "$candidate")"
        if [[ -n "$found" && -x "$found" ]]; then
            printf '%s\n' "$found"
            return
        fi
    done
    fail "no working Python 3.11 or newer was found on PATH" "install one (python.org, apt install python3, brew install python), or name it: make setup PYTHON=/path/to/python3"
}

usable_uv() {
    local version
    version="$("$1" --version 2>/dev/null | cut -d' ' -f2)" || return 1
    [[ -n "$version" && "$(printf '%s\n%s\n' "$UV_OLDEST" "$version" | sort -V | head -1)" == "$UV_OLDEST" ]]
}

install_uv() {
    local python="$1"
    say "installing uv $UV_VERSION into $UV_HOME"
    rm -rf "$UV_HOME"
    mkdir -p "$(dirname "$UV_HOME")"
    # Debian splits ensurepip off python3; where a venv cannot be made, pip alone will do.
    if "$python" -m venv "$UV_HOME" >/dev/null 2>&1; then
        "$UV_HOME/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$UV_LOCKED" >&2
    elif "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$UV_HOME"
        "$python" -m pip install --quiet --disable-pip-version-check --target "$UV_HOME" --require-hashes -r "$UV_LOCKED" >&2
    else
        rm -rf "$UV_HOME"
        fail "$python has neither venv nor pip, so uv cannot be installed" "on Debian or Ubuntu: apt install python3-venv"
    fi || { rm -rf "$UV_HOME"; fail "uv could not be installed from the package index" "check the network or pip's index settings, then run: make setup"; }
}

find_uv() {
    if command -v uv >/dev/null 2>&1 && usable_uv uv; then
        command -v uv
        return
    fi
    usable_uv "$UV_HOME/bin/uv" || install_uv "$1"
    printf '%s\n' "$UV_HOME/bin/uv"
}

python="$(find_python)"
if [[ "${1:-}" == python ]]; then
    printf '%s\n' "$python"
    exit
fi
uv="$(find_uv "$python")"
say "Python $("$python" -c 'import platform; print(platform.python_version())') at $python, $("$uv" --version | cut -d' ' -f1,2)"
unset VIRTUAL_ENV
UV_PYTHON_DOWNLOADS=never "$uv" sync --locked --python "$python" "$@"
