// SPDX-License-Identifier: MIT
/*
 * hmm-closed: one process closes a mirror of the HMM test driver for the last time, while
 * another one faults back a page that is on the device.
 */
#include "hmm_lives.h"
#include "program.h"
#include "racers.h"
#include "workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 2

static void close_shared(struct racer *racer)
{
	(void)racer;
	hmm_close_shared();
}

static const struct operation operations[] = { { "close-shared", close_shared } };

static int hmm_closed_main(int argc, char **argv)
{
	struct workload workload = { .name = "hmm-closed", .duration_ms = 1000, .memory_mib = 16 };
	uint64_t done;

	workload_start(&workload, argc, argv);
	if (access("/dev/hmm_dmirror1", F_OK) < 0)
		workload_skip("no /dev/hmm_dmirror1: the kernel lacks CONFIG_TEST_HMM");
	workload_skip_known(&workload, NULL, NULL, "a mirror is freed under a fault of its pages");
	done = race(&workload, THREADS, operations, 1, NULL);
	printf("done operations %" PRIu64 "\n", done);
	return 0;
}

PROGRAM("hmm-closed", hmm_closed_main);
