/* SPDX-License-Identifier: MIT */
/*
 * The agent, through which the host works inside the guest. It is one loop without threads, and
 * allocates nothing once it serves, so that it survives when no memory is left.
 *
 * A request is a line "ID VERB WORD..." (ID decimal) and ends with exactly one "ID ok WORD..."
 * or "ID err ERRNO-NAME TEXT". Before that may come "ID data CHUNK" (read), "ID out 1|2 CHUNK"
 * (run: stdout or stderr) and "ID out-lost BYTES" (run: output that was dropped because the
 * host did not read it). A line that is not a request is answered "0 err ...". Requests are
 * served in order, but a run goes on while later requests are served. When a connection ends,
 * its requests end without an answer. A new host should not reuse the IDs of the host before
 * it. It may begin with an empty line, which is not a request but ends a line that was cut off.
 */
#ifndef SPLAT_AGENT_H
#define SPLAT_AGENT_H

#include "port.h"
#include "trial.h"

#include <stdbool.h>
#include <stdint.h>

#define AGENT_PORT_NAME "org.splat.agent"
#define AGENT_PROTOCOL 1

/* The file a "read" request is streaming; fd is -1 when there is none. */
struct reading {
	int fd;
	uint64_t id;
	uint64_t bytes;
	uint64_t limit;
};

struct agent {
	int epoll_fd;
	int signal_fd;
	struct port port;
	struct reading reading;
	struct trial trial;
};

/* Serves one line of the host: replies at once, or starts a reading or a trial. */
void agent_serve(struct agent *agent, char *line);

/* Sends the next chunk, or the end, of the file that is read. True if it did something. */
bool reading_step(struct reading *reading, struct port *port);

/* Queues "ID err NAME TEXT" for an errno value. */
void reply_error(struct port *port, uint64_t id, int error, const char *text);

#endif
