/* Predictions for the benchmark of nst-filter, as nst-infer --hard writes them of a shard: random
 * classes and confidences, uniform and independent.  The shard that they refer to has all columns
 * of a real one and a pixel for each image, since nst-filter looks at no image.
 *
 * Usage: predictions SHARD PREDICTION ROWS CLASSES */
#include <limits.h>

#include "formats/shard.h"
#include "libcore/data/predbuf.h"
#include "tests/bench/bench.h"

static const uint8_t pixel[3] = {128, 128, 128};

/* Sample of row i; its key lives in key[32]. */
static struct nst_sample sample(size_t i, char key[32])
{
	struct nst_sample s = {
		.data = pixel, .size = sizeof(pixel), .height = 1, .width = 1, .channels = 3,
		.codec = NST_CODEC_RAW, .orientation = 1, .key = key, .label = -1, .row = i,
	};

	s.key_len = (size_t)snprintf(key, 32, "photos/%08zu.jpg", i);
	return s;
}

static void write_shard(const char *path, size_t rows, char uuid[NST_UUID_LEN + 1])
{
	struct nst_err err;
	struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
	struct nst_build *b;
	char key[32];

	must(r ? 0 : err.code, &err);
	for (size_t i = 0; i < rows; i++) {
		const struct nst_sample s = sample(i, key);

		must(nst_rows_add(r, &s, &err), &err);
	}
	must(nst_shard_build(&b, r, NULL, 0, &err), &err);
	must(nst_build_uuid(b, uuid, &err), &err);
	must(nst_out_file(path, NULL, b, &err), &err);
	nst_build_free(b);
	nst_rows_free(r);
}

static void write_prediction(const char *path, const char *shard, const char *uuid, size_t rows,
			     const struct nst_classes *classes)
{
	struct nst_predbuf made = {0};
	struct nst_err err;
	struct nst_build *b;
	struct nst_out *out;
	struct nst_rng rng;
	char key[32];

	must(nst_out_open(&out, path, NULL, &err), &err);
	made.rows = nst_rows_new(NST_REFER, nst_out_dir(out), &err);
	must(made.rows ? 0 : err.code, &err);
	must(nst_softbuf_start(&made.soft, classes->n, 0, 0, NST_F16, &err), &err);
	nst_rng_init(&rng, 1, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < rows; i++) {
		struct nst_sample s = sample(i, key);
		int32_t class = (int32_t)nst_rng_below(&rng, (uint32_t)classes->n);

		s.path = shard;
		s.uuid = uuid;
		must(nst_predbuf_add(&made, &s, class, (float)nst_rng_unit(&rng), 1, &err), &err);
	}
	must(nst_predbuf_build(&made, NST_PREDICTION, classes, uuid, 1, &b, &err), &err);
	must(nst_out_put_last(out, b, &err), &err);
	must(nst_out_close(out, &err), &err);
	nst_build_free(b);
	nst_predbuf_release(&made);
}

int main(int argc, char **argv)
{
	size_t rows = (size_t)number(argc, argv, 3, 0), n = (size_t)number(argc, argv, 4, 0);
	char uuid[NST_UUID_LEN + 1], shard[PATH_MAX], (*text)[32];
	const char **name;
	struct nst_err err;

	if (argc != 5) {
		fprintf(stderr, "usage: %s SHARD PREDICTION ROWS CLASSES\n", argv[0]);
		return 2;
	}
	text = nst_alloc(n, sizeof(*text), &err);
	name = nst_alloc(n, sizeof(*name), &err);
	must(text && name ? 0 : err.code, &err);
	for (size_t i = 0; i < n; i++) {
		snprintf(text[i], sizeof(*text), "%04zu", i);
		name[i] = text[i];
	}
	write_shard(argv[1], rows, uuid);
	if (!realpath(argv[1], shard)) {
		fprintf(stderr, "bench: cannot find '%s'\n", argv[1]);
		return 1;
	}
	write_prediction(argv[2], shard, uuid, rows,
			 &(struct nst_classes){name, n, "the benchmark"});
	free(name);
	free(text);
	return 0;
}
