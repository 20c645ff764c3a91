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

static bool write_signature(int fd, unsigned char *page)
{
	uint32_t words[3] = { 1, 0, 0 };
	uint64_t bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return false;
	words[1] = (uint32_t)(bytes / PAGE_BYTES - 1);
	memcpy(page + HEADER_WORDS_AT, words, sizeof(words));
	memcpy(page + SIGNATURE_AT, SIGNATURE, sizeof(SIGNATURE) - 1);
	return pwrite(fd, page, PAGE_BYTES, 0) == PAGE_BYTES && fsync(fd) == 0;
}

static bool prepare(int fd)
{
	unsigned char page[PAGE_BYTES];

	if (pread(fd, page, PAGE_BYTES, 0) != PAGE_BYTES)
		return false;
	if (has_signature(page))
		return true;
	if (is_blank(page))
		return write_signature(fd, page);
	errno = EBUSY;
	return false;
}

bool swap_enable(const char *device)
{
	bool prepared;
	int saved;
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	prepared = prepare(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return prepared && swapon(device, 0) == 0;
}
