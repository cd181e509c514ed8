/* The plainest JPEGs, which nearly all photographs are: baseline or extended sequential, Huffman codes,
 * grey or three components of which only the first is sampled more often, one scan without restarts.
 * What stands before their entropy code, read without the library, which has no places to enter
 * that code at. */
#ifndef NST_IMAGE_SCAN_H
#define NST_IMAGE_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum { NST_SCAN_COMPONENTS = 3 };

/* A table as it is stored (ITU T.81, B.2.4.2): codes of equal length are consecutive numbers, and
 * those of the next length go on from there. */
struct nst_huffman {
	uint8_t count[17];   /* codes of 1...16 bits; [0] unused */
	uint8_t symbol[256]; /* of the codes in their order */
	int symbols;         /* 0: there is no such table */
};

struct nst_scan {
	unsigned height, width; /* pixels */
	unsigned mcu_h, mcu_w;  /* pixels of a minimum coded unit */
	unsigned rows, columns; /* of such units */
	int components;         /* 1 or 3 */
	struct {
		int blocks, dc, ac; /* blocks in a unit; numbers of its tables */
	} component[NST_SCAN_COMPONENTS];
	struct nst_huffman dc[4], ac[4];
	size_t frame;           /* where the payload of the frame header stands */
	size_t code;            /* where the entropy code begins */
};

/* Read it.  Returns 1, or 0 for a JPEG of another kind or a damaged one. */
int nst_scan_read(const uint8_t *data, size_t n, struct nst_scan *s);

/* Segments before the entropy code, for who copies them.  *at is where a marker stands, 2 at first,
 * and is moved to the next; *len is that of the payload, 4 bytes behind the old *at.  Returns the
 * marker, or -1 where the bytes are none. */
int nst_scan_segment(const uint8_t *data, size_t n, size_t *at, size_t *len);

/* Eight bytes of code, the first one highest: written so that compilers see one load in it. */
static inline uint64_t nst_scan_load(const uint8_t *p)
{
	return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 |
	       (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 |
	       (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

#endif
