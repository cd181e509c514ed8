/* Framing.  Versions 0 to 3 of the superblock ("HDF5 File Format Specification", section II.A) hold
 * the end-of-file address at a fixed place; versions 2 and 3 also hold a checksum and version 3 a
 * flag that is set while a writer has the file open.  This parser is small and total: any bytes give
 * an answer. */
#include "formats/superblock.h"

#include <string.h>

static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

static uint64_t le(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	for (int i = bytes; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static uint32_t rotate(uint32_t x, int k)
{
	return x << k | x >> (32 - k);
}

/* Mixing steps as published (public domain), www.burtleburtle.net/bob/c/lookup3.c. */
uint32_t nst_lookup3(const uint8_t *p, size_t n)
{
	static const int mix[6] = {4, 6, 8, 16, 19, 4};
	static const int final[7] = {14, 11, 25, 16, 4, 14, 24};
	uint32_t s[3] = {0xdeadbeefu + (uint32_t)n, 0xdeadbeefu + (uint32_t)n, 0xdeadbeefu + (uint32_t)n};
	uint8_t tail[12] = {0};

	if (!n)
		return s[2];
	for (; n > 12; n -= 12, p += 12) {
		for (int i = 0; i < 3; i++)
			s[i] += (uint32_t)le(p + 4 * i, 4);
		for (int i = 0; i < 6; i++) {
			uint32_t *x = &s[i % 3], *y = &s[(i + 1) % 3], *z = &s[(i + 2) % 3];

			*x = (*x - *z) ^ rotate(*z, mix[i]);
			*z += *y;
		}
	}
	memcpy(tail, p, n);
	for (int i = 0; i < 3; i++)
		s[i] += (uint32_t)le(tail + 4 * i, 4);
	for (int i = 0; i < 7; i++) {
		uint32_t *x = &s[(i + 2) % 3], y = s[(i + 1) % 3];

		*x = (*x ^ y) - rotate(y, final[i]);
	}
	return s[2];
}

int nst_superblock_parse(const uint8_t *head, size_t n, uint64_t *size, struct nst_err *err)
{
	unsigned version;
	uint64_t base, end;
	size_t known = n < sizeof(signature) ? n : sizeof(signature);
	int offset_size;

	if (n == 0)
		return nst_fail(err, NST_EFORMAT, "it is empty");
	if (memcmp(head, signature, known))
		return nst_fail(err, NST_EFORMAT, "not an HDF5 file");
	if (n < NST_SUPERBLOCK_SIZE)
		return nst_fail(err, NST_EFORMAT, "it is cut short");
	version = head[8];
	if (version > 3)
		return nst_fail(err, NST_EFORMAT, "superblock version %u is unknown", version);
	offset_size = head[version < 2 ? 13 : 9];
	if (offset_size != 8)
		return nst_fail(err, NST_EFORMAT, "offsets of %d bytes are not supported", offset_size);
	if (version < 2) {
		base = le(head + (version == 0 ? 24 : 28), 8);
		end = le(head + (version == 0 ? 40 : 44), 8);
	} else {
		if (nst_lookup3(head, 44) != le(head + 44, 4))
			return nst_fail(err, NST_EFORMAT, "the checksum of its superblock is wrong");
		if (head[11] & 5) /* open for writing, or by a single writer with many readers */
			return nst_fail(err, NST_EFORMAT, "its writer never closed it");
		base = le(head + 12, 8);
		end = le(head + 28, 8);
	}
	if (base != 0)
		return nst_fail(err, NST_EFORMAT, "files with a user block are not supported");
	if (end < NST_SUPERBLOCK_SIZE || end > INT64_MAX)
		return nst_fail(err, NST_EFORMAT, "its size is given as %llu bytes",
				(unsigned long long)end);
	*size = end;
	return 0;
}
