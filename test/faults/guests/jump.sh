#!/bin/sh
# SPDX-License-Identifier: MIT
# Sets the guest's clock years ahead and years back, until it is stopped.
echo start
while :; do
	date -s '2035-01-01 00:00:00' >/dev/null || exit 1
	usleep 100000
	date -s '1999-01-01 00:00:00' >/dev/null || exit 1
	usleep 100000
done
