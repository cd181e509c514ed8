/* What the tests of the format share: a scratch directory, and small files of every kind. */
#ifndef NST_TESTS_FORMATS_UTIL_H
#define NST_TESTS_FORMATS_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/mix.h"
#include "formats/model.h"
#include "formats/prediction.h"
#include "formats/report.h"
#include "formats/shard.h"
#include "formats/statistics.h"
#include "libcore/io/readall.h"
#include "libcore/util/mem.h"
#include "libcore/util/num.h"

/* libhdf5 itself loses memory when it meets damage; what it allocates is not counted as our leak.
 * (test_formats_damage counts its open objects instead.) */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libhdf5\n";
}

#define ALL_KINDS (NST_KIND_BIT(NST_KINDS) - 1)
#define UNUSED    __attribute__((unused))

/* Assert that a call returned 0, showing its sentence when it did not. */
#define OK(call) \
	do { \
		int ok_ = (call); \
		if (ok_) \
			fail_msg("%s: %d: %s", #call, ok_, err.msg); \
	} while (0)

/* Assert that a call failed with a sentence that contains text. */
#define FAILS(call, text) \
	do { \
		err.msg[0] = '\0'; \
		assert_true((call) < 0); \
		if (!strstr(err.msg, text)) \
			fail_msg("'%s' does not contain '%s'", err.msg, text); \
	} while (0)

UNUSED static struct nst_err err;
UNUSED static char scratch[256];

UNUSED static int scratch_make(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(scratch, sizeof(scratch), "%s/nst-test.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	return mkdtemp(scratch) && !chdir(scratch) ? 0 : -1;
}

UNUSED static int scratch_remove(void **state)
{
	char cmd[300];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", scratch);
	return chdir("/") || system(cmd);
}

UNUSED static void write_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

UNUSED static struct nst_buf read_file(const char *path)
{
	struct nst_buf b = {0};

	OK(nst_read_all(path, UINT64_MAX, &b, &err));
	return b;
}

UNUSED static int same_files(const char *a, const char *b)
{
	struct nst_buf x = read_file(a), y = read_file(b);
	int same = x.len == y.len && !memcmp(x.data, y.data, x.len);

	nst_buf_release(&x);
	nst_buf_release(&y);
	return same;
}

UNUSED static int exists(const char *path)
{
	return !access(path, F_OK);
}

/* Number of files in the current directory, hidden ones included. */
UNUSED static int count_files(void)
{
	FILE *p = popen("ls -A | wc -l", "r");
	int n = -1;

	assert_non_null(p);
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

static const char *const classes3[] = {"cat", "dog", "gr\xc3\xbcn"};

/* The bytes of samples are no pictures, and so their entry points those of none, which
 * nst-pack --verify tells: 0 = without. */
static int with_points = 1;

/* Sample i of a test: size, form and bytes follow from i.  The bytes live in buf[64]. */
UNUSED static struct nst_sample sample_of(int i, uint8_t buf[64], char key[16])
{
	static const uint64_t points[] = {1, UINT64_MAX, 3, 4, 5, 1ull << 40, 7, 8};
	struct nst_sample s = {0};

	for (int k = 0; k < 64; k++)
		buf[k] = (uint8_t)(i * 31 + k * 7);
	s.data = buf;
	s.codec = i % 3 ? NST_CODEC_JPEG : NST_CODEC_RAW;
	s.height = 4;
	s.width = 3;
	s.channels = i % 3 ? 3 : 1;
	s.size = i % 3 ? (size_t)(20 + i % 40) : 12;
	s.orientation = i % 3 ? 1 + i % 8 : 1;
	s.entry = points + i % 5;
	s.entries = i % 3 && with_points ? (size_t)(i % 4) : 0;
	snprintf(key, 16, "k/%d", i);
	s.key = key;
	s.key_len = strlen(key);
	s.label = i % 4 - 1;
	return s;
}

/* Rows [from, to) of the test's samples, embedded. */
UNUSED static struct nst_rows *rows_of(int from, int to)
{
	struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);

	assert_non_null(r);
	for (int i = from; i < to; i++) {
		uint8_t buf[64];
		char key[16];
		struct nst_sample s = sample_of(i, buf, key);

		OK(nst_rows_add_copy(r, &s, &err));
	}
	return r;
}

/* Write a shard of rows [from, to). */
UNUSED static void write_shard(const char *path, int from, int to, const struct nst_out_options *opt)
{
	struct nst_rows *r = rows_of(from, to);
	struct nst_build *b;

	OK(nst_shard_build(&b, r, classes3, 3, &err));
	OK(nst_out_file(path, opt, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
}

/* Assert that row i of s is the test's sample `which`. */
UNUSED static void check_sample(const struct nst_samples *s, uint64_t i, int which)
{
	uint8_t buf[64];
	char key[16];
	struct nst_sample want = sample_of(which, buf, key), got;

	OK(nst_samples_get(s, i, &got, &err));
	assert_true(nst_samples_hash(s, i) == nst_sample_hash(&want));
	assert_int_equal(got.size, want.size);
	assert_memory_equal(got.data, want.data, want.size);
	assert_int_equal(got.height, want.height);
	assert_int_equal(got.width, want.width);
	assert_int_equal(got.channels, want.channels);
	assert_int_equal(got.codec, want.codec);
	assert_int_equal(got.orientation, want.orientation);
	assert_int_equal(got.entries, want.entries);
	if (want.entries)
		assert_memory_equal(got.entry, want.entry, want.entries * sizeof(*want.entry));
	assert_int_equal(got.label, want.label);
	assert_int_equal(got.key_len, want.key_len);
	assert_memory_equal(got.key, want.key, want.key_len);
}

/* A prediction over 3 classes for 6 rows, as plain arrays. */
static const int32_t pred_class[6] = {0, 1, 2, 2, 1, 0};
static const float pred_confidence[6] = {0.5f, 0.75f, 1, 0.5f, 0.875f, 0.25f};
static const float pred_full[6][3] = {
	{0.5f, 0.25f, 0.25f},    {0.125f, 0.75f, 0.125f},     {0, 0, 1},
	{0.25f, 0.25f, 0.5f}, {0.0625f, 0.875f, 0.0625f}, {0.5f, 0.25f, 0.25f},
};
static const int32_t pred_topk_class[6][2] = {{0, 1}, {1, 0}, {2, 0}, {2, 1}, {1, 2}, {0, 2}};
static const float pred_topk[6][2] = {
	{0.5f, 0.25f}, {0.75f, 0.125f}, {1, 0}, {0.5f, 0.25f}, {0.875f, 0.0625f}, {0.5f, 0.25f},
};
static const uint32_t sel_copies[6] = {1, 2, 1, 1, 3, 1};

UNUSED static struct nst_prediction prediction_of(int form) /* 0 hard, 1 full, 2 top-k */
{
	struct nst_prediction p = {
		.classes = 3,
		.class_name = classes3,
		.argmax = pred_class,
		.confidence = pred_confidence,
		.model = "0a-0b",
		.temperature = 1.25,
		.soft = {.rows = 6, .classes = 3, .type = NST_F32},
	};

	if (form == 1) {
		p.soft.k = 3;
		p.soft.probability = pred_full;
	} else if (form == 2) {
		p.soft.k = 2;
		p.soft.topk_class = &pred_topk_class[0][0];
		p.soft.topk_probability = pred_topk;
	}
	return p;
}

/* A small file of any kind under the name KIND.h5. */
UNUSED static void write_kind(enum nst_kind kind, const struct nst_out_options *opt)
{
	static const uint64_t count[3] = {2, 0, 5};
	static uint64_t histogram[3][NST_CONFIDENCE_BINS];
	static const uint8_t role[6] = {0, 1, 1, 0, 1, 1};
	static const uint32_t copy[6] = {0, 0, 1, 0, 0, 2};
	static const float weight[6] = {1, 0.5f, 1, 2, 1, 1};
	static const char *const spec[] = {"stem conv3x3 16", "head dense"};
	static const char *const option[] = {"epochs=3"};
	static const char *const log[] = {"epoch 1 loss 1.5", "epoch 2 loss 1.25"};
	static const char *const metric[] = {"top1", "nll"};
	static const double value[] = {0.75, 1.5};
	static const uint64_t confusion[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	static float param[17], ema[17], slot[2][17];
	struct nst_model_tensor tensor[2] = {
		{.name = "stem/weight", .shape = {2, 3, 2, 0}},
		{.name = "bn/running_mean", .shape = {5, 0, 0, 0}},
	};
	struct nst_rows *r = rows_of(0, 6);
	struct nst_prediction p = prediction_of(kind == NST_SELECTION ? 2 : 1);
	struct nst_build *b = NULL;
	char path[32];

	histogram[0][100] = 2;
	histogram[2][50] = 4;
	histogram[2][99] = 1;
	for (int i = 0; i < 17; i++) {
		param[i] = (float)i / 7;
		ema[i] = (float)i / 9;
		slot[0][i] = (float)i;
		slot[1][i] = (float)-i;
	}
	switch (kind) {
	case NST_SHARD:
		OK(nst_shard_build(&b, r, classes3, 3, &err));
		break;
	case NST_PREDICTION:
		OK(nst_prediction_build(&b, r, &p, &err));
		break;
	case NST_SELECTION:
		p.copies = sel_copies;
		OK(nst_prediction_build(&b, r, &p, &err));
		break;
	case NST_STATISTICS:
		OK(nst_statistics_build(&b,
					&(struct nst_statistics){3, classes3, count, &histogram[0][0], "m"},
					&err));
		break;
	case NST_MIX: {
		struct nst_rows *labeled = nst_rows_new(NST_EMBED, NULL, &err);
		struct nst_mix m = {
			.classes = 3, .class_name = classes3, .role = role, .copy = copy,
			.weight = weight, .ratio = 3, .model = "m", .soft = p.soft,
		};

		for (int i = 0; i < 6; i++) {
			uint8_t buf[64];
			char key[16];
			struct nst_sample s = sample_of(i, buf, key);

			s.label = i % 3;
			OK(nst_rows_add_copy(labeled, &s, &err));
		}
		m.soft.rows = 4;
		OK(nst_mix_build(&b, labeled, &m, &err));
		nst_rows_free(r);
		r = labeled;
		break;
	}
	case NST_MODEL:
		OK(nst_model_build(&b,
				   &(struct nst_model){
					   .architecture = "test",
					   .preprocessing = "input=4x3x3 crop=1",
					   .epoch = 2, .step = 40, .seed = 7,
					   .spec = spec, .spec_lines = 2,
					   .class_name = classes3, .classes = 3,
					   .option = option, .options = 1,
					   .log = log, .log_lines = 2,
					   .tensor = tensor, .tensors = 2,
					   .data = param, .ema = ema, .slot = &slot[0][0], .slots = 2,
				   },
				   &err));
		break;
	case NST_REPORT:
		OK(nst_report_build(&b,
				    &(struct nst_report){2, metric, value, 3, classes3, confusion, "m"},
				    &err));
		break;
	case NST_KINDS:
		fail();
	}
	snprintf(path, sizeof(path), "%s.h5", nst_kind_name(kind));
	OK(nst_out_file(path, opt, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
}

/* The one image of a file. */
UNUSED static struct nst_image *open_one(const char *path)
{
	struct nst_image *im = NULL;

	OK(nst_image_open(&im, path, ALL_KINDS, &err));
	return im;
}

#endif
