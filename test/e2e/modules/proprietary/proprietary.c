// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel does to lockdep for such a licence is tested; the file itself is free. */
#include <linux/module.h>

static int __init proprietary_init(void)
{
	return 0;
}

module_init(proprietary_init);
MODULE_DESCRIPTION("taints");
MODULE_LICENSE("Proprietary");
