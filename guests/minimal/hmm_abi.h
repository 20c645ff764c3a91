/* SPDX-License-Identifier: MIT */
/*
 * The part of the ioctl ABI of the kernel's HMM test driver (CONFIG_TEST_HMM) that the hmm
 * workload uses, as of Linux 5.19. Before, a single MIGRATE had the number 2, and the numbers
 * after it were one lower. The driver has no uapi header, so no system header declares this.
 */
#ifndef SPLAT_HMM_ABI_H
#define SPLAT_HMM_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct hmm_request {
	__u64 address;	/* of the mirrored memory, page aligned */
	__u64 buffer;	/* what is read or written, or one byte a page for SNAPSHOT */
	__u64 pages;
	__u64 copied;	/* out: how many pages */
	__u64 faults;	/* out: how many faults of the device */
};

#define HMM_READ _IOWR('H', 0, struct hmm_request)
#define HMM_WRITE _IOWR('H', 1, struct hmm_request)
#define HMM_MIGRATE_TO_DEVICE _IOWR('H', 2, struct hmm_request)
#define HMM_MIGRATE_TO_SYSTEM _IOWR('H', 3, struct hmm_request)
#define HMM_SNAPSHOT _IOWR('H', 4, struct hmm_request)
#define HMM_EXCLUSIVE _IOWR('H', 5, struct hmm_request)

#endif
