/* Common corruptions.  All arithmetic is in double and in the order of the NumPy, SciPy and
 * scikit-image calls that made the published sets: the final cut to 8 bits turns a difference in
 * the last bit into a whole level. */
#include "libcore/augment/corrupt.h"

#include <math.h>
#include <string.h>

#define SMALL_SIDE 64
#define MAX_SIDE   65535

/* Constants of severity 1 to 5. */
static const struct {
	const char *name;
	double c[2][NST_SEVERITIES]; /* enum nst_corrupt_set */
} table[NST_CORRUPTIONS] = {
	[NST_CORRUPT_GAUSSIAN_NOISE] = {"gaussian_noise",
		{{.04, .06, .08, .09, .10}, {.08, .12, .18, .26, .38}}},
	[NST_CORRUPT_GAUSSIAN_BLUR] = {"gaussian_blur",
		{{.4, .6, .7, .8, 1}, {1, 2, 3, 4, 6}}},
	[NST_CORRUPT_CONTRAST] = {"contrast",
		{{.75, .5, .4, .3, .15}, {.4, .3, .2, .1, .05}}},
	[NST_CORRUPT_BRIGHTNESS] = {"brightness",
		{{.05, .1, .15, .2, .3}, {.1, .2, .3, .4, .5}}},
	[NST_CORRUPT_JPEG_COMPRESSION] = {"jpeg_compression",
		{{80, 65, 58, 50, 40}, {25, 18, 15, 10, 7}}},
};

const char *nst_corruption_name(enum nst_corruption c)
{
	return table[c].name;
}

int nst_corruption_parse(const char *s, enum nst_corruption *out)
{
	for (size_t i = 0; i < NST_CORRUPTIONS; i++)
		if (!strcmp(s, table[i].name)) {
			*out = (enum nst_corruption)i;
			return 0;
		}
	return -1;
}

enum nst_corrupt_set nst_corrupt_set_for(size_t h, size_t w)
{
	return h <= SMALL_SIDE && w <= SMALL_SIDE ? NST_CORRUPT_CIFAR : NST_CORRUPT_IMAGENET;
}

double nst_corrupt_constant(enum nst_corruption c, enum nst_corrupt_set set, int severity)
{
	return table[c].c[set][severity - 1];
}

static double unit(double v)
{
	return v < 0 ? 0 : v > 1 ? 1 : v;
}

static uint8_t level(double v)
{
	return (uint8_t)(unit(v) * 255);
}

static void gaussian_noise(uint8_t *img, size_t n, double c, struct nst_rng *rng)
{
	for (size_t i = 0; i < 3 * n; i++)
		img[i] = level(img[i] / 255.0 + c * nst_rng_normal(rng));
}

static void contrast(uint8_t *img, size_t n, double c)
{
	double mean[3] = {0};

	for (size_t i = 0; i < 3 * n; i++)
		mean[i % 3] += img[i] / 255.0;
	for (size_t k = 0; k < 3; k++)
		mean[k] /= (double)n;
	for (size_t i = 0; i < 3 * n; i++)
		img[i] = level((img[i] / 255.0 - mean[i % 3]) * c + mean[i % 3]);
}

/* RGB to hue, saturation, value, all in [0,1], and back. */
static void hsv_from_rgb(const double rgb[3], double hsv[3])
{
	double r = rgb[0], g = rgb[1], b = rgb[2];
	double most = fmax(r, fmax(g, b)), delta = most - fmin(r, fmin(g, b)), hue = 0;

	if (delta > 0) {
		/* Of equal greatest channels the last one decides, as there. */
		if (b == most)
			hue = 4 + (r - g) / delta;
		else if (g == most)
			hue = 2 + (b - r) / delta;
		else
			hue = (g - b) / delta;
		hue /= 6;
		hue -= floor(hue);
	}
	hsv[0] = hue;
	hsv[1] = delta > 0 ? delta / most : 0;
	hsv[2] = most;
}

static void rgb_from_hsv(const double hsv[3], double rgb[3])
{
	double sector = floor(hsv[0] * 6), f = hsv[0] * 6 - sector, v = hsv[2];
	double p = v * (1 - hsv[1]), q = v * (1 - f * hsv[1]), t = v * (1 - (1 - f) * hsv[1]);
	const double by_sector[6][3] = {{v, t, p}, {q, v, p}, {p, v, t},
					{p, q, v}, {t, p, v}, {v, p, q}};

	memcpy(rgb, by_sector[(int)sector % 6], 3 * sizeof *rgb);
}

