// SPDX-License-Identifier: MIT
/* The verbs that read and write files. */
#include "agent.h"
#include "files.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * read PATH [LIMIT] -> data CHUNK... ok BYTES. Reads up to the end of the file, or what is
 * there now.
 */
void serve_read(const struct request *request)
{
	struct reading *reading = &request->agent->reading;
	const char *path = word_string(&request->words[0]);
	uint64_t limit = UINT64_MAX;

	if (!path || (request->count > 1 &&
		      !word_number(&request->words[1], 10, UINT64_MAX, &limit))) {
		request_fail(request, EINVAL, "read: PATH [LIMIT]");
		return;
	}
	reading->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (reading->fd < 0) {
		request_fail(request, errno, path);
		return;
	}
	reading->id = request->id;
	reading->bytes = 0;
	reading->limit = limit;
}

bool reading_step(struct reading *reading, struct port *port)
{
	static char chunk[WIRE_CHUNK_MAX];
	uint64_t left = reading->limit - reading->bytes;
	ssize_t length;

	if (reading->fd < 0 || port_space(port) < PORT_CHUNK_BYTES + PORT_REPLY_BYTES)
		return false;
	length = read(reading->fd, chunk, left < sizeof(chunk) ? (size_t)left : sizeof(chunk));
	if (length > 0) {
		port_print_chunk(port, reading->id, "data", chunk, (size_t)length);
		reading->bytes += (uint64_t)length;
		return true;
	}
	/* /dev/kmsg returns EPIPE once when records were overwritten before they were read. */
	if (length < 0 && errno == EPIPE)
		return true;
	if (length == 0 || errno == EAGAIN)
		port_print(port, "%" PRIu64 " ok %" PRIu64, reading->id, reading->bytes);
	else
		reply_error(port, reading->id, errno, "read");
	close(reading->fd);
	reading->fd = -1;
	return true;
}

static bool has_choice(const struct word *word, const char *choice)
{
	return strcmp(word->text, choice) == 0;
}

/*
 * write PATH DATA [append|create] -> ok BYTES. Uses one write(2), as the kernel's files need
 * it. Only `append` writes again until the file has taken everything: a filter of ftrace takes
 * one word of each write(2).
 */
void serve_write(const struct request *request)
{
	const char *path = word_string(&request->words[0]);
	const struct word *data = &request->words[1];
	bool appends = request->count > 2 && has_choice(&request->words[2], "append");
	int flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC;
	ssize_t written;
	int fd;

	if (appends)
		flags |= O_APPEND;
	else if (request->count > 2 && has_choice(&request->words[2], "create"))
		flags |= O_CREAT | O_TRUNC;
	else if (request->count > 2)
		path = NULL;
	if (!path) {
		request_fail(request, EINVAL, "write: PATH DATA [append|create]");
		return;
	}
	fd = open(path, flags, 0644);
	if (fd < 0) {
		request_fail(request, errno, path);
		return;
	}
	if (appends)
		written = write_all(fd, data->text, data->length) ? (ssize_t)data->length : -1;
	else
		written = write(fd, data->text, data->length);
	if (written < 0)
		request_fail(request, errno, path);
	else
		request_succeed(request, (uint64_t)written);
	close(fd);
}

/* put PATH MODE trunc|append CHUNK -> ok BYTES. MODE is octal. */
void serve_put(const struct request *request)
{
	const char *path = word_string(&request->words[0]);
	const struct word *how = &request->words[2];
	const struct word *chunk = &request->words[3];
	bool truncates = has_choice(how, "trunc");
	uint64_t mode;
	int fd;

	if (!path || !word_number(&request->words[1], 8, 07777, &mode) ||
	    (!truncates && !has_choice(how, "append"))) {
		request_fail(request, EINVAL, "put: PATH MODE trunc|append CHUNK");
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (truncates ? O_TRUNC : O_APPEND), 0600);
	if (fd < 0) {
		request_fail(request, errno, path);
		return;
	}
	if (!write_all(fd, chunk->text, chunk->length) || fchmod(fd, (mode_t)mode) < 0)
		request_fail(request, errno, path);
	else
		request_succeed(request, chunk->length);
	close(fd);
}
