// SPDX-License-Identifier: MIT
/* A test program that speaks as IGT's do, and behaves as the name it is called by says. Written; none of IGT is in it. */
#include <stdio.h>
#include <string.h>

static int subtest(const char *name, const char *result)
{
	printf("Starting subtest: %s\n", name);
	printf("Subtest %s: %s (0.001s)\n", name, result);
	return strcmp(result, "FAIL") == 0 ? 98 : strcmp(result, "SKIP") == 0 ? 77 : 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash != NULL ? slash + 1 : argv[0];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && strcmp(argv[1], "--list-subtests") == 0) {
		puts("first\nsecond");
		return 0;
	}
	if (argc > 2 && strcmp(argv[1], "--run-subtest") == 0)
		return subtest(argv[2], "SUCCESS");
	if (strcmp(name, "skips") == 0) {
		puts("Test requirement: a device that nobody has");
		return subtest("first", "SKIP") | subtest("second", "SKIP");
	}
	subtest("first", "SUCCESS");
	if (strcmp(name, "dies") == 0) {
		puts("Starting subtest: second");
		__builtin_trap();
	}
	return subtest("second", strcmp(name, "fails") == 0 ? "FAIL" : "SUCCESS");
}
