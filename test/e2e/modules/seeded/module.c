// SPDX-License-Identifier: GPL-2.0-only
/* The seeded-bug driver as a module: the test puts its files beside this one. */
#include <linux/module.h>

#include "device.c"

/* Kernels do not export it; the one bug that needs it is no bug of the default canaries. */
int mm_take_all_locks(struct mm_struct *mm)
{
	return -EINTR;
}

void mm_drop_all_locks(struct mm_struct *mm)
{
}

MODULE_DESCRIPTION("the seeded-bug driver");
MODULE_LICENSE("GPL");
