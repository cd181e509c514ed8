/* Parsing that accepts the whole word or nothing, and binary16. */
#include "libcore/util/num.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/util/clones.h"

enum { HALVES = 64 }; /* numbers at a time */

int nst_parse_int(const char *s, int64_t *out)
{
	char *end;
	long long v;

	if (!*s || (*s != '-' && (*s < '0' || *s > '9')))
		return -1;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end || end == s)
		return -1;
	*out = v;
	return 0;
}

int nst_parse_double(const char *s, double *out)
{
	char *end;
	double v;

	if (!strchr("+-.0123456789", *s) || !*s || strpbrk(s, "xXpP"))
		return -1;
	errno = 0;
	v = strtod(s, &end);
	if (*end || end == s || !isfinite(v))
		return -1;
	*out = v;
	return 0;
}

int nst_parse_size(const char *s, uint64_t *out)
{
	static const char units[] = "KMGT";
	char *end;
	unsigned long long v;
	const char *u;
	int shift = 0;

	if (*s < '0' || *s > '9')
		return -1;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno)
		return -1;
	if (*end && (u = strchr(units, *end))) {
		shift = 10 * (int)(u - units + 1);
		end++;
		if (!strcmp(end, "iB") || !strcmp(end, "B"))
			end += strlen(end);
	} else if (!strcmp(end, "B")) {
		end++;
	}
	if (*end || v > (UINT64_MAX >> shift))
		return -1;
	*out = (uint64_t)v << shift;
	return 0;
}

/* Without branches, for vectors.  Rounding to a normal half is adding what makes the bits that fall
 * away carry, one half of the last bit that stays, less 1 where that is even; a carry out of the
 * fraction makes the next exponent.  Adding 0.5 leaves a fraction of units of 2^-24, those of subnormal
 * halves, rounded by the addition. */
static inline uint16_t half_from_float(float f)
{
	uint32_t x, sign, normal, small;
	float magnitude, shifted;

	memcpy(&x, &f, 4);
	sign = x >> 16 & 0x8000;
	x &= 0x7fffffff;
	memcpy(&magnitude, &x, 4);
	shifted = magnitude + 0.5f;
	memcpy(&small, &shifted, 4);
	small -= 0x3f000000;
	normal = (x - (112u << 23) + 0xfff + (x >> 13 & 1)) >> 13;
	normal = x < 0x38800000 ? small : normal;          /* below 2^-14 */
	normal = x >= 0x477ff000 ? 0x7c00 : normal;        /* rounds to at least 65520: infinity */
	normal = x > 0x7f800000 ? 0x7e00 : normal;
	return (uint16_t)(sign | normal);
}

uint16_t nst_half_from_float(float f)
{
	return half_from_float(f);
}

NST_CLONES
static void halves_block(const float *restrict f, uint16_t *restrict h)
{
	for (size_t i = 0; i < HALVES; i++)
		h[i] = half_from_float(f[i]);
}

void nst_halves_from_floats(const float *f, size_t n, uint16_t *h)
{
	for (; n >= HALVES; n -= HALVES, f += HALVES, h += HALVES)
		halves_block(f, h);
	for (size_t i = 0; i < n; i++)
		h[i] = half_from_float(f[i]);
}

float nst_float_from_half(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, mant = h & 0x3ff, x;
	float f;

	if (exp == 31) {
		x = sign | 0x7f800000 | mant << 13;
	} else if (exp) {
		x = sign | (exp + 112) << 23 | mant << 13;
	} else {
		f = (float)mant * 0x1p-24f;
		return sign ? -f : f;
	}
	memcpy(&f, &x, 4);
	return f;
}
