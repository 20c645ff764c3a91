/* SPDX-License-Identifier: MIT */
/*
 * Memory with known contents: the first and the last word of each page say which page it is,
 * and how many times it was written. Each plot has one writer, the thread that owns it. That
 * thread also checks it, while it writes nothing. So whatever the kernel did meanwhile, there
 * is one right answer: what was written last, or zero once the owner has allowed the kernel to
 * drop the page.
 */
#ifndef SPLAT_PLOT_H
#define SPLAT_PLOT_H

#include "arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plot {
	const char *what;	/* the kind of memory, as a report names it: "anonymous memory" */
	unsigned id;
	char *base;		/* where the plot is now */
	size_t pages;
	size_t turn;		/* which of the many pages the next check reads */
	struct plot_page *page;	/* what is known of each page */
};

/* Makes a plot of `pages` pages at `base`, all of which read as zero now. Exits on failure. */
void plot_make(struct plot *plot, unsigned id, const char *what, char *base, size_t pages);

/* Writes the next generation into these pages. */
void plot_write(struct plot *plot, size_t first, size_t count);

/* Notes that these pages may read as zero until they are written again. */
void plot_may_drop(struct plot *plot, size_t first, size_t count);

/* Notes that these pages read as zero now. */
void plot_zeroed(struct plot *plot, size_t first, size_t count);

/*
 * Checks pages where they are (plot_check(): only some tens of them when there are many;
 * plot_check_all(): all), or a copy of them that somebody else made (plot_check_copy(): `copy`
 * begins with page `first`). At a wrong word it ends the program with workload_corrupted().
 * `after` says what happened before, such as "after fork".
 */
void plot_check(struct plot *plot, size_t first, size_t count, const char *after);
void plot_check_all(struct plot *plot, const char *after);
void plot_check_copy(struct plot *plot, size_t first, size_t count, const char *copy,
		     const char *after);

#endif
