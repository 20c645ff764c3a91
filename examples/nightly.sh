#!/bin/sh
# nightly.sh RUNS [FLAG...]: splat run FLAG..., judged against the run before: only splats which that one did not have decide.
# Keeps each run in the folder RUNS, and the last one that came to a result as RUNS/last. Exit code as splat run.
set -eu

splat=$(dirname "$0")/../splat
runs=$1
shift
out=$runs/$(date +%Y%m%d-%H%M%S)
mkdir -p "$runs"
if [ -e "$runs/last/result.json" ]; then
	set -- --baseline "$runs/last" "$@"
fi

code=0
"$splat" run --out "$out" "$@" || code=$?
if [ -e "$out/result.json" ]; then
	ln -sfn "$(basename "$out")" "$runs/last"
fi
exit "$code"
