/* SPDX-License-Identifier: MIT */
/* What the threads of the gpu-objects workload share. */
#ifndef SPLAT_GPU_OBJECTS_H
#define SPLAT_GPU_OBJECTS_H

#include "gpu.h"
#include "racers.h"

#include <stdatomic.h>
#include <stdbool.h>

#define GPU_DRIVER "virtio_gpu"
#define OBJECT_SIDE 64	/* pixels, the size of the host's cursor; 4 pages */
#define CURSORS 3

struct objects {
	int fd;		/* the opening that is master */
	int guessed_fd; /* another opening, in which guessed handles are closed */
	int render_fd;
	struct display display;
	struct canvas shown[2];
	uint32_t framebuffers[2];
	struct canvas cursors[CURSORS];
	int cursor_buffers[CURSORS]; /* the cursors' buffers as dma-bufs */
	char status_path[96];	     /* in sysfs: writing to it probes the connector */
	atomic_uint_fast64_t created, transferred, waited, cursors_set, closed_by_guess, flips;
};

/*
 * Makes a buffer with the driver's own ioctl; its size is stored in the canvas. False with
 * errno set.
 */
bool object_create(int fd, uint32_t side, struct canvas *canvas);
bool object_close(int fd, uint32_t handle);

/*
 * Waits at most 15 s for the host; with `now`, only asks, and EBUSY is an answer. Exits on
 * other failures.
 */
void wait_for_host(struct objects *objects, int fd, uint32_t handle, bool now);

/*
 * Makes an object that outlives its handle as a dma-buf, or one with a global name that is
 * opened.
 */
void export_and_import(struct racer *racer);
void name_object(struct racer *racer);

/*
 * Operations on the display: set and move a cursor under signals, flip, probe the connector and
 * switch it off, read the state.
 */
void move_cursor(struct racer *racer);
void import_into_cursor(struct racer *racer);
void flip(struct racer *racer);
void probe_connector(struct racer *racer);

void read_state(struct racer *racer);

/*
 * Makes, flushes and removes a framebuffer whose handle is closed, exported or guessed
 * meanwhile.
 */
void frame_and_close(struct racer *racer);

/* Closes guessed handles while another thread makes handles. */
void close_by_guess(struct racer *racer);

#endif
