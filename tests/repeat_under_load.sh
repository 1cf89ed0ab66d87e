#!/usr/bin/env bash
# Runs one suite many times while other processes keep all cores busy; prints what passed.
# Usage: tests/repeat_under_load.sh MARKER [COUNT] [PYTEST ARGUMENT...]
#   tests/repeat_under_load.sh cluster 20
#   COPIES=2 tests/repeat_under_load.sh browser 20   # two at a time, each with a cache of its own
# Copies are one another's load: each has half a core or so. The busy processes then take what is
# left over, at the lowest priority: the dashboard's own jobs, at low priority, come before them.
set -uo pipefail
cd "$(dirname "$0")/.."
export marker=$1 count=${2:-20}
shift $(($# < 2 ? $# : 2))
export python=${PYTHON:-.venv/bin/python} copies=${COPIES:-1} logs arguments="$*"
export cache=${AMIJAX_CACHE_DIR:-$(mktemp -d)}
export AMIJAX_REQUIRE=$marker PYTEST_ADDOPTS="-o faulthandler_exit_on_timeout=true"
logs=$(mktemp -d)

busy=()
for _ in $(seq "$(nproc)"); do
  nice -n $((copies > 1 ? 19 : 0)) "$python" -c 'while True: pass' &
  busy+=($!)
done
trap 'kill "${busy[@]}"' EXIT

run() {
  [ "$copies" = 1 ] || cache=$cache-$SLOT
  local start=$SECONDS result=passed
  # shellcheck disable=SC2086 # several arguments
  AMIJAX_CACHE_DIR=$cache "$python" -m pytest -q -m "$marker" $arguments >"$logs/$1.log" 2>&1 ||
    result="FAILED, see $logs/$1.log"
  echo "$marker, run $1: $result, $((SECONDS - start)) s, load $(cut -d' ' -f1 /proc/loadavg)"
}
export -f run

results=$(
  seq "$count" | xargs -P "$copies" --process-slot-var=SLOT -I{} bash -c 'run {}' |
    tee >(cat >&2) # appends, also to a file that takes both outputs
)
passed=$(grep -c ': passed,' <<<"$results")
echo "$marker: $passed of $count runs passed, $copies at a time, with $(nproc) busy processes beside them"
[ "$passed" = "$count" ]
