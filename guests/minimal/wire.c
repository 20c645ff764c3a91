// SPDX-License-Identifier: MIT
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_plain(unsigned char byte)
{
	if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	    (byte >= '0' && byte <= '9'))
		return true;
	return byte != '\0' && strchr("_./:=+,@-", byte) != NULL;
}

size_t wire_encode(char *out, const void *bytes, size_t length)
{
	static const char hex[] = "0123456789ABCDEF";
	const unsigned char *in = bytes;
	char *next = out;

	if (length == 0)
		*next++ = '%';
	for (size_t i = 0; i < length; i++) {
		if (is_plain(in[i])) {
			*next++ = (char)in[i];
			continue;
		}
		*next++ = '%';
		*next++ = hex[in[i] >> 4];
		*next++ = hex[in[i] & 15];
	}
	return (size_t)(next - out);
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

/* Decodes the NUL-terminated word in place; it never becomes longer. */
static bool decode(char *encoded, struct word *word)
{
	const char *in = encoded;
	char *out = encoded;

	word->text = encoded;
	word->length = 0;
	if (strcmp(encoded, "%") == 0) {
		*out = '\0';
		return true;
	}
	while (*in) {
		int high, low;

		if (is_plain((unsigned char)*in)) {
			*out++ = *in++;
			continue;
		}
		if (*in != '%')
			return false;
		high = hex_value(in[1]);
		low = high < 0 ? -1 : hex_value(in[2]);
		if (low < 0)
			return false;
		*out++ = (char)(high << 4 | low);
		in += 3;
	}
	*out = '\0';
	word->length = (size_t)(out - encoded);
	return word->length > 0;
}

size_t wire_split(char *line, struct word *words)
{
	size_t count = 0;

	for (char *next = line; next;) {
		char *space = strchr(next, ' ');

		if (count == WIRE_WORDS_MAX) {
			errno = E2BIG;
			return 0;
		}
		if (space)
			*space++ = '\0';
		if (!decode(next, &words[count++])) {
			errno = EINVAL;
			return 0;
		}
		next = space;
	}
	return count;
}

const char *word_string(const struct word *word)
{
	if (word->length > 0 && strlen(word->text) == word->length)
		return word->text;
	errno = EINVAL;
	return NULL;
}

bool word_number(const struct word *word, int base, uint64_t max, uint64_t *number)
{
	const char *text = word_string(word);
	char *end;

	/* strtoull() accepts signs and spaces, which are not allowed in a number here. */
	if (text && hex_value(text[0]) >= 0) {
		errno = 0;
		*number = strtoull(text, &end, base);
		if (errno == 0 && *end == '\0' && *number <= max)
			return true;
	}
	errno = EINVAL;
	return false;
}
