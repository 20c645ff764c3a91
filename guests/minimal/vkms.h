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
	bool borrows;	   /* true when frames come from other drivers as well */
	bool races;	   /* true when no thread waits for a frame, or until checksums are switched on */
	bool writes_alone; /* true when the writeback connector cannot share the CRTC with another */
	uint64_t frame_count;
	pthread_rwlock_t undisturbed; /* held to write by a thread whose commit must stay */
	struct frame frames[FRAMES], sprites[SPRITES], written[WRITTEN];
	atomic_uint_fast64_t commits, busy, refused, fenced, written_back, vblanks, leased, checksums;
};

/*
 * Makes the frames that are shown and written: those of vkms in several formats and, if it
 * borrows, those of other drivers. Exits on failure.
 */
void make_frames(struct screen *screen);

/* Reads the events that have come, without waiting; the kernel keeps 4 KiB of them. */
void drain_events(int fd);

/* Sets the primary plane, and puts the other planes somewhere or off, as the racer decides. */
void choose_planes(struct racer *racer, struct atomic *atomic);

/*
 * Commits, and counts the commit. True when it succeeded. A commit that is under way, an
 * inactive CRTC and a full event queue are expected answers; exits on other failures.
 */
bool show(struct screen *screen, const struct atomic *atomic, uint32_t flags);

/* Between these two calls no commit begins, unless races are wanted. */
void screen_hold(struct screen *screen);
void screen_release(struct screen *screen);

/*
 * Operations: fences in and out, through a property or through the buffer; the screen written
 * back into a buffer.
 */
void flip_with_fences(struct racer *racer);
void flip_behind_buffer(struct racer *racer);
void write_back(struct racer *racer);

/*
 * Operations: a second master of the same objects, revoked while it works; the old ioctls; the
 * old ioctl of the cursor; checksums of frames.
 */
void lease(struct racer *racer);
void use_old_calls(struct racer *racer);
void show_cursor(struct racer *racer);
void read_checksums(struct racer *racer);

#endif
