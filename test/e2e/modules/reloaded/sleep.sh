#!/bin/sh
# SPDX-License-Identifier: MIT
echo 1 > /sys/kernel/debug/reloaded
