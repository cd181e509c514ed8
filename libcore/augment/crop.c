/* Random crops, shifts and flips. */
#include "libcore/augment/crop.h"

#include <math.h>
#include <string.h>

#define TRIES 10

struct nst_box nst_crop_random(struct nst_rng *rng, size_t h, size_t w, const double area[2],
			       const double aspect[2])
{
	for (int i = 0; i < TRIES; i++) {
		double pixels = nst_rng_uniform(rng, area[0], area[1]) * (double)h * (double)w;
		double ratio = exp(nst_rng_uniform(rng, log(aspect[0]), log(aspect[1])));
		double bw = rint(sqrt(pixels * ratio)), bh = rint(sqrt(pixels / ratio));
		uint32_t y, x;

		if (bw < 1 || bh < 1 || bw > (double)w || bh > (double)h)
			continue;
		y = nst_rng_below(rng, (uint32_t)(h - (size_t)bh + 1));
		x = nst_rng_below(rng, (uint32_t)(w - (size_t)bw + 1));
		return (struct nst_box){(float)x, (float)y, (float)(x + bw), (float)(y + bh)};
	}
	return nst_box_central(h, w, 1);
}

/* Where position i of a line of n lies after mirroring about its ends, in [0,n). */
static size_t mirror(long i, size_t n)
{
	long period = n > 1 ? 2 * ((long)n - 1) : 1;

	i %= period;
	if (i < 0)
		i += period;
	return i < (long)n ? (size_t)i : (size_t)(period - i);
}

static long clamp(long v, long lo, long hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

void nst_shift(const uint8_t *src, size_t h, size_t w, long dy, long dx, enum nst_border border,
	       uint8_t *dst)
{
	/* Columns [begin, end) of the result lie in the picture, in one piece. */
	size_t begin = (size_t)clamp(-dx, 0, (long)w);
	size_t end = (size_t)clamp((long)w - dx, (long)begin, (long)w);

	for (size_t y = 0; y < h; y++, dst += 3 * w) {
		long sy = (long)y + dy;
		const uint8_t *row = src + 3 * w * mirror(sy, h);

		if (border == NST_BORDER_ZERO) {
			memset(dst, 0, 3 * w);
			if (sy < 0 || sy >= (long)h)
				continue;
		} else {
			for (size_t x = 0; x < begin; x++)
				memcpy(dst + 3 * x, row + 3 * mirror((long)x + dx, w), 3);
			for (size_t x = end; x < w; x++)
				memcpy(dst + 3 * x, row + 3 * mirror((long)x + dx, w), 3);
		}
		if (begin < end)
			memcpy(dst + 3 * begin, row + 3 * ((long)begin + dx), 3 * (end - begin));
	}
}

void nst_flip(uint8_t *img, size_t h, size_t w)
{
	for (size_t y = 0; y < h; y++, img += 3 * w)
		for (size_t a = 0, b = 3 * (w - 1); a < b; a += 3, b -= 3) {
			uint8_t pixel[3];

			memcpy(pixel, img + a, 3);
			memcpy(img + a, img + b, 3);
			memcpy(img + b, pixel, 3);
		}
}
