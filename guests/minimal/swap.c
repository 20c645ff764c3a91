// SPDX-License-Identifier: MIT
/*
 * The version 1 swap header of Linux fills the first page: 1 KiB for boot code, then
 * version, last usable page and number of bad pages as 32-bit words, and the ten
 * bytes "SWAPSPACE2" at the end of the page (mkswap(8)).
 */
#include "swap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define HEADER_WORDS_AT 1024
#define SIGNATURE "SWAPSPACE2"
#define SIGNATURE_AT (PAGE_BYTES - (sizeof(SIGNATURE) - 1))

static bool has_signature(const unsigned char *page)
{
	return memcmp(page + SIGNATURE_AT, SIGNATURE, sizeof(SIGNATURE) - 1) == 0;
}

static bool is_blank(const unsigned char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

static bool write_signature(int fd, unsigned char *page, uint64_t bytes)
{
	uint32_t words[3] = { 1, (uint32_t)(bytes / PAGE_BYTES - 1), 0 };

	memcpy(page + HEADER_WORDS_AT, words, sizeof(words));
	memcpy(page + SIGNATURE_AT, SIGNATURE, sizeof(SIGNATURE) - 1);
	return pwrite(fd, page, PAGE_BYTES, 0) == PAGE_BYTES && fsync(fd) == 0;
}

/* Writes a signature for the whole device if the device is blank. */
static bool prepare(int fd)
{
	unsigned char page[PAGE_BYTES];
	uint64_t bytes;

	if (pread(fd, page, PAGE_BYTES, 0) != PAGE_BYTES)
		return false;
	if (has_signature(page))
		return true;
	if (is_blank(page))
		return ioctl(fd, BLKGETSIZE64, &bytes) == 0 && write_signature(fd, page, bytes);
	errno = EBUSY;
	return false;
}

static bool resize(int fd, uint64_t bytes)
{
	unsigned char page[PAGE_BYTES];

	return pread(fd, page, PAGE_BYTES, 0) == PAGE_BYTES && write_signature(fd, page, bytes);
}

/*
 * Switches swap on: with a signature for `bytes` bytes or, for 0, with the signature that the
 * device has or can get.
 */
static bool enable(const char *device, uint64_t bytes, int flags)
{
	bool prepared;
	int saved;
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	prepared = bytes == 0 ? prepare(fd) : resize(fd, bytes);
	saved = errno;
	close(fd);
	errno = saved;
	return prepared && swapon(device, flags) == 0;
}

bool swap_enable(const char *device)
{
	return enable(device, 0, 0);
}

bool swap_enable_first(const char *device)
{
	return enable(device, 0, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK);
}

bool swap_limit(const char *device, uint64_t bytes)
{
	return swapoff(device) == 0 && enable(device, bytes, 0);
}
