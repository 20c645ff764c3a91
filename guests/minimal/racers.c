// SPDX-License-Identifier: MIT
#include "racers.h"

#include "signals.h"
#include "random.h"
#include "readers.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

struct course {
	const struct operation *operations;
	size_t count;
	pthread_barrier_t start;
};

struct lane {
	struct racer racer;
	struct course *course;
	pthread_t thread;
};

static void *run_lane(void *argument)
{
	struct lane *lane = argument;
	struct racer *racer = &lane->racer;
	const struct course *course = lane->course;
	size_t first = random_below(&racer->random, course->count);

	pthread_barrier_wait(&lane->course->start);
	if (racer->workload->disturbed)
		signals_start(&racer->operations, random_next(&racer->random), racer->index % 2 == 0);
	for (; racer->operations < course->count || workload_time_is_left(racer->workload);
	     racer->operations++) {
		size_t which = racer->operations < course->count ?
				       (first + racer->operations) % course->count :
				       random_below(&racer->random, course->count);

		course->operations[which].apply(racer);
	}
	if (racer->workload->disturbed)
		signals_stop();
	return NULL;
}

uint64_t race(const struct workload *workload, unsigned count, const struct operation *operations,
	      size_t operation_count, void *shared)
{
	struct course course = { .operations = operations, .count = operation_count };
	struct lane lanes[RACERS_MAX];
	uint64_t total = 0;
	pid_t reader = workload->disturbed ? readers_start(workload->seed) : 0;

	pthread_barrier_init(&course.start, NULL, count);
	for (unsigned i = 0; i < count; i++) {
		lanes[i] = (struct lane){
			.course = &course,
			.racer = { .workload = workload,
				   .shared = shared,
				   .index = i,
				   .table = operation_count,
				   .random = random_stream(workload->seed, i) },
		};
		errno = pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]);
		if (errno != 0)
			workload_fail("start thread %u", i);
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(lanes[i].thread, NULL);
		total += lanes[i].racer.operations;
	}
	if (workload->disturbed)
		readers_stop(reader);
	return total;
}

uint64_t racer_way(struct racer *racer, uint64_t count)
{
	return racer->operations < racer->table ? racer->index % count :
						  random_below(&racer->random, count);
}

void race_in_child(struct racer *racer, void (*apply)(struct racer *racer))
{
	pid_t pid = fork();

	if (pid == 0) {
		apply(racer);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
