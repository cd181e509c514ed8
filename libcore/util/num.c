/* Parsing that accepts the whole word or nothing, and binary16. */
#include "libcore/util/num.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

uint16_t nst_half_from_float(float f)
{
	uint32_t x, sign, mant, rest, half;
	int exp;

	memcpy(&x, &f, 4);
	sign = x >> 16 & 0x8000;
	x &= 0x7fffffff;
	if (x > 0x7f800000)
		return (uint16_t)(sign | 0x7e00);
	if (x >= 0x477ff000) /* rounds to at least 65520: infinity */
		return (uint16_t)(sign | 0x7c00);
	if (x < 0x33000001) /* at most half of the smallest subnormal: zero */
		return (uint16_t)sign;
	exp = (int)(x >> 23) - 127;
	mant = (x & 0x7fffff) | 0x800000;
	if (exp < -14) {
		int shift = -exp - 1; /* 14 .. 24 */

		half = mant >> shift;
		rest = mant & ((1u << shift) - 1);
		if (rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && half & 1))
			half++;
		return (uint16_t)(sign | half);
	}
	half = (uint32_t)(exp + 15) << 10 | (mant >> 13 & 0x3ff);
	rest = mant & 0x1fff;
	if (rest > 0x1000 || (rest == 0x1000 && half & 1))
		half++;
	return (uint16_t)(sign | half);
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
