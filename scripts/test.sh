#!/usr/bin/env bash
# Sets up and runs every check of the project; `scripts/test.sh --help` says more.
set -euo pipefail

case "${1:-}" in
  -h | --help)
    cat <<'HELP'
usage: bash scripts/test.sh [PYTEST_ARGUMENT ...]

Runs scripts/setup.sh, ruff, mypy, shellcheck, and all tests: properties, golden files, doctests, the real fairseq commands in
subprocesses, the quick start at a size of seconds, and the commands of README.md. Arguments go to pytest, such as
`tests/text/test_recovery.py` or `-k bpe`.
HELP
    exit 0
    ;;
esac

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
bash "$root/scripts/setup.sh"
if [[ -z "${VIRTUAL_ENV:-}" ]]; then
  # shellcheck disable=SC1091
  source "$root/.venv/bin/activate"
fi

cd "$root"
ruff check .
ruff format --check .
mypy
git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck --severity warning
# A process a core, each with one thread: most of the time goes into fairseq's commands.
export OMP_NUM_THREADS=1
python -m pytest --numprocesses auto --dist worksteal --durations 30 "$@"
