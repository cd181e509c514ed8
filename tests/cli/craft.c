/* craft: small NST files from text and back, for the shell tests.
 *
 *	craft make FILE < text         a shard, or a prediction with its images
 *	craft model FILE ARCH SIZE SEED CLASS... [NAME=VALUE...]
 *	                               an untrained model; SEED nan: of NaN; stored settings
 *	craft jpegs FILE N points|bare|wrong
 *	                               a shard of N pictures of 300x400, with their entry points,
 *	                               without, or with points that are a bit off
 *	craft dump FILE                text of any kind of rows or statistics
 *
 * Text is lines of words:
 *	class NAME...                  class table; first
 *	form full|topk|hard [K] [f16|f32]   what a prediction stores; without it: a shard
 *	model UUIDS                    of the prediction
 *	pixels SEED                    of the images; 1 without it
 *	row KEY LABEL                                of a shard
 *	row KEY LABEL CLASS CONFIDENCE PROBABILITY...    of a prediction, always all K
 *
 * Images are 8x8 raw pixels drawn from that seed and the key's hash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/mix.h"
#include "formats/shard.h"
#include "formats/statistics.h"
#include "libcore/data/modelfile.h"
#include "libcore/data/predbuf.h"
#include "libcore/image/entries.h"
#include "libcore/image/jpeg.h"
#include "libcore/util/hash.h"
#include "libcore/util/rng.h"

enum { SIDE = 8, WORDS = 64 };

static struct nst_err err;

static void die(const char *why)
{
	fprintf(stderr, "craft: %s\n", why);
	exit(1);
}

static void check(int r)
{
	if (r < 0)
		die(err.msg);
}

static char *dup_word(const char *s)
{
	char *copy = nst_strdup(s, &err);

	if (!copy)
		die(err.msg);
	return copy;
}

/* Rows are kept until the process ends: not what a leak checker should look for. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* ---- make ---- */

struct text {
	const char *class[WORDS];
	size_t classes;
	int prediction, topk;
	size_t k;
	enum nst_type type;
	char *model;
	uint64_t pixels;
	struct nst_predbuf made;
};

static void add_row(struct text *t, char **word, size_t n)
{
	uint8_t *pixels = nst_alloc(SIDE * SIDE * 3, 1, &err); /* kept until the end */
	struct nst_sample s = {.data = pixels, .size = SIDE * SIDE * 3, .height = SIDE,
			       .width = SIDE, .channels = 3, .codec = NST_CODEC_RAW,
			       .orientation = 1};
	float p[WORDS];
	struct nst_rng rng;

	if (!pixels || n < (t->prediction ? 5 + t->classes : 3))
		die("a row is too short");
	s.key = dup_word(word[1]);
	s.key_len = strlen(s.key);
	s.label = atoi(word[2]);
	nst_rng_init(&rng, t->pixels, NST_RNG_TEST, 0, nst_hash64(s.key, s.key_len));
	for (size_t i = 0; i < s.size; i++)
		pixels[i] = (uint8_t)nst_rng_below(&rng, 256);
	if (!t->made.rows) {
		t->made.rows = nst_rows_new(NST_EMBED, NULL, &err);
		check(t->made.rows ? 0 : -1);
		check(nst_softbuf_start(&t->made.soft, t->classes, t->k, t->topk, t->type, &err));
	}
	if (!t->prediction) {
		check(nst_rows_add(t->made.rows, &s, &err));
		return;
	}
	check(nst_predbuf_add(&t->made, &s, atoi(word[3]), strtof(word[4], NULL), 1, &err));
	for (size_t i = 0; i < t->classes; i++)
		p[i] = strtof(word[5 + i], NULL);
	check(nst_softbuf_extend(&t->made.soft, 1, &err));
	nst_softbuf_set(&t->made.soft, (size_t)nst_rows_count(t->made.rows) - 1, p);
}

static void take_line(struct text *t, char **word, size_t n)
{
	if (strcmp(word[0], "class") == 0) {
		for (size_t i = 1; i < n; i++)
			t->class[t->classes++] = dup_word(word[i]);
	} else if (strcmp(word[0], "model") == 0) {
		t->model = dup_word(word[1]);
	} else if (strcmp(word[0], "pixels") == 0) {
		t->pixels = strtoul(word[1], NULL, 10);
	} else if (strcmp(word[0], "form") == 0) {
		t->prediction = 1;
		t->topk = strcmp(word[1], "topk") == 0;
		t->k = t->topk ? (size_t)atoi(word[2]) :
		       strcmp(word[1], "full") == 0 ? t->classes : 0;
		t->type = strcmp(word[n - 1], "f32") == 0 ? NST_F32 : NST_F16;
	} else if (strcmp(word[0], "row") == 0) {
		add_row(t, word, n);
	} else {
		die("unknown word");
	}
}

