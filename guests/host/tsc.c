// SPDX-License-Identifier: MIT
/*
 * Prints the rate of this machine's time stamp counter in kHz. An emulated guest reads the
 * host's counter but, without ACPI, has nothing to calibrate it with, so it is told the rate
 * (tsc_early_khz=, Documentation/admin-guide/kernel-parameters.txt).
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/*
 * Reads both clocks at nearly the same instant: of several tries, the one that took the fewest
 * cycles counts.
 */
static uint64_t read_both(uint64_t *ns)
{
	uint64_t best_cycles = UINT64_MAX, tsc = 0;

	for (int i = 0; i < 64; i++) {
		uint64_t before = __rdtsc();
		uint64_t at_ns = monotonic_ns();
		uint64_t cycles = __rdtsc() - before;

		if (cycles < best_cycles) {
			best_cycles = cycles;
			tsc = before + cycles / 2;
			*ns = at_ns;
		}
	}
	return tsc;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 250 * 1000 * 1000 };
	uint64_t start_ns, end_ns;
	uint64_t start = read_both(&start_ns);

	nanosleep(&pause, NULL);
	uint64_t end = read_both(&end_ns);

	printf("%.0f\n", (double)(end - start) * 1e6 / (double)(end_ns - start_ns));
	return 0;
}
