// SPDX-License-Identifier: MIT
/*
 * One static binary is every program of the guest: the name it was called by
 * selects the program ("/init", "munmap"), or else the first argument does
 * ("/init munmap --seed 7").
 */
#include "programs.h"

#include <stdio.h>
#include <string.h>

static const struct program {
	const char *name;
	int (*main)(int argc, char **argv);
} programs[] = {
	{ "init", init_main },
	{ "agent", agent_main },
	{ "munmap", munmap_main },
	{ "mrelease", mrelease_main },
	{ "oom-memcg", oom_memcg_main },
	{ "virtio-gpu", virtio_gpu_main },
	{ "hmm", hmm_main },
	{ "controls", controls_main },
	{ "oom-global", oom_global_main },
	{ "reclaim", reclaim_main },
	{ "kvm", kvm_main },
	{ "dma-buf", dma_buf_main },
};

#define PROGRAM_COUNT (sizeof(programs) / sizeof(programs[0]))

static const struct program *find_program(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < PROGRAM_COUNT; i++)
		if (strcmp(programs[i].name, name) == 0)
			return &programs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct program *program = argc > 0 ? find_program(argv[0]) : NULL;

	if (argc > 1 && find_program(argv[1]) &&
	    (!program || program->main == init_main)) {
		program = find_program(argv[1]);
		argc--;
		argv++;
	}
	if (program)
		return program->main(argc, argv);

	fputs("usage: PROGRAM [OPTION...], where PROGRAM is one of:", stderr);
	for (size_t i = 0; i < PROGRAM_COUNT; i++)
		fprintf(stderr, " %s", programs[i].name);
	fputc('\n', stderr);
	return 1;
}
