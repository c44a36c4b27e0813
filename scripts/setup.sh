#!/usr/bin/env bash
# Installs what this project needs; `scripts/setup.sh --help` says more.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash scripts/setup.sh

Installs torch (unless one in the range of setup.py is there), fairseq 0.12.2 as built by scripts/fairseq, and the plugin
with everything its examples, tests and benchmarks use. Goes into the active virtual environment; without one, into
.venv beside README.md, which it makes. Takes 2 to 3 minutes the first time and seconds after that.

The python3 on the PATH is used for a new .venv; PYTHON=/path/to/python chooses another (3.10 to 3.13).
HELP
}

case "${1:-}" in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) echo "setup.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

if [[ -z "${VIRTUAL_ENV:-}" ]]; then
  if [[ ! -x .venv/bin/pip ]]; then
    python="${PYTHON:-python3}"
    if ! "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
      echo "setup.sh: $python is not Python 3.10 to 3.13; name one with PYTHON=/path/to/python" >&2
      exit 1
    fi
    say "Making the virtual environment .venv with $("$python" --version)"
    "$python" -m venv .venv
  fi
  # shellcheck disable=SC1091
  source .venv/bin/activate
fi

if ! python -c "import os, sys; sys.exit(os.path.realpath(sys.prefix) != os.path.realpath('$VIRTUAL_ENV'))"; then
  echo "setup.sh: VIRTUAL_ENV is $VIRTUAL_ENV, but python is $(command -v python): activate that environment, or none" >&2
  exit 1
fi
if ! python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))'; then
  echo "setup.sh: $VIRTUAL_ENV has $(python --version); make it with Python 3.10 to 3.13" >&2
  exit 1
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
# Not compiled: Python compiles what it imports, and to compile all of torch would be most of the time.
install() { python -m pip install --quiet --no-compile "$@"; }
installed() { python -c "import importlib.metadata as m; print(m.version('$1'))" 2>/dev/null || true; }

torch_range="torch>=2.6,<2.14"
if ! python -c "import torch; v = tuple(map(int, torch.__version__.split('.')[:2])); assert (2, 6) <= v < (2, 14)" 2>/dev/null; then
  say "Installing $torch_range"
  install "$torch_range"
fi

fairseq_version="$(sed -n 's/^LABEL = "\(.*\)"$/0.12.2+\1/p' scripts/fairseq/backend.py)"
if [[ "$(installed fairseq)" != "$fairseq_version" ]]; then
  say "Building and installing fairseq $fairseq_version (about half a minute)"
  install ./scripts/fairseq
fi

say "Installing fairseq-bbpe with its extras"
rm -rf build # what an earlier build left there would be installed again, deleted modules and all
install ".[all]"

python -m pip check
say "Ready in $VIRTUAL_ENV: fairseq $(installed fairseq), torch $(installed torch), fairseq-bbpe $(installed fairseq-bbpe)"