static void make(const char *path)
{
	struct text t = {
		.model = dup_word("00000000-0000-0000-0000-000000000001"), .pixels = 1,
	};
	struct nst_build *b;
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		char *word[WORDS], *save, *w = strtok_r(line, " \n", &save);
		size_t n = 0;

		for (; w && n < WORDS; w = strtok_r(NULL, " \n", &save))
			word[n++] = w;
		if (n)
			take_line(&t, word, n);
	}
	if (!t.made.rows)
		die("no rows");
	if (t.prediction) {
		const struct nst_classes classes = {t.class, t.classes, "text"};

		check(nst_predbuf_build(&t.made, NST_PREDICTION, &classes, t.model, 1, &b, &err));
	} else {
		check(nst_shard_build(&b, t.made.rows, t.class, t.classes, &err));
	}
	check(nst_out_file(path, NULL, b, &err));
	nst_build_free(b);
}

/* ---- jpegs ---- */

static void make_jpegs(const char *path, int n, const char *points)
{
	const size_t h = 300, w = 400;
	const char *class[] = {"cat", "dog", "owl"};
	uint8_t *rgb = nst_alloc(3 * h, w, &err);
	struct nst_rows *rows = nst_rows_new(NST_EMBED, NULL, &err);
	struct nst_jpeg *jpeg = nst_jpeg_new(&err);
	struct nst_buf bytes = {0}, scratch = {0}, entries = {0};
	struct nst_build *b;

	if (!rgb || !rows || !jpeg)
		die(err.msg);
	for (int i = 0; i < n; i++) {
		char key[16];
		struct nst_sample s = {.height = (uint32_t)h, .width = (uint32_t)w, .channels = 3,
				       .codec = NST_CODEC_JPEG, .orientation = 1, .label = i % 3,
				       .key = key};
		struct nst_rng rng;

		s.key_len = (size_t)snprintf(key, sizeof(key), "%d", i);
		nst_rng_init(&rng, 1, NST_RNG_TEST, 0, (uint64_t)i);
		for (size_t k = 0; k < 3 * h * w; k++)
			rgb[k] = (uint8_t)(k / 1200 / 2 + nst_rng_below(&rng, 80));
		bytes.len = entries.len = 0;
		check(nst_jpeg_encode(jpeg, rgb, h, w, 90, NST_JPEG_420, &bytes, &err));
		if (strcmp(points, "bare") != 0)
			check(nst_entries_find(bytes.data, bytes.len, &scratch, &entries, &err));
		s.data = bytes.data;
		s.size = bytes.len;
		s.entry = (const uint64_t *)(void *)entries.data;
		s.entries = entries.len / sizeof(uint64_t);
		if (strcmp(points, "wrong") == 0)
			((uint64_t *)(void *)entries.data)[0] += 1ull << 36;
		check(nst_rows_add_copy(rows, &s, &err));
	}
	check(nst_shard_build(&b, rows, class, 3, &err));
	check(nst_out_file(path, NULL, b, &err));
	nst_build_free(b);
	nst_rows_free(rows);
	nst_jpeg_free(jpeg);
	nst_buf_release(&bytes);
	nst_buf_release(&scratch);
	nst_buf_release(&entries);
	free(rgb);
}

/* ---- model ---- */

static void make_model(char **word, int n)
{
	struct nst_modelfile_content c = {0};
	struct nst_preprocess preprocess;
	struct nst_modelfile_build b;
	struct nst_arch arch;
	struct nst_net *net;
	float *params;
	int nan = n > 3 && strcmp(word[3], "nan") == 0;

	while (n > 0 && strchr(word[n - 1], '=')) {
		n--;
		c.options++;
	}
	c.option = (const char *const *)word + n;

	if (n < 6)
		die("model FILE ARCH SIZE SEED CLASS...");
	check(nst_arch_find(word[1], &arch, &err));
	check(nst_net_new(&arch, (size_t)atoi(word[2]), (size_t)(n - 4), &net, &err));
	params = nst_alloc_aligned(net->nfloats, sizeof(*params), &err);
	if (!params)
		die(err.msg);
	nst_net_init(net, nan ? 1 : strtoul(word[3], NULL, 10), params);
	if (nan)
		params[0] = strtof("nan", NULL);
	nst_preprocess_init(&preprocess, net->size);
	c.net = net;
	c.preprocess = &preprocess;
	c.class_name = (const char *const *)word + 4;
	c.params = params;
	check(nst_modelfile_build(&b, &c, &err));
	check(nst_out_file(word[0], NULL, b.build, &err));
	nst_modelfile_build_release(&b);
	nst_net_free(net);
	free(params);
}

