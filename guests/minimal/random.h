/* SPDX-License-Identifier: MIT */
/*
 * SplitMix64 (Steele, Lea, Flood 2014): a stream of random numbers that depends on the seed
 * alone.
 */
#ifndef SPLAT_RANDOM_H
#define SPLAT_RANDOM_H

#include <stdint.h>

/* The next 64 bits of the stream; the state may start at any value. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t mixed = *state += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
	return mixed ^ mixed >> 31;
}

/* A number in [0, bound), for bound > 0. The slight bias of the remainder does not matter here. */
static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
	return random_next(state) % bound;
}

/* The start of stream number `index` of a seed; streams are unrelated to each other. */
static inline uint64_t random_stream(uint64_t seed, uint64_t index)
{
	uint64_t state = seed ^ index << 32;

	return random_next(&state);
}

#endif
