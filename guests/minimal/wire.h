/* SPDX-License-Identifier: MIT */
/*
 * The wire format between agent and host: lines that end with '\n', of words separated by one
 * space. A byte of a word that is not in [A-Za-z0-9_./:=+,@-] is written %XX; an empty word is
 * written "%". So "write /tmp/x a%20b" carries the bytes "a b".
 */
#ifndef SPLAT_WIRE_H
#define SPLAT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest line in bytes, including its newline. */
#define WIRE_LINE_MAX 65536
/* A chunk of this many raw bytes fits a line even when every byte is escaped. */
#define WIRE_CHUNK_MAX 16384
#define WIRE_WORDS_MAX 512

/* Decoded bytes, which may contain NULs; one more NUL always follows them. */
struct word {
	char *text;
	size_t length;
};

/*
 * Encodes bytes as one word. `out` needs room for 3 * length + 1 bytes. Returns the encoded
 * length.
 */
size_t wire_encode(char *out, const void *bytes, size_t length);

/*
 * Splits a line (NUL-terminated, without its newline) into words and decodes each in
 * place. Returns the number of words, or 0 with errno EINVAL (not the format above) or
 * E2BIG (more than WIRE_WORDS_MAX words).
 */
size_t wire_split(char *line, struct word *words);

/* A word as a C string; NULL with errno EINVAL if it contains a NUL. */
const char *word_string(const struct word *word);

/* A word as a number, in decimal or another base, that is at most `max`. */
bool word_number(const struct word *word, int base, uint64_t max, uint64_t *number);

#endif
