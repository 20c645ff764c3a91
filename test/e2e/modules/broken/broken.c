// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

static int __init broken_init(void)
{
	return not_declared;
}

module_init(broken_init);
MODULE_DESCRIPTION("does not compile");
MODULE_LICENSE("GPL");
