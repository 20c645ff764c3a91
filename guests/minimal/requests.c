// SPDX-License-Identifier: MIT
/* The verbs of the agent. Every function below answers exactly one request. */
#include "agent.h"
#include "files.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#define ENTROPY_MAX_BYTES 256
#define TIMEOUT_MAX_MS 86400000u

void reply_error(struct port *port, uint64_t id, int error, const char *text)
{
	const char *name = strerrorname_np(error);
	char encoded[3 * 256 + 1];
	size_t length = wire_encode(encoded, text, strnlen(text, 256));

	if (name)
		port_print(port, "%" PRIu64 " err %s %.*s", id, name, (int)length, encoded);
	else
		port_print(port, "%" PRIu64 " err %d %.*s", id, error, (int)length, encoded);
}

void request_fail(const struct request *request, int error, const char *text)
{
	reply_error(request->port, request->id, error, text);
}

void request_succeed(const struct request *request, uint64_t number)
{
	port_print(request->port, "%" PRIu64 " ok %" PRIu64, request->id, number);
}

/* hello -> ok splat-agent PROTOCOL KERNEL-RELEASE */
static void serve_hello(const struct request *request)
{
	char release[3 * sizeof(((struct utsname *)0)->release)];
	struct utsname system;
	size_t length;

	uname(&system);
	length = wire_encode(release, system.release, strlen(system.release));
	port_print(request->port, "%" PRIu64 " ok splat-agent %d %.*s", request->id,
		   AGENT_PROTOCOL, (int)length, release);
}

static size_t decode_hex(const struct word *word, unsigned char *bytes, size_t max)
{
	if (word->length == 0 || word->length % 2 != 0 || word->length / 2 > max)
		return 0;
	for (size_t i = 0; i < word->length / 2; i++) {
		char digits[3] = { word->text[2 * i], word->text[2 * i + 1], '\0' };
		struct word pair = { digits, 2 };
		uint64_t value;

		if (!word_number(&pair, 16, 255, &value))
			return 0;
		bytes[i] = (unsigned char)value;
	}
	return word->length / 2;
}

/*
 * entropy HEX -> ok BYTES. Credits the bytes and reseeds at once, so that copies of a guest
 * differ from then on.
 */
static void serve_entropy(const struct request *request)
{
	_Alignas(struct rand_pool_info) unsigned char
		buffer[sizeof(struct rand_pool_info) + ENTROPY_MAX_BYTES];
	struct rand_pool_info *pool = (struct rand_pool_info *)buffer;
	size_t length = decode_hex(&request->words[0], buffer + sizeof(*pool), ENTROPY_MAX_BYTES);
	int fd, error = 0;

	if (length == 0) {
		request_fail(request, EINVAL, "entropy: 1 to 256 bytes as hex digits");
		return;
	}
	pool->entropy_count = (int)length * 8;
	pool->buf_size = (int)length;
	fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	if (error != 0)
		request_fail(request, error, "entropy");
	else
		request_succeed(request, length);
}

/* stand-by -> ok PID. The next "run" needs no new process. */
static void serve_stand_by(const struct request *request)
{
	struct trial *trial = &request->agent->trial;
	int error = trial_stand_by(trial);

	if (error != 0)
		request_fail(request, error, "stand-by");
	else
		request_succeed(request, (uint64_t)trial->program.pid);
}

/* run TIMEOUT-MS ARG... -> out 1|2 CHUNK... ok exit CODE MS | ok signal N MS | ok timeout MS */
static void serve_run(const struct request *request)
{
	static char *argv[WIRE_WORDS_MAX];
	struct agent *agent = request->agent;
	uint64_t timeout_ms;
	int error;

	if (!word_number(&request->words[0], 10, TIMEOUT_MAX_MS, &timeout_ms)) {
		request_fail(request, EINVAL, "run: TIMEOUT-MS ARG...");
		return;
	}
	for (size_t i = 1; i < request->count; i++)
		argv[i - 1] = request->words[i].text;
	argv[request->count - 1] = NULL;
	error = trial_start(&agent->trial, agent->epoll_fd, request->id, timeout_ms, argv);
	if (error != 0)
		request_fail(request, error, "run");
}

static const struct verb {
	const char *name;
	size_t words_min;
	size_t words_max;
	void (*serve)(const struct request *request);
} verbs[] = {
	{ "hello", 0, 0, serve_hello },
	{ "entropy", 1, 1, serve_entropy },
	{ "read", 1, 2, serve_read },
	{ "write", 2, 3, serve_write },
	{ "put", 4, 4, serve_put },
	{ "stand-by", 0, 0, serve_stand_by },
	{ "run", 2, WIRE_WORDS_MAX, serve_run },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

void agent_serve(struct agent *agent, char *line)
{
	static struct word words[WIRE_WORDS_MAX];
	struct request request = { .agent = agent, .port = &agent->port, .words = words + 2 };
	size_t count = wire_split(line, words);
	const struct verb *verb;

	if (count < 2 || !word_number(&words[0], 10, UINT64_MAX, &request.id)) {
		reply_error(&agent->port, 0, count == 0 ? errno : EINVAL, "not ID VERB WORD...");
		return;
	}
	request.count = count - 2;
	verb = find_verb(words[1].text);
	if (!verb)
		reply_error(&agent->port, request.id, ENOSYS, words[1].text);
	else if (request.count < verb->words_min || request.count > verb->words_max)
		reply_error(&agent->port, request.id, EINVAL, "number of words");
	else
		verb->serve(&request);
}