static void brightness(uint8_t *img, size_t n, double c)
{
	for (size_t i = 0; i < n; i++, img += 3) {
		double rgb[3] = {img[0] / 255.0, img[1] / 255.0, img[2] / 255.0}, hsv[3];

		hsv_from_rgb(rgb, hsv);
		hsv[2] = unit(hsv[2] + c);
		rgb_from_hsv(hsv, rgb);
		for (size_t k = 0; k < 3; k++)
			img[k] = level(rgb[k]);
	}
}

/* Convolve `line` values, `step` apart, with the symmetric kernel weight[0...radius]. */
static void blur_line(double *p, size_t n, size_t step, const double *weight, size_t radius,
		      double *line)
{
	for (size_t i = 0; i < n + 2 * radius; i++) {
		size_t at = i < radius ? 0 : i - radius;

		line[i] = p[(at < n ? at : n - 1) * step];
	}
	for (size_t i = 0; i < n; i++) {
		const double *mid = line + radius + i;
		double sum = *mid * weight[0];

		for (size_t k = radius; k > 0; k--)
			sum += (*(mid - k) + mid[k]) * weight[k];
		p[i * step] = sum;
	}
}

/* Sum in NumPy's order: eight interleaved sums from eight numbers on (up to its block of 128). */
static double numpy_sum(const double *v, size_t n)
{
	double lane[8], sum;
	size_t i = 8;

	if (n < 8) {
		sum = 0;
		for (i = 0; i < n; i++)
			sum += v[i];
		return sum;
	}
	memcpy(lane, v, sizeof lane);
	for (; i + 8 <= n; i += 8)
		for (size_t k = 0; k < 8; k++)
			lane[k] += v[i + k];
	sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
	      ((lane[4] + lane[5]) + (lane[6] + lane[7]));
	for (; i < n; i++)
		sum += v[i];
	return sum;
}

/* Normalised weights at distance 0...radius; all has room for 2 * radius + 1. */
static void blur_weights(double sigma, size_t radius, double *weight, double *all)
{
	double sum;

	for (size_t k = 0; k <= radius; k++)
		all[radius - k] = all[radius + k] = exp(-0.5 / (sigma * sigma) * (double)(k * k));
	sum = numpy_sum(all, 2 * radius + 1);
	for (size_t k = 0; k <= radius; k++)
		weight[k] = all[radius + k] / sum;
}

static int gaussian_blur(uint8_t *img, size_t h, size_t w, double sigma, struct nst_buf *scratch,
			 struct nst_err *err)
{
	size_t radius = (size_t)(4 * sigma + 0.5), longest = h > w ? h : w;
	size_t doubles = 3 * h * w + longest + 2 * radius + radius + 1;
	double *x, *line, *weight;
	int rc;

	scratch->len = 0;
	rc = nst_buf_reserve(scratch, doubles * sizeof(double), err);
	if (rc < 0)
		return rc;
	x = (double *)(void *)scratch->data;
	line = x + 3 * h * w;
	weight = line + longest + 2 * radius;
	blur_weights(sigma, radius, weight, line);
	for (size_t i = 0; i < 3 * h * w; i++)
		x[i] = img[i] / 255.0;
	for (size_t i = 0; i < 3 * w; i++)
		blur_line(x + i, h, 3 * w, weight, radius, line);
	for (size_t y = 0; y < h; y++)
		for (size_t k = 0; k < 3; k++)
			blur_line(x + 3 * w * y + k, w, 3, weight, radius, line);
	for (size_t i = 0; i < 3 * h * w; i++)
		img[i] = level(x[i]);
	return 0;
}

int nst_corrupt(enum nst_corruption type, double c, struct nst_rng *rng, uint8_t *img, size_t h,
		size_t w, struct nst_buf *scratch, nst_recompress_fn recompress, void *ctx,
		struct nst_err *err)
{
	if (!h || !w || h > MAX_SIDE || w > MAX_SIDE)
		return nst_fail(err, NST_EINVAL, "cannot corrupt %zu x %zu pixels", w, h);
	switch (type) {
	case NST_CORRUPT_GAUSSIAN_NOISE:
		gaussian_noise(img, h * w, c, rng);
		return 0;
	case NST_CORRUPT_GAUSSIAN_BLUR:
		return gaussian_blur(img, h, w, c, scratch, err);
	case NST_CORRUPT_CONTRAST:
		contrast(img, h * w, c);
		return 0;
	case NST_CORRUPT_BRIGHTNESS:
		brightness(img, h * w, c);
		return 0;
	case NST_CORRUPT_JPEG_COMPRESSION:
		return recompress(ctx, img, h, w, (int)c, err);
	case NST_CORRUPTIONS:
		break;
	}
	return nst_fail(err, NST_EINVAL, "there is no corruption number %d", (int)type);
}
