/* SPDX-License-Identifier: MIT */
/*
 * The agent's end of a virtio-serial port, non-blocking and with static buffers. A port can be
 * opened only once, so it stays open as long as the agent lives, while hosts come and go (a
 * checkpoint is saved under one host and restored under another).
 */
#ifndef SPLAT_PORT_H
#define SPLAT_PORT_H

#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_OUT_BYTES (256 * 1024)
/* Room for any reply other than a chunk; it is kept free before a request is taken. */
#define PORT_REPLY_BYTES 2048
/* The most bytes that a chunk of WIRE_CHUNK_MAX raw bytes takes when it is encoded. */
#define PORT_CHUNK_BYTES (3 * WIRE_CHUNK_MAX + 64)

struct port {
	int fd;
	bool connected;
	bool skipping_line;
	size_t in_start, in_end;
	size_t out_start, out_end;
	uint64_t sent_ns;	/* when the host last took something */
	char in[WIRE_LINE_MAX];
	char out[PORT_OUT_BYTES];
};

enum port_line { PORT_LINE_NONE, PORT_LINE_READY, PORT_LINE_TOO_LONG };

/*
 * Opens the port with this name (/sys/class/virtio-ports/vportNpM/name). False with errno
 * ENODEV while there is no such port.
 */
bool port_open(struct port *port, const char *name);

/*
 * Reads what the host sent. True if there was something. When the host has gone, the buffers
 * are emptied and `connected` becomes false: the rest of an old reply is not sent to a new
 * host.
 */
bool port_receive(struct port *port);

/*
 * The next whole line, NUL-terminated and without its newline. It is valid until port_receive()
 * is called.
 */
enum port_line port_next_line(struct port *port, char **line);

/* Sends as much as the host takes now. True if some bytes were sent. */
bool port_send(struct port *port);

/* How many bytes can still be queued. */
size_t port_space(const struct port *port);

/* Queues "FORMAT\n". The caller makes sure that it fits, and that it consists of encoded words. */
void port_print(struct port *port, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Queues "ID KIND CHUNK\n", with at most WIRE_CHUNK_MAX raw bytes. The caller makes sure that
 * it fits.
 */
void port_print_chunk(struct port *port, uint64_t id, const char *kind, const void *bytes,
		      size_t length);

#endif
