#!/bin/sh
# SPDX-License-Identifier: MIT
# Unloads a module and loads it again, and sees that it is another one.
set -e
file=/sys/kernel/debug/reloaded
for round in 1 2 3; do
	test "$(cat $file)" = 1
	test "$(cat $file)" = 2
	modprobe -r reloaded
	! test -e $file
	modprobe reloaded
done
lsmod | grep reloaded
