/* SPDX-License-Identifier: MIT */
/*
 * The programs of the multi-call binary. A file that has one says so below it:
 *
 *	static int munmap_main(int argc, char **argv) { ... }
 *	PROGRAM("munmap", munmap_main);
 *
 * That is all: main() finds it, and in a booted guest it is /bin/munmap.
 */
#ifndef SPLAT_PROGRAM_H
#define SPLAT_PROGRAM_H

struct program {
	const char *name;
	int (*main)(int argc, char **argv);
};

/* Pointers to the programs lie side by side in a section; the linker names its ends. */
#define PROGRAM(program_name, function)                                                           \
	static const struct program function##_program = { program_name, function };             \
	static const struct program *const function##_entry                                       \
		__attribute__((used, section("programs"))) = &function##_program

/* Calls `visit` for each program. */
void programs_each(void (*visit)(const struct program *program));

/*
 * The program with this name, or whose name is the last part of this path; NULL if there is
 * none.
 */
const struct program *program_find(const char *path);

#endif
