#!/usr/bin/env bash
# Runs one suite many times while other processes keep all cores busy; prints what passed.
# Usage: tests/repeat_under_load.sh MARKER [COUNT] [PYTEST ARGUMENT...]
#   tests/repeat_under_load.sh cluster 20
set -uo pipefail
cd "$(dirname "$0")/.."
marker=$1 count=${2:-20}
shift $(($# < 2 ? $# : 2))
python=${PYTHON:-.venv/bin/python}
export AMIJAX_REQUIRE=$marker PYTEST_ADDOPTS="-o faulthandler_exit_on_timeout=true"

busy=()
for _ in $(seq "$(nproc)"); do
  "$python" -c 'while True: pass' &
  busy+=($!)
done
trap 'kill "${busy[@]}"' EXIT

logs=$(mktemp -d)
passed=0
for i in $(seq "$count"); do
  start=$SECONDS
  if "$python" -m pytest -q -m "$marker" "$@" >"$logs/$i.log" 2>&1; then
    passed=$((passed + 1))
    result=passed
  else
    result="FAILED, see $logs/$i.log"
  fi
  echo "$marker, run $i: $result, $((SECONDS - start)) s, load $(cut -d' ' -f1 /proc/loadavg)"
done
echo "$marker: $passed of $count runs passed with $(nproc) busy processes beside them"
[ "$passed" = "$count" ]