/* ---- dump ---- */

static void dump_classes(const char *const *name, uint64_t n)
{
	printf("class");
	for (uint64_t i = 0; i < n; i++)
		printf(" %s", name[i]);
	printf("\n");
}

static void dump_soft(const struct nst_soft *soft, uint64_t i)
{
	float p[WORDS];

	if (!soft->k)
		return;
	nst_soft_row(soft, i, p);
	for (uint64_t c = 0; c < soft->classes; c++)
		printf(" %.3f", (double)p[c]);
}

static void dump_prediction(struct nst_image *im, struct nst_samples *samples)
{
	struct nst_prediction p;

	check(nst_prediction_view(im, &p, &err));
	dump_classes(p.class_name, p.classes);
	for (uint64_t i = 0; i < p.rows; i++) {
		struct nst_sample s;

		nst_samples_peek(samples, i, &s);
		printf("row %.*s %d %d %.4f", (int)s.key_len, s.key, (int)p.label[i],
		       (int)p.argmax[i], (double)p.confidence[i]);
		if (p.copies)
			printf(" x%u", (unsigned)p.copies[i]);
		dump_soft(&p.soft, i);
		printf("\n");
	}
}

static void dump_mix(struct nst_image *im, struct nst_samples *samples)
{
	struct nst_mix m;
	uint64_t pseudo = 0;

	check(nst_mix_view(im, &m, &err));
	dump_classes(m.class_name, m.classes);
	printf("ratio %g\n", m.ratio);
	for (uint64_t i = 0; i < m.rows; i++) {
		struct nst_sample s;

		nst_samples_peek(samples, i, &s);
		printf("%s %.*s %d weight %g copy %u", m.role[i] == NST_ROLE_PSEUDO ? "pseudo" :
		       "labeled", (int)s.key_len, s.key, (int)m.label[i], (double)m.weight[i],
		       (unsigned)m.copy[i]);
		if (m.role[i] == NST_ROLE_PSEUDO)
			dump_soft(&m.soft, pseudo++);
		printf("\n");
	}
}

static void dump_shard(struct nst_image *im, struct nst_samples *samples)
{
	struct nst_shard shard;

	check(nst_shard_view(im, &shard, &err));
	dump_classes(shard.class_name, shard.classes);
	for (uint64_t i = 0; i < shard.rows; i++) {
		struct nst_sample s;

		nst_samples_peek(samples, i, &s);
		printf("row %.*s %d\n", (int)s.key_len, s.key, (int)shard.label[i]);
	}
}

static void dump_statistics(struct nst_image *im)
{
	struct nst_statistics s;

	check(nst_statistics_view(im, &s, &err));
	for (uint64_t c = 0; c < s.classes; c++) {
		printf("%s %llu", s.class_name[c], (unsigned long long)s.count[c]);
		for (size_t b = 0; b < NST_CONFIDENCE_BINS; b++) {
			if (s.histogram[c * NST_CONFIDENCE_BINS + b])
				printf(" %zu:%llu", b, (unsigned long long)
				       s.histogram[c * NST_CONFIDENCE_BINS + b]);
		}
		printf("\n");
	}
}

static void dump(const char *path)
{
	const unsigned all = (1u << NST_KINDS) - 1;
	struct nst_store *store = nst_store_new(&err);
	struct nst_in *in;
	struct nst_image *im;
	int r;

	check(store ? 0 : -1);
	check(nst_in_open(&in, &path, 1, all, NULL, &err));
	while ((r = nst_in_next(in, &im, &err)) > 0) {
		enum nst_kind kind = nst_image_kind(im);
		struct nst_samples *samples = NULL;

		printf("%s\n", nst_kind_name(kind));
		if (kind == NST_STATISTICS) {
			dump_statistics(im);
		} else if (kind != NST_MODEL && kind != NST_REPORT) {
			check(nst_samples_open(&samples, im, store, &err));
			if (kind == NST_SHARD)
				dump_shard(im, samples);
			else if (kind == NST_MIX)
				dump_mix(im, samples);
			else
				dump_prediction(im, samples);
		}
		nst_samples_free(samples);
		nst_image_free(im);
	}
	check(r);
	nst_in_close(in);
	nst_store_free(store);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "make") == 0)
		make(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "dump") == 0)
		dump(argv[2]);
	else if (argc > 2 && strcmp(argv[1], "model") == 0)
		make_model(argv + 2, argc - 2);
	else if (argc == 5 && strcmp(argv[1], "jpegs") == 0)
		make_jpegs(argv[2], atoi(argv[3]), argv[4]);
	else
		die("make, model, jpegs or dump");
	return 0;
}
