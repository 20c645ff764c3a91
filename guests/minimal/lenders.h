/* SPDX-License-Identifier: MIT */
/* Who makes dma-bufs in a guest: three drivers, udmabuf, and the system heap. */
#ifndef SPLAT_LENDERS_H
#define SPLAT_LENDERS_H

#include "gpu.h"

#include <stddef.h>
#include <stdint.h>

enum lender { VIRTIO_GPU, VGEM, VKMS, UDMABUF, HEAP, LENDERS };
#define CARDS_LENDING UDMABUF /* those before it are cards, with handles and maps of their own */

#define LENT_SIDE 256 /* pixels; 64 pages a buffer */

struct lenders {
	int devices[LENDERS]; /* the heap's is -1 where the kernel has none */
	_Atomic unsigned picks;
};

/* Opens them all; skips the workload where one that every kernel of ours has is missing. */
void lenders_open(struct lenders *lenders);

/*
 * A lender that is there. The first picks of a workload take each lender once, so that no witness is left to
 * chance where a busy host allows few of them; the later ones follow the stream.
 */
enum lender lenders_pick(struct lenders *lenders, uint64_t *random);

/*
 * A new buffer of LENT_SIDE pixels a side that only its dma-buf keeps alive; its size is told in the canvas.
 * Skips the workload where the lender's driver exports nothing, exits on other failures.
 */
int lender_buffer(const struct lenders *lenders, enum lender lender, struct canvas *canvas);

/* Pages of a memfd that must not shrink, as a dma-buf; -1 with errno set. */
int udmabuf_create(int device, size_t bytes);

#endif
