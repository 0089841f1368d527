#!/bin/sh
# Runs `langadapt` with the Python of this checkout, from any folder: langadapt.sh VERB ...
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
  python=$(command -v python3.11) || {
    echo "error: no Python for langadapt: neither $root/.venv/bin/python nor python3.11" >&2
    echo "  fix:   make -C '$root' setup" >&2
    exit 2
  }
fi
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
exec "$python" -m recipes.cli "$@"
