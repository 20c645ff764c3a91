// SPDX-License-Identifier: MIT
/*
 * One static binary contains all programs of the guest. The name by which it was called selects
 * the program ("/init", "munmap"), or else its first argument does ("/init munmap --seed 7").
 */
#include "program.h"

#include <stdio.h>
#include <string.h>

/* The ends of PROGRAM()'s section, as GNU ld names them (ld, "Orphan Sections"). */
extern const struct program *const __start_programs[];
extern const struct program *const __stop_programs[];

void programs_each(void (*visit)(const struct program *program))
{
	for (const struct program *const *at = __start_programs; at < __stop_programs; at++)
		visit(*at);
}

const struct program *program_find(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (const struct program *const *at = __start_programs; at < __stop_programs; at++)
		if (strcmp((*at)->name, name) == 0)
			return *at;
	return NULL;
}

static void print_name(const struct program *program)
{
	fprintf(stderr, " %s", program->name);
}

int main(int argc, char **argv)
{
	const struct program *program = argc > 0 ? program_find(argv[0]) : NULL;

	if (argc > 1 && program_find(argv[1]) &&
	    (!program || strcmp(program->name, "init") == 0)) {
		program = program_find(argv[1]);
		argc--;
		argv++;
	}
	if (program)
		return program->main(argc, argv);

	fputs("usage: PROGRAM [OPTION...], where PROGRAM is one of:", stderr);
	programs_each(print_name);
	fputc('\n', stderr);
	return 1;
}
