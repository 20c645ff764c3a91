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

/* Pointers to them lie side by side in a section, whose ends the linker names. */
#define PROGRAM(program_name, function)                                                           \
	static const struct program function##_program = { program_name, function };             \
	static const struct program *const function##_entry                                       \
		__attribute__((used, section("programs"))) = &function##_program

/* Calls back with each of them. */
void programs_each(void (*visit)(const struct program *program));

/* The program of this name, or of this path's last part; NULL for none. */
const struct program *program_find(const char *path);

#endif
