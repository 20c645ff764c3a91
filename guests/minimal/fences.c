// SPDX-License-Identifier: MIT
/*
 * fences: timelines that several threads signal in every order. Their fences are merged,
 * polled, imported into buffers of every lender, exported from them, waited for by CPU access,
 * and closed at any point. A pacer advances the shared timelines, so no thread waits for long.
 */
#include "fence.h"
#include "files.h"
#include "fences.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "timeline.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 3

/*
 * Makes a timeline, makes fences in one order and waits for them in another. Half of them are
 * left until the timeline ends.
 */
static void signal_in_order(struct racer *racer)
{
	struct fences *fences = racer->shared;
	int timeline = timeline_open();
	struct pollfd waiting[BATCH];
	uint32_t first = (uint32_t)random_next(&racer->random) % BATCH;

	for (uint32_t i = 0; i < BATCH; i++)
		waiting[i] = (struct pollfd){
			.fd = timeline_fence(timeline, 1 + (i * 3 + first) % BATCH),
			.events = POLLIN,
		};
	for (uint32_t at = 0; at < BATCH / 2; at++) {
		if (!timeline_advance(timeline, 1) || poll(waiting, BATCH, 0) < (int)at + 1)
			workload_fail("a fence at %u of an advanced timeline stayed busy", at + 1);
		close(waiting[at].fd);
		waiting[at].fd = timeline_fence(timeline, 1 + at);
	}
	close(timeline);
	for (uint32_t i = 0; i < BATCH; i++) {
		if (!fence_wait(waiting[i].fd, FENCE_WAIT_MS))
			workload_fail("a fence outlived its timeline");
		close(waiting[i].fd);
	}
	fences->signalled += BATCH;
}

/*
 * Merges fences of several timelines into one sync file: the kernel makes an array, and leaves
 * out signalled fences.
 */
static void merge(struct racer *racer)
{
	struct fences *fences = racer->shared;
	int merged = pace_fence(&fences->pace, &racer->random);

	for (int i = 1; i < BATCH; i++) {
		struct pollfd polled = { .fd = merged, .events = POLLIN };

		if (random_below(&racer->random, 2))
			poll(&polled, 1, 0);
		merged = merge_and_close(merged, pace_fence(&fences->pace, &racer->random));
	}
	ask_about(merged);
	/* Otherwise the sync file is closed while it has a callback. */
	if (random_below(&racer->random, 2) && !fence_wait(merged, FENCE_WAIT_MS))
		workload_fail("a merged fence stayed busy");
	ask_about(merged);
	close(merged);
	fences->merged++;
}

/* Ends a timeline that has fences, while other threads make more fences and signal them. */
static void replace_timeline(struct racer *racer)
{
	struct fences *fences = racer->shared;

	pace_replace(&fences->pace, &racer->random, fences->abandons);
}

static const struct operation operations[] = {
	{ "signal-in-order", signal_in_order }, { "merge", merge },
	{ "import", import_fence },			{ "export", export_fences },
	{ "access-alone", access_alone },	{ "replace-timeline", replace_timeline },
	{ "poll-buffers", poll_buffers },	{ "replace-buffer", replace_buffer },
	{ "import", import_fence },			{ "sync-objects", use_sync_objects },
	{ "read-all", read_all },
};

static void prepare(struct fences *fences)
{
	struct canvas canvas;

	lenders_open(&fences->lenders);
	for (enum lender lender = 0; lender < LENDERS; lender++)
		if (fences->lenders.devices[lender] >= 0)
			fences->buffers[fences->buffer_count++] =
				lender_buffer(&fences->lenders, lender, &canvas);
	sync_objects_find(fences);
}

static int run(const struct workload *workload, struct fences *fences)
{
	prepare(fences);
	pace_start(&fences->pace, workload->seed);
	race(workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]), fences);
	pace_stop(&fences->pace);
	printf("done signalled %" PRIuFAST64 " merged %" PRIuFAST64 " imported %" PRIuFAST64
	       " exported %" PRIuFAST64 " sync objects %" PRIuFAST64 "\n",
	       fences->signalled, fences->merged, fences->imported, fences->exported,
	       fences->objects);
	return 0;
}

static int fences_main(int argc, char **argv)
{
	struct workload workload = { .name = "fences", .duration_ms = 1500, .memory_mib = 16 };
	static struct fences fences;

	workload_start(&workload, argc, argv);
	return run(&workload, &fences);
}

PROGRAM("fences", fences_main);

/* The same, but timelines end, and fences are closed, before they are signalled. */
static int fences_abandoned_main(int argc, char **argv)
{
	struct workload workload = { .name = "fences-abandoned", .duration_ms = 1500,
				     .memory_mib = 16 };
	static struct fences fences = { .abandons = true, .pace = { .drops_pending = true } };

	workload_start(&workload, argc, argv);
	workload_skip_known(&workload, NULL, NULL, "a timeline that ends hangs where its fence is polled");
	return run(&workload, &fences);
}

PROGRAM("fences-abandoned", fences_abandoned_main);
