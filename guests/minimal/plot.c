// SPDX-License-Identifier: MIT
#include "plot.h"

#include "files.h"
#include "workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * How many pages a check reads: each may have to come back from swap first, which takes most of
 * the time in an emulated guest.
 */
#define CHECKED_PAGES 48
#define LAST_WORD (PAGE_BYTES - sizeof(uint64_t))

struct plot_page {
	uint32_t generation;	/* 0 when the page is zero */
	bool may_be_zero;
};

static uint64_t word_of(const struct plot *plot, size_t index, uint32_t generation)
{
	return generation == 0 ? 0 : (uint64_t)(plot->id + 1) << 56 | (uint64_t)index << 32 | generation;
}

static volatile uint64_t *word_at(const char *page, size_t offset)
{
	return (volatile uint64_t *)(uintptr_t)(page + offset);
}

void plot_make(struct plot *plot, unsigned id, const char *what, char *base, size_t pages)
{
	*plot = (struct plot){ .what = what, .id = id, .base = base, .pages = pages };
	plot->page = calloc(pages, sizeof(*plot->page));
	if (!plot->page)
		workload_fail("remember %zu pages", pages);
}

void plot_write(struct plot *plot, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		uint64_t word = word_of(plot, i, ++plot->page[i].generation);

		*word_at(plot->base + i * PAGE_BYTES, 0) = word;
		*word_at(plot->base + i * PAGE_BYTES, LAST_WORD) = word;
		plot->page[i].may_be_zero = false;
	}
}

void plot_may_drop(struct plot *plot, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		plot->page[i].may_be_zero = true;
}

void plot_zeroed(struct plot *plot, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		plot->page[i] = (struct plot_page){ 0 };
}

/*
 * Describes a wrong word: whether it is an old generation or belongs to another page tells a
 * reader more than its number.
 */
static const char *kind_of(const struct plot *plot, size_t index, uint64_t found)
{
	if (found == 0)
		return "zeros";
	if (found >> 32 == word_of(plot, index, 1) >> 32)
		return "an older content";
	return "the content of another page, or none of ours";
}

_Noreturn static void report(const struct plot *plot, size_t index, uint64_t found, const char *after)
{
	uint64_t wanted = word_of(plot, index, plot->page[index].generation);

	char text[256], what[160];
	int length = snprintf(text, sizeof(text),
			      "page %zu of %zu at %p: 0x%" PRIx64 ", want 0x%" PRIx64 "%s\n", index,
			      plot->pages, (void *)(plot->base + index * PAGE_BYTES), found, wanted,
			      plot->page[index].may_be_zero ? " or zero" : "");

	write_all(STDOUT_FILENO, text, (size_t)length);
	snprintf(what, sizeof(what), "%s %s has %s", plot->what, after, kind_of(plot, index, found));
	workload_corrupted(what);
}

static void check_page(const struct plot *plot, size_t index, const char *page, const char *after)
{
	uint64_t wanted = word_of(plot, index, plot->page[index].generation);
	bool may_be_zero = plot->page[index].may_be_zero;
	uint64_t head = *word_at(page, 0), tail = *word_at(page, LAST_WORD);

	if (head != wanted && !(may_be_zero && head == 0))
		report(plot, index, head, after);
	/* The last word may be from before the page was dropped. */
	if (tail != wanted && !(may_be_zero && tail == 0))
		report(plot, index, tail, after);
}

void plot_check_copy(struct plot *plot, size_t first, size_t count, const char *copy,
		     const char *after)
{
	size_t step = 1 + count / CHECKED_PAGES;

	for (size_t i = ++plot->turn % step; i < count; i += step)
		check_page(plot, first + i, copy + i * PAGE_BYTES, after);
}

void plot_check(struct plot *plot, size_t first, size_t count, const char *after)
{
	plot_check_copy(plot, first, count, plot->base + first * PAGE_BYTES, after);
}

void plot_check_all(struct plot *plot, const char *after)
{
	for (size_t i = 0; i < plot->pages; i++)
		check_page(plot, i, plot->base + i * PAGE_BYTES, after);
}
