/* SPDX-License-Identifier: MIT */
/* What the threads of the vkms workload share. */
#ifndef SPLAT_VKMS_H
#define SPLAT_VKMS_H

#include "atomic.h"
#include "racers.h"
#include "timeline.h"

#include <stdatomic.h>
#include <stdbool.h>

#define SCREEN_WIDTH 160
#define SCREEN_HEIGHT 120
#define SPRITE_SIDE 48
#define FRAMES 5	 /* as large as the screen, in several formats and of several drivers */
#define SPRITES 2
#define WRITTEN 4

struct frame {
	uint32_t framebuffer;
	int buffer; /* its dma-buf, or -1 */
};

struct screen {
	int fd;
	unsigned minor;
	struct pipe pipe;
	struct drm_mode_modeinfo mode;
	uint32_t mode_id;
	struct pace pace;
	bool borrows;	   /* frames of other drivers as well */
	bool races;	   /* nobody waits for a frame, or until a checksum is switched on */
	bool writes_alone; /* the writeback connector shares the CRTC with no other */
	uint64_t frame_count;
	pthread_rwlock_t undisturbed; /* held to write by whoever wants a commit to stay */
	struct frame frames[FRAMES], sprites[SPRITES], written[WRITTEN];
	atomic_uint_fast64_t commits, busy, refused, fenced, written_back, vblanks, leased, checksums;
};

/* Makes what is shown and written: of vkms in several formats, and of other drivers where it borrows. Exits on failure. */
void make_frames(struct screen *screen);

/* Reads what events have come, without waiting: the kernel keeps 4 KiB of them. */
void drain_events(int fd);

/* The primary plane, and the others somewhere or off, by the racer's decisions. */
void choose_planes(struct racer *racer, struct atomic *atomic);

/*
 * Commits, and counts it: true when it went through. One under way, an inactive CRTC and a full event queue are
 * answers; exits on others.
 */
bool show(struct screen *screen, const struct atomic *atomic, uint32_t flags);

/* From the first to the second no commit begins, unless races are wanted. */
void screen_hold(struct screen *screen);
void screen_release(struct screen *screen);

/* Operations: fences in and out, by property and by the buffer; the screen written back into a buffer. */
void flip_with_fences(struct racer *racer);
void flip_behind_buffer(struct racer *racer);
void write_back(struct racer *racer);

/* Operations: a second master of the same objects, revoked at work; the old ioctls; checksums of frames. */
void lease(struct racer *racer);
void use_old_calls(struct racer *racer);
void read_checksums(struct racer *racer);

#endif
