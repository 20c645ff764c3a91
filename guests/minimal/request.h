/* SPDX-License-Identifier: MIT */
/* A request, as it is passed to the function of its verb, which answers it exactly once. */
#ifndef SPLAT_REQUEST_H
#define SPLAT_REQUEST_H

#include "agent.h"

struct request {
	struct agent *agent;
	struct port *port;
	uint64_t id;
	const struct word *words; /* the words after the verb */
	size_t count;
};

/* Answers "err" with an errno value and a text that says what failed. */
void request_fail(const struct request *request, int error, const char *text);

/* Answers "ok NUMBER". */
void request_succeed(const struct request *request, uint64_t number);

/* The verbs that read and write files. */
void serve_read(const struct request *request);
void serve_write(const struct request *request);
void serve_put(const struct request *request);

#endif
