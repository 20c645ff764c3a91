/* SPDX-License-Identifier: MIT */
/* The sources of dma-bufs in a guest: three drivers, udmabuf, and the system heap. */
#ifndef SPLAT_LENDERS_H
#define SPLAT_LENDERS_H

#include "gpu.h"

#include <stddef.h>
#include <stdint.h>

enum lender { VIRTIO_GPU, VGEM, VKMS, UDMABUF, HEAP, LENDERS };
#define CARDS_LENDING UDMABUF /* the lenders before it are cards, with handles and maps of their own */

#define LENT_SIDE 256 /* pixels; 64 pages a buffer */

struct lenders {
	int devices[LENDERS]; /* the descriptor of the heap is -1 if the kernel has none */
	_Atomic unsigned picks;
};

/* Opens them all. Skips the workload if a source is missing that every kernel of splat has. */
void lenders_open(struct lenders *lenders);

/*
 * A source that exists. The first picks of a workload take each source once, so that on a busy
 * host with few picks no witness depends on chance; later picks follow the random stream.
 */
enum lender lenders_pick(struct lenders *lenders, uint64_t *random);

/*
 * Makes a buffer, LENT_SIDE pixels wide and high, that only its dma-buf keeps alive; its size
 * is stored in the canvas. Skips the workload if the source's driver exports nothing. Exits on
 * other failures.
 */
int lender_buffer(const struct lenders *lenders, enum lender lender, struct canvas *canvas);

/* Makes a dma-buf of the pages of a memfd that must not shrink; -1 with errno set. */
int udmabuf_create(int device, size_t bytes);

#endif
