/* Photograph-like JPEGs for the benchmarks of the data path: 500x375, quality 90, 4:2:0, of noise
 * at six scales, so that a file has about as many bytes as a photograph of that size in ImageNet.
 *
 * Usage: photos DIR COUNT (the directory exists) */
#include "libcore/image/jpeg.h"
#include "libcore/pixel/resize.h"
#include "tests/bench/bench.h"

enum { WIDTH = 500, HEIGHT = 375, SCALES = 6 };

/* How much each scale, 64 pixels first, each half of the one before, adds. */
static const float strength[SCALES] = {1.2f, 0.9f, 0.6f, 0.45f, 0.6f, 0.45f};

static void add_scale(struct nst_resizer *r, struct nst_rng *rng, size_t scale, size_t w, size_t h,
		      float *sum)
{
	static uint8_t coarse[WIDTH * WIDTH * 3], fine[WIDTH * WIDTH * 3];
	const size_t step = (size_t)64 >> scale, cw = w / step + 2, ch = h / step + 2;
	struct nst_err err;

	for (size_t i = 0; i < cw * ch * 3; i++) {
		double v = 128 + 40 * nst_rng_normal(rng);

		coarse[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
	}
	must(nst_resize(r, coarse, ch, cw, NULL, NST_BICUBIC, fine, h, w, &err), &err);
	for (size_t i = 0; i < w * h * 3; i++)
		sum[i] += ((float)fine[i] - 128) * strength[scale];
}

int main(int argc, char **argv)
{
	static float sum[WIDTH * HEIGHT * 3];
	static uint8_t rgb[WIDTH * HEIGHT * 3];
	struct nst_resizer resizer = {0};
	struct nst_buf bytes = {0};
	struct nst_err err;
	struct nst_jpeg *jpeg = nst_jpeg_new(&err);
	size_t count = (size_t)number(argc, argv, 2, 0);

	must(jpeg ? 0 : err.code, &err);
	for (size_t n = 0; n < count; n++) {
		size_t w = n % 4 ? WIDTH : HEIGHT, h = n % 4 ? HEIGHT : WIDTH;
		struct nst_rng rng;
		char path[4096];
		FILE *f;

		nst_rng_init(&rng, 1, NST_RNG_TEST, 0, n);
		for (size_t i = 0; i < w * h * 3; i++)
			sum[i] = 128 + 5 * (float)nst_rng_normal(&rng);
		for (size_t scale = 0; scale < SCALES; scale++)
			add_scale(&resizer, &rng, scale, w, h, sum);
		for (size_t i = 0; i < w * h * 3; i++)
			rgb[i] = (uint8_t)(sum[i] < 0 ? 0 : sum[i] > 255 ? 255 : sum[i]);
		bytes.len = 0;
		must(nst_jpeg_encode(jpeg, rgb, h, w, 90, NST_JPEG_420, &bytes, &err), &err);
		snprintf(path, sizeof(path), "%s/%06zu.jpg", argv[1], n);
		f = fopen(path, "wb");
		if (!f || fwrite(bytes.data, 1, bytes.len, f) != bytes.len || fclose(f)) {
			fprintf(stderr, "bench: cannot write '%s'\n", path);
			return 1;
		}
	}
	nst_buf_release(&bytes);
	nst_resizer_release(&resizer);
	nst_jpeg_free(jpeg);
	return 0;
}
