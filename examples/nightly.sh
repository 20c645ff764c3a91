#!/bin/sh
# nightly.sh RUNS [FLAG...] runs splat run FLAG... with the last run as the baseline: only splats that the last run did not show decide.
# Each run is a folder below RUNS. The link RUNS/last leads to the last run with a result.json. The exit code is that of splat run.
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
