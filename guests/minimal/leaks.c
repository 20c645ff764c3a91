// SPDX-License-Identifier: MIT
#include "leaks.h"

#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST "/sys/kernel/debug/dma_buf/bufinfo"
#define PATIENCE_MS 2000
#define STEP_MS 20

/*
 * The last line of the file is "Total 3 objects, 196608 bytes" (drivers/dma-buf/dma-buf.c,
 * dma_buf_debug_show()).
 */
long leaks_buffers(void)
{
	char line[256];
	long count = -1;
	FILE *list = fopen(LIST, "re");

	if (!list)
		return -1;
	while (fgets(line, sizeof(line), list))
		if (strncmp(line, "Total ", 6) == 0)
			count = strtol(line + 6, NULL, 10);
	fclose(list);
	return count;
}

void leaks_check_buffers(long before, const char *maker)
{
	char what[128];

	for (int waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
		if (leaks_buffers() <= before)
			return;
		pause_ms(STEP_MS);
	}
	snprintf(what, sizeof(what), "a dma-buf of %s", maker);
	workload_leaked(what);
}
