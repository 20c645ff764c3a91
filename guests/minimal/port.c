// SPDX-License-Identifier: MIT
#include "port.h"

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PORTS_DIRECTORY "/sys/class/virtio-ports"

static bool has_name(const char *entry, const char *name)
{
	char path[sizeof(PORTS_DIRECTORY) + 300];
	char found[128];

	snprintf(path, sizeof(path), PORTS_DIRECTORY "/%s/name", entry);
	return read_file(path, found, sizeof(found)) && strcmp(found, name) == 0;
}

bool port_open(struct port *port, const char *name)
{
	char path[300] = "";
	DIR *directory = opendir(PORTS_DIRECTORY);

	if (!directory) {
		errno = ENODEV;
		return false;
	}
	for (struct dirent *entry; !path[0] && (entry = readdir(directory));)
		if (entry->d_name[0] != '.' && has_name(entry->d_name, name))
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
	closedir(directory);
	if (!path[0]) {
		errno = ENODEV;
		return false;
	}
	port->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return port->fd >= 0;
}

static void forget_host(struct port *port)
{
	port->connected = false;
	port->skipping_line = false;
	port->in_start = port->in_end = 0;
	port->out_start = port->out_end = 0;
}

bool port_receive(struct port *port)
{
	ssize_t length;

	memmove(port->in, port->in + port->in_start, port->in_end - port->in_start);
	port->in_end -= port->in_start;
	port->in_start = 0;
	if (port->in_end == sizeof(port->in))
		return false;

	length = read(port->fd, port->in + port->in_end, sizeof(port->in) - port->in_end);
	/*
	 * Data does not prove a connection: the driver learns of a new host from a work queue,
	 * often after the host's first bytes, and reports end of file until then.
	 */
	if (length > 0)
		port->in_end += (size_t)length;
	else if (length == 0 && port->connected)
		forget_host(port);
	else if (length < 0 && errno == EAGAIN)
		port->connected = true;
	return length > 0;
}

/* A line that does not fit into the buffer is dropped up to its newline, and reported once. */
enum port_line port_next_line(struct port *port, char **line)
{
	char *start = port->in + port->in_start;
	size_t length = port->in_end - port->in_start;
	char *newline = memchr(start, '\n', length);
	bool was_skipping = port->skipping_line;

	if (!newline) {
		if (length == sizeof(port->in)) {
			port->skipping_line = true;
			port->in_start = port->in_end;
		}
		return PORT_LINE_NONE;
	}
	*newline = '\0';
	port->in_start = (size_t)(newline + 1 - port->in);
	port->skipping_line = false;
	if (was_skipping)
		return PORT_LINE_TOO_LONG;
	*line = start;
	/* A NUL would hide the rest of the line. It becomes '%', which makes the line invalid. */
	for (char *nul; (nul = memchr(start, '\0', (size_t)(newline - start)));)
		*nul = '%';
	return PORT_LINE_READY;
}

bool port_send(struct port *port)
{
	bool sent = false;

	while (port->out_start < port->out_end) {
		ssize_t length = write(port->fd, port->out + port->out_start,
				       port->out_end - port->out_start);

		if (length <= 0)
			break;
		port->out_start += (size_t)length;
		sent = true;
	}
	if (sent) {
		memmove(port->out, port->out + port->out_start, port->out_end - port->out_start);
		port->out_end -= port->out_start;
		port->out_start = 0;
		port->sent_ns = monotonic_ns();
	}
	return sent;
}

size_t port_space(const struct port *port)
{
	return sizeof(port->out) - port->out_end;
}

void port_print(struct port *port, const char *format, ...)
{
	size_t space = port_space(port);
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(port->out + port->out_end, space, format, arguments);
	va_end(arguments);
	/* Half a line would be taken for the start of the next line. */
	if (length < 0 || (size_t)length >= space)
		return;
	port->out_end += (size_t)length;
	port->out[port->out_end++] = '\n';
}

void port_print_chunk(struct port *port, uint64_t id, const char *kind, const void *bytes,
		      size_t length)
{
	char *out = port->out + port->out_end;

	out += sprintf(out, "%" PRIu64 " %s ", id, kind);
	out += wire_encode(out, bytes, length);
	*out++ = '\n';
	port->out_end = (size_t)(out - port->out);
}
