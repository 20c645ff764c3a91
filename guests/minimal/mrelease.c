// SPDX-License-Identifier: MIT
/*
 * mrelease: process_mrelease(2) on dying processes that own hlist notifiers, which runs the OOM
 * reaper's non-blockable pass in the caller. Every other victim is held at its exit stop, where
 * the pass always finds the notifiers. The others are free to die: there the pass races with
 * exit_mmap() and may find nothing (ESRCH); half of those are slowed down, or the kernel would
 * win nearly every race. The workload goes on past its time, up to a limit, until the callbacks
 * of one held victim have run.
 */
#include "files.h"
#include "notifiers.h"
#include "owner.h"
#include "program.h"
#include "random.h"
#include "victim.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448 /* Linux 5.15 */
#endif
#define PATIENCE_NS 20000000000u

struct tally {
	uint64_t reaped; /* process_mrelease() returned 0 */
	uint64_t gone;	 /* ESRCH: the victim had dropped its memory already */
	uint64_t proven; /* reaped, and callbacks ran in non-blockable mode meanwhile */
};

static void release(const struct victim *victim, struct tally *tally)
{
	uint64_t before = notifiers_count("hlist_start_nonblockable");
	long result;

	do
		result = syscall(SYS_process_mrelease, victim->pidfd, 0);
	while (result < 0 && (errno == EINTR || errno == EAGAIN));
	if (result < 0 && errno == ENOSYS)
		workload_skip("no process_mrelease(2): the kernel is older than 5.15");
	if (result < 0 && errno != ESRCH)
		workload_fail("process_mrelease");
	tally->reaped += result == 0;
	tally->gone += result < 0;
	tally->proven += result == 0 && notifiers_count("hlist_start_nonblockable") > before;
}

enum hold { HELD, HINDERED, FREE };

static void kill_and_release(const struct owner *owner, enum hold hold, struct tally *tally)
{
	struct victim_life life = { .prepare = owner_prepare, .context = owner };
	struct victim victim;

	victim_start(&victim, &life);
	if (hold == HELD)
		victim_trace(&victim);
	if (hold == HINDERED)
		victim_hinder(&victim);
	victim_kill(&victim);
	if (hold == HELD)
		victim_await_exit_stop(&victim);
	release(&victim, tally);
	victim_bury(&victim);
}

static int mrelease_main(int argc, char **argv)
{
	struct workload workload = { .name = "mrelease", .duration_ms = 2000, .memory_mib = 16 };
	struct tally held = { 0 }, racy = { 0 };
	uint64_t random;

	workload_start(&workload, argc, argv);
	random = random_stream(workload.seed, 0);
	do {
		struct owner owner = {
			.bytes = (1 + random_below(&random, workload.memory_mib / 2)) * MIB,
			.notifiers = 1 + (unsigned)random_below(&random, 3),
		};

		kill_and_release(&owner, HELD, &held);
		kill_and_release(&owner, random_below(&random, 2) ? HINDERED : FREE, &racy);
	} while (workload_time_is_left(&workload) ||
		 (held.proven == 0 && monotonic_ns() < workload.end_ns + PATIENCE_NS));

	printf("done held reaped %" PRIu64 " gone %" PRIu64 " proven %" PRIu64
	       ", racy reaped %" PRIu64 " gone %" PRIu64 " proven %" PRIu64 "\n",
	       held.reaped, held.gone, held.proven, racy.reaped, racy.gone, racy.proven);
	if (held.proven == 0) {
		errno = 0;
		workload_fail("no callback ran in process_mrelease()");
	}
	return 0;
}

PROGRAM("mrelease", mrelease_main);
