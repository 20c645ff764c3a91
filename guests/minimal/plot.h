/* SPDX-License-Identifier: MIT */
/*
 * Memory whose content is known: the first and the last word of each page tell which page it is and
 * how often it was written. Each plot has one writer, the thread that owns it, and is checked by it
 * while that thread writes nothing, so whatever the kernel did to it meanwhile, there is one right
 * answer: what was written last, or zero once the owner has let the kernel drop it.
 */
#ifndef SPLAT_PLOT_H
#define SPLAT_PLOT_H

#include "arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plot {
	const char *what;	/* "anonymous memory", as a report names it */
	unsigned id;
	char *base;		/* where it is now */
	size_t pages;
	size_t turn;		/* which of many pages a check looks at */
	struct plot_page *page;	/* what is known of each */
};

/* Makes a plot of so many pages at base, all of which read as zero now. Exits on failure. */
void plot_make(struct plot *plot, unsigned id, const char *what, char *base, size_t pages);

/* Writes the next generation of these pages. */
void plot_write(struct plot *plot, size_t first, size_t count);

/* They may read as zero from now until they are written again, or already do. */
void plot_may_drop(struct plot *plot, size_t first, size_t count);

/* They read as zero now. */
void plot_zeroed(struct plot *plot, size_t first, size_t count);

/*
 * Reads the pages where they are, some tens of them where there are many (plot_check_all(): all),
 * or a copy of them that somebody else made (copy: of page first), and ends the whole program by
 * workload_corrupted() at a wrong word. `after` says what came between, as in "after fork".
 */
void plot_check(struct plot *plot, size_t first, size_t count, const char *after);
void plot_check_all(struct plot *plot, const char *after);
void plot_check_copy(struct plot *plot, size_t first, size_t count, const char *copy,
		     const char *after);

#endif
