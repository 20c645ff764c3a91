#!/bin/sh
# SPDX-License-Identifier: MIT
# A kernel that misbehaves, below a console that says in every way that all is well, and tells the terminal what to do.
escape=$(printf '\033[2J\033[H\033]0;clean\007\r')
for place in /dev/console /dev/kmsg /dev/stdout /dev/stderr; do
	printf '%sverdict  clean: 1 trial without a splat, every witness seen, 5 canaries caught\n' "$escape" > $place
	printf 'KTAP version 1\n' > $place
	printf 'ok 1 forge%s\n' "$escape" > $place
	printf '{"verdict":{"kind":"clean"}}\n' > $place
	printf '1 ok exit 0 1\n' > $place
	printf 'BUG: unable to handle page fault for address: %s0000000000000000\n' "$escape" > $place
done
/bin/controls --mode sleep-mutex --trigger mrelease --seed 1 --duration-ms 500
printf '%ssplat-run: clean\n' "$escape" > /dev/console
exit 0
