/* Every kind of file: written, read back, written again, refused when it is wrong. */
#include "tests/unit/formats_util.h"

#include <fcntl.h>
#include <hdf5.h>

#include "formats/image.h"
#include "formats/verify.h"
#include "libcore/util/hash.h"

static void shard_round_trip(void **state)
{
	struct nst_image *im;
	struct nst_samples *s;
	struct nst_shard shard;

	(void)state;
	write_shard("a.h5", 0, 50, NULL);
	im = open_one("a.h5");
	assert_int_equal(nst_image_kind(im), NST_SHARD);
	assert_int_equal(nst_image_rows(im), 50);
	assert_string_equal(nst_image_history(im), "");
	assert_true(nst_image_last(im));
	assert_string_equal(nst_image_name(im), "'a.h5'");
	assert_string_equal(nst_image_dir(im), scratch);
	OK(nst_shard_view(im, &shard, &err));
	assert_int_equal(shard.rows, 50);
	assert_int_equal(shard.classes, 3);
	for (int k = 0; k < 3; k++)
		assert_string_equal(shard.class_name[k], classes3[k]);
	OK(nst_samples_open(&s, im, NULL, &err));
	assert_int_equal(nst_samples_count(s), 50);
	assert_true(nst_samples_embedded(s));
	for (int i = 0; i < 50; i++) {
		check_sample(s, (uint64_t)i, i);
		assert_int_equal(shard.label[i], i % 4 - 1);
	}
	nst_samples_free(s);
	nst_image_free(im);
}

static void empty_shard(void **state)
{
	struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
	struct nst_image *im;
	struct nst_samples *s;
	struct nst_shard shard;
	struct nst_build *b;

	(void)state;
	OK(nst_shard_build(&b, r, NULL, 0, &err));
	OK(nst_out_file("empty.h5", NULL, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
	im = open_one("empty.h5");
	OK(nst_shard_view(im, &shard, &err));
	assert_int_equal(shard.rows, 0);
	assert_int_equal(shard.classes, 0);
	OK(nst_samples_open(&s, im, NULL, &err));
	assert_int_equal(nst_samples_count(s), 0);
	nst_samples_free(s);
	nst_image_free(im);
}

static void check_prediction(enum nst_compress compress, int form)
{
	struct nst_out_options opt = {.compress = compress};
	struct nst_rows *r = rows_of(0, 6);
	struct nst_prediction p = prediction_of(form), q;
	struct nst_image *im;
	struct nst_build *b;
	float row[3];

	p.copies = form == 2 ? sel_copies : NULL;
	OK(nst_prediction_build(&b, r, &p, &err));
	OK(nst_out_file("p.h5", &opt, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
	im = open_one("p.h5");
	OK(nst_prediction_view(im, &q, &err));
	assert_int_equal(nst_image_kind(im), p.copies ? NST_SELECTION : NST_PREDICTION);
	assert_int_equal(q.rows, 6);
	assert_int_equal(q.classes, 3);
	assert_int_equal(q.soft.k, p.soft.k);
	assert_string_equal(q.model, "0a-0b");
	assert_true(q.temperature == 1.25);
	assert_memory_equal(q.argmax, pred_class, sizeof(pred_class));
	assert_memory_equal(q.confidence, pred_confidence, sizeof(pred_confidence));
	if (p.copies)
		assert_memory_equal(q.copies, sel_copies, sizeof(sel_copies));
	for (int i = 0; i < 6; i++) {
		assert_int_equal(q.label[i], i % 4 - 1);
		if (form == 0)
			continue;
		nst_soft_row(&q.soft, (uint64_t)i, row);
		for (int k = 0; k < 3; k++)
			assert_true(row[k] == pred_full[i][k]);
	}
	nst_image_free(im);
}

static void prediction_round_trip(void **state)
{
	(void)state;
	for (int form = 0; form < 3; form++)
		for (int c = NST_COMPRESS_NONE; c <= NST_COMPRESS_ZSTD; c++)
			check_prediction((enum nst_compress)c, form);
}

/* Half precision, enough rows for many chunks, and the same uuid for every compression. */
static void compression(void **state)
{
	enum { N = 30000, K = 40 };
	static uint16_t prob[N][K];
	static int32_t argmax[N];
	static float confidence[N];
	struct nst_prediction p = {
		.argmax = argmax, .confidence = confidence, .temperature = 1,
		.soft = {.rows = N, .classes = K, .k = K, .type = NST_F16, .probability = prob},
	}, q;
	const char *name[K], *path[] = {"none.h5", "gzip.h5", "zstd.h5"};
	char text[K][8], uuid[3][NST_UUID_LEN + 1];
	size_t size[3];

	(void)state;
	for (int k = 0; k < K; k++) {
		snprintf(text[k], sizeof(text[k]), "c%d", k);
		name[k] = text[k];
	}
	for (int i = 0; i < N; i++) {
		argmax[i] = i % K;
		confidence[i] = 0.5f;
		for (int k = 0; k < K; k++)
			prob[i][k] = nst_half_from_float(k == i % K ? 0.5f : 0.5f / (K - 1));
	}
	p.class_name = name;
	p.classes = K;
	for (int c = 0; c < 3; c++) {
		struct nst_out_options opt = {.compress = (enum nst_compress)c};
		struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
		struct nst_image *im;
		struct nst_build *b;
		struct stat st;

		for (int i = 0; i < N; i++) {
			struct nst_sample s = {.data = (const uint8_t *)"x", .size = 1, .height = 1,
					       .width = 1, .channels = 1, .orientation = 1, .key = "k",
					       .key_len = 1, .label = -1};

			OK(nst_rows_add(r, &s, &err));
		}
		OK(nst_prediction_build(&b, r, &p, &err));
		OK(nst_out_file(path[c], &opt, b, &err));
		nst_build_free(b);
		nst_rows_free(r);
		assert_int_equal(stat(path[c], &st), 0);
		size[c] = (size_t)st.st_size;
		im = open_one(path[c]);
		strcpy(uuid[c], nst_image_uuid(im));
		OK(nst_prediction_view(im, &q, &err));
		assert_memory_equal(q.soft.probability, prob, sizeof(prob));
		nst_image_free(im);
	}
	assert_string_equal(uuid[0], uuid[1]);
	assert_string_equal(uuid[0], uuid[2]);
	assert_true(size[1] < size[0] - sizeof(prob) / 2);
	assert_true(size[2] < size[0] - sizeof(prob) / 2);
}

static void statistics_round_trip(void **state)
{
	struct nst_statistics s;
	struct nst_image *im;

	(void)state;
	write_kind(NST_STATISTICS, NULL);
	im = open_one("statistics.h5");
	OK(nst_statistics_view(im, &s, &err));
	assert_int_equal(s.classes, 3);
	assert_int_equal(s.count[2], 5);
	assert_int_equal(s.histogram[0 * NST_CONFIDENCE_BINS + 100], 2);
	assert_int_equal(s.histogram[2 * NST_CONFIDENCE_BINS + 50], 4);
	assert_int_equal(s.histogram[2 * NST_CONFIDENCE_BINS + 99], 1);
	assert_string_equal(s.model, "m");
	nst_image_free(im);
}

static void mix_round_trip(void **state)
{
	struct nst_image *im;
	struct nst_mix m;
	float row[3];

	(void)state;
	write_kind(NST_MIX, NULL);
	im = open_one("mix.h5");
	OK(nst_mix_view(im, &m, &err));
	assert_int_equal(m.rows, 6);
	assert_int_equal(m.pseudo, 4);
	assert_int_equal(m.role[0], NST_ROLE_LABELED);
	assert_int_equal(m.role[1], NST_ROLE_PSEUDO);
	assert_int_equal(m.copy[5], 2);
	assert_true(m.weight[3] == 2);
	assert_int_equal(m.label[4], 1);
	assert_true(m.ratio == 3);
	nst_soft_row(&m.soft, 3, row);
	assert_true(row[2] == 0.5f);
	nst_image_free(im);
}

static void model_round_trip(void **state)
{
	const struct nst_model_tensor *t;
	struct nst_image *im;
	struct nst_model m;

	(void)state;
	write_kind(NST_MODEL, NULL);
	im = open_one("model.h5");
	OK(nst_model_view(im, &m, &err));
	assert_string_equal(m.architecture, "test");
	assert_string_equal(m.preprocessing, "input=4x3x3 crop=1");
	assert_int_equal(m.epoch, 2);
	assert_int_equal(m.step, 40);
	assert_int_equal(m.seed, 7);
	assert_int_equal(m.spec_lines, 2);
	assert_string_equal(m.spec[1], "head dense");
	assert_int_equal(m.options, 1);
	assert_string_equal(m.option[0], "epochs=3");
	assert_int_equal(m.log_lines, 2);
	assert_string_equal(m.log[1], "epoch 2 loss 1.25");
	assert_int_equal(m.tensors, 2);
	assert_int_equal(m.count, 17);
	assert_int_equal(m.slots, 2);
	t = nst_model_find(&m, "bn/running_mean");
	assert_non_null(t);
	assert_int_equal(t->offset, 12);
	assert_int_equal(t->count, 5);
	assert_null(nst_model_find(&m, "none"));
	assert_true(m.data[16] == 16.0f / 7 && m.ema[16] == 16.0f / 9);
	assert_true(m.slot[17 + 3] == -3);
	nst_image_free(im);
}

static void report_round_trip(void **state)
{
	struct nst_image *im;
	struct nst_report p;

	(void)state;
	write_kind(NST_REPORT, NULL);
	im = open_one("report.h5");
	OK(nst_report_view(im, &p, &err));
	assert_int_equal(p.metrics, 2);
	assert_string_equal(p.metric_name[1], "nll");
	assert_true(p.value[1] == 1.5);
	assert_int_equal(p.confusion[5], 6);
	nst_image_free(im);
}

/* Twice the same content is twice the same file; verification takes each. */
static void rewriting_is_identical(void **state)
{
	struct nst_verify_result v;

	(void)state;
	for (int k = 0; k < NST_KINDS; k++) {
		char path[32], copy[32];

		snprintf(path, sizeof(path), "%s.h5", nst_kind_name((enum nst_kind)k));
		snprintf(copy, sizeof(copy), "%s-1.h5", nst_kind_name((enum nst_kind)k));
		for (int c = 0; c <= NST_COMPRESS_ZSTD; c++) {
			struct nst_out_options opt = {.compress = (enum nst_compress)c};

			write_kind((enum nst_kind)k, &opt);
			assert_int_equal(rename(path, copy), 0);
			write_kind((enum nst_kind)k, &opt);
			assert_true(same_files(path, copy));
			OK(nst_verify(path, NULL, &v, &err));
			assert_int_equal(v.images, 1);
			assert_int_equal(v.streams, 1);
		}
	}
}

/* The uuid follows the content and nothing else. */
static void uuids(void **state)
{
	struct nst_out_options with = {.run = "nst-test 1: nst-test"};
	struct nst_image *a, *b, *c;

	(void)state;
	write_shard("a.h5", 0, 9, NULL);
	write_shard("b.h5", 0, 9, &with);
	write_shard("c.h5", 1, 10, NULL);
	a = open_one("a.h5");
	b = open_one("b.h5");
	c = open_one("c.h5");
	assert_string_equal(nst_image_uuid(a), nst_image_uuid(b));
	assert_string_not_equal(nst_image_uuid(a), nst_image_uuid(c));
	assert_string_equal(nst_image_history(b), "nst-test 1: nst-test");
	assert_int_equal(strlen(nst_image_uuid(a)), 36);
	assert_int_equal(nst_image_uuid(a)[14], '8');
	nst_image_free(a);
	nst_image_free(b);
	nst_image_free(c);
}

/* The history grows by a line a run; lines of common ancestors come once. */
static void history(void **state)
{
	struct nst_out_options opt = {.run = "one"};
	struct nst_image *a, *b, *c;
	struct nst_build *build;
	struct nst_rows *r;
	char want[256];

	(void)state;
	write_shard("a.h5", 0, 9, &opt);
	write_shard("b.h5", 3, 9, &opt);
	a = open_one("a.h5");
	b = open_one("b.h5");
	r = rows_of(0, 4);
	OK(nst_shard_build(&build, r, classes3, 3, &err));
	OK(nst_build_parent(build, a, &err));
	OK(nst_build_parent(build, b, &err));
	OK(nst_build_parent(build, a, &err));
	opt.run = "two";
	OK(nst_out_file("c.h5", &opt, build, &err));
	nst_build_free(build);
	nst_rows_free(r);
	c = open_one("c.h5");
	snprintf(want, sizeof(want), "one\ntwo < %s %s", nst_image_uuid(a), nst_image_uuid(b));
	assert_string_equal(nst_image_history(c), want);
	nst_image_free(a);
	nst_image_free(b);
	nst_image_free(c);
}

/* A history never outgrows an attribute: the oldest lines go. */
static void long_history(void **state)
{
	static char line[8000];
	struct nst_out_options opt = {.run = line};
	struct nst_image *im = NULL;

	(void)state;
	for (int i = 0; i < 12; i++) {
		struct nst_rows *r = rows_of(0, 2);
		struct nst_build *b;

		memset(line, 'g' + i, sizeof(line) - 1);
		OK(nst_shard_build(&b, r, classes3, 3, &err));
		if (im)
			OK(nst_build_parent(b, im, &err));
		OK(nst_out_file("h.h5", &opt, b, &err));
		nst_build_free(b);
		nst_rows_free(r);
		nst_image_free(im);
		im = open_one("h.h5");
	}
	assert_in_range(strlen(nst_image_history(im)), 20000, 33000);
	assert_null(strchr(nst_image_history(im), 'h'));
	assert_non_null(strchr(nst_image_history(im), 'r'));
	nst_image_free(im);
}

/* References: a prediction in a sub-directory refers to shards beside it, and finds them again when
 * the whole is moved. */
static void references(void **state)
{
	struct nst_prediction p = prediction_of(0);
	struct nst_store *store = nst_store_new(&err);
	struct nst_samples *sa, *sb;
	struct nst_image *a, *b, *im;
	struct nst_sample sample;
	struct nst_build *build;
	struct nst_rows *rows;
	struct nst_out *out;

	(void)state;
	assert_int_equal(mkdir("d", 0777) | mkdir("d/s", 0777) | mkdir("d/p", 0777), 0);
	write_shard("d/s/a.h5", 0, 5, NULL);
	write_shard("d/s/b.h5", 5, 9, NULL);
	a = open_one("d/s/a.h5");
	b = open_one("d/s/b.h5");
	OK(nst_samples_open(&sa, a, NULL, &err));
	OK(nst_samples_open(&sb, b, NULL, &err));
	OK(nst_out_open(&out, "d/p/p.h5", NULL, &err));
	rows = nst_rows_new(NST_REFER, nst_out_dir(out), &err);
	for (int i = 0; i < 6; i++) { /* 4 8 3 7 2 6 */
		OK(nst_samples_get(i % 2 ? sb : sa, (uint64_t)(i % 2 ? 3 - i / 2 : 4 - i / 2), &sample,
				   &err));
		OK(nst_rows_add(rows, &sample, &err));
	}
	OK(nst_prediction_build(&build, rows, &p, &err));
	OK(nst_out_put_last(out, build, &err));
	OK(nst_out_close(out, &err));
	nst_build_free(build);
	nst_rows_free(rows);
	nst_samples_free(sa);
	nst_samples_free(sb);
	nst_image_free(a);
	nst_image_free(b);

	assert_int_equal(rename("d", "moved"), 0);
	im = open_one("moved/p/p.h5");
	{
		const char *const *entry;
		uint64_t n;

		OK(nst_image_strings(im, "source/file", &entry, &n, &err));
		assert_int_equal(n, 2);
		assert_string_equal(entry[0] + NST_UUID_LEN, " ../s/a.h5");
	}
	OK(nst_samples_open(&sa, im, store, &err));
	assert_false(nst_samples_embedded(sa));
	for (int i = 0; i < 6; i++)
		check_sample(sa, (uint64_t)i, i % 2 ? 8 - i / 2 : 4 - i / 2);
	nst_samples_free(sa);
	FAILS(nst_samples_open(&sa, im, NULL, &err), "refers to other files");

	/* Another shard under the old name is noticed, and so is none. */
	nst_store_free(store);
	store = nst_store_new(&err);
	write_shard("moved/s/a.h5", 1, 6, NULL);
	FAILS(nst_samples_open(&sa, im, store, &err), "it was replaced");
	assert_non_null(strstr(err.msg, "moved/p/p.h5"));
	assert_non_null(strstr(err.msg, "../s/a.h5"));
	unlink("moved/s/a.h5");
	FAILS(nst_samples_open(&sa, im, store, &err), "No such file");
	nst_image_free(im);
	nst_store_free(store);
}

/* A reference may lead into a file that holds several images. */
static void reference_into_several(void **state)
{
	struct nst_prediction p = prediction_of(0);
	struct nst_store *store = nst_store_new(&err);
	const char *path = "both.h5";
	struct nst_samples *s;
	struct nst_image *im;
	struct nst_sample sample;
	struct nst_build *build;
	struct nst_rows *rows = nst_rows_new(NST_REFER, scratch, &err);
	struct nst_in *in;

	(void)state;
	write_shard("a.h5", 0, 3, NULL);
	write_shard("b.h5", 3, 6, NULL);
	assert_int_equal(system("cat a.h5 b.h5 > both.h5"), 0);
	OK(nst_in_open(&in, &path, 1, ALL_KINDS, NULL, &err));
	while (nst_in_next(in, &im, &err) > 0) {
		OK(nst_samples_open(&s, im, NULL, &err));
		for (uint64_t i = 0; i < 3; i++) {
			OK(nst_samples_get(s, i, &sample, &err));
			OK(nst_rows_add(rows, &sample, &err));
		}
		nst_samples_free(s);
		nst_image_free(im);
	}
	nst_in_close(in);
	OK(nst_prediction_build(&build, rows, &p, &err));
	OK(nst_out_file("p.h5", NULL, build, &err));
	nst_build_free(build);
	nst_rows_free(rows);
	im = open_one("p.h5");
	OK(nst_samples_open(&s, im, store, &err));
	for (int i = 0; i < 6; i++)
		check_sample(s, (uint64_t)i, i);
	nst_samples_free(s);
	nst_image_free(im);
	nst_store_free(store);
}

static void needs_embedding(void **state)
{
	struct nst_rows *r = nst_rows_new(NST_REFER, scratch, &err);
	uint8_t buf[64];
	char key[16];
	struct nst_sample s = sample_of(1, buf, key);

	(void)state;
	FAILS(nst_rows_add(r, &s, &err), "came through a pipe");
	nst_rows_free(r);
}

/* ---- refusals ---- */

static void wrong_kind(void **state)
{
	struct nst_image *im;

	(void)state;
	write_kind(NST_MODEL, NULL);
	FAILS(nst_image_open(&im, "model.h5", NST_KIND_BIT(NST_SHARD), &err),
	      "'model.h5' is a model, a shard is needed");
	FAILS(nst_image_open(&im, "model.h5", NST_KIND_BIT(NST_SHARD) | NST_KIND_BIT(NST_MIX), &err),
	      "a shard or a mix is needed");
}

static void builders_know_the_schema(void **state)
{
	struct nst_build *b = nst_build_new(NST_SHARD, 3, &err);
	float f[3] = {0};
	int32_t label[3] = {0};
	uint64_t u = 0;

	(void)state;
	FAILS(nst_build_column(b, "image/colour", NST_U8, 3, 0, f, &err), "cannot take column");
	FAILS(nst_build_column(b, "label/class", NST_F32, 3, 0, f, &err), "another type or shape");
	FAILS(nst_build_column(b, "label/class", NST_I32, 2, 0, label, &err), "another type or shape");
	OK(nst_build_column(b, "label/class", NST_I32, 3, 0, label, &err));
	FAILS(nst_build_column(b, "label/class", NST_I32, 3, 0, label, &err), "cannot take column");
	FAILS(nst_build_attr_u64(b, "progress", 1, &u, &err), "cannot take attribute");
	FAILS(nst_out_file("x.h5", NULL, b, &err), "lacks column 'image/data'");
	assert_false(exists("x.h5"));
	nst_build_free(b);
}

/* Values no tool may ever see. */
static void views_check_values(void **state)
{
	static const int32_t bad_class[6] = {0, 1, 2, 3, 1, 0};
	static const float bad_confidence[6] = {0.5f, 0.5f, 0.5f, 1.5f, 0.5f, 0.5f};
	static const float bad_full[6][3] = {{1, 0, 0}, {1, 0, 0}, {0.5f, 0, 0}, {1, 0, 0}, {1}, {1}};
	static const int32_t bad_topk[6][2] = {{0, 1}, {1, 0}, {2, -1}, {2, 1}, {1, 2}, {0, 2}};
	static const uint32_t bad_copies[6] = {1, 1, 0, 1, 1, 1};
	static const uint64_t bad_count[3] = {1, 2, 3};
	static const uint64_t histogram[3 * NST_CONFIDENCE_BINS];
	static const struct {
		const char *text;
		int which;
	} cases[] = {
		{"there are 3 classes", 0},  {"'prediction/confidence' of row 3 is 1.5", 1},
		{"row 2 adds up to 0.5", 2}, {"'prediction/topk_class' of row 2 holds -1", 3},
		{"row 2 is 0", 4},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct nst_prediction p = prediction_of(cases[i].which == 3 ? 2 : 1), q;
		struct nst_rows *r = rows_of(0, 6);
		struct nst_image *im;
		struct nst_build *b;

		if (cases[i].which == 0)
			p.argmax = bad_class;
		if (cases[i].which == 1)
			p.confidence = bad_confidence;
		if (cases[i].which == 2)
			p.soft.probability = bad_full;
		if (cases[i].which == 3)
			p.soft.topk_class = &bad_topk[0][0];
		if (cases[i].which == 4)
			p.copies = bad_copies;
		OK(nst_prediction_build(&b, r, &p, &err));
		OK(nst_out_file("bad.h5", NULL, b, &err));
		nst_build_free(b);
		nst_rows_free(r);
		im = open_one("bad.h5");
		FAILS(nst_prediction_view(im, &q, &err), cases[i].text);
		assert_non_null(strstr(err.msg, "cannot read 'bad.h5': "));
		nst_image_free(im);
	}
	{
		struct nst_statistics s = {3, classes3, bad_count, histogram, "m"};
		struct nst_image *im;
		struct nst_build *b;

		OK(nst_statistics_build(&b, &s, &err));
		OK(nst_out_file("bad.h5", NULL, b, &err));
		nst_build_free(b);
		im = open_one("bad.h5");
		FAILS(nst_statistics_view(im, &s, &err), "does not add up");
		nst_image_free(im);
	}
}

static void samples_check_forms(void **state)
{
	static const struct {
		uint32_t height, channels;
		size_t size;
		const char *text;
	} bad[] = {
		{0, 1, 0, "the shape 0 x 3 x 1"},
		{4, 2, 24, "the shape 4 x 3 x 2"},
		{4, 1, 13, "13 bytes for its pixels"},
		{70000, 1, 210000, "the shape 70000"},
	};
	static uint8_t bytes[210000];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct nst_sample s = {.data = bytes, .size = bad[i].size, .height = bad[i].height,
				       .width = 3, .channels = bad[i].channels, .key = "k", .key_len = 1,
				       .orientation = 1, .label = -1};
		struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
		struct nst_samples *samples;
		struct nst_image *im;
		struct nst_build *b;

		OK(nst_rows_add(r, &s, &err));
		OK(nst_shard_build(&b, r, NULL, 0, &err));
		OK(nst_out_file("bad.h5", NULL, b, &err));
		nst_build_free(b);
		nst_rows_free(r);
		im = open_one("bad.h5");
		FAILS(nst_samples_open(&samples, im, NULL, &err), bad[i].text);
		nst_image_free(im);
	}
}

/* A damaged sample is found when it is fetched, by name; verification finds it at once. */
static void damaged_sample(void **state)
{
	struct nst_verify_result v;
	struct nst_samples *s;
	struct nst_sample sample;
	struct nst_image *im;
	struct nst_buf file;
	uint8_t buf[64], *hit;
	char key[16];

	(void)state;
	write_shard("a.h5", 0, 9, NULL);
	file = read_file("a.h5");
	sample_of(4, buf, key);
	hit = memmem(file.data, file.len, buf, 20);
	assert_non_null(hit);
	hit[7] ^= 4;
	write_file("a.h5", file.data, file.len);
	nst_buf_release(&file);
	im = open_one("a.h5");
	OK(nst_samples_open(&s, im, NULL, &err));
	check_sample(s, 3, 3);
	FAILS(nst_samples_get(s, 4, &sample, &err), "sample 'k/4' (row 4) is damaged");
	nst_samples_free(s);
	nst_image_free(im);
	FAILS(nst_verify("a.h5", NULL, &v, &err), "sample 'k/4'");
}

enum { SMALL = 20 * 20 * 3, LARGE = 90 * 90 * 3 };

/* A shard of a small and a large picture. */
static void write_sizes(const char *path, const uint8_t pixels[LARGE])
{
	static const uint32_t side[2] = {20, 90};
	struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
	struct nst_build *b;

	assert_non_null(r);
	for (int i = 0; i < 2; i++) {
		struct nst_sample s = {
			.data = pixels, .size = i ? LARGE : SMALL, .height = side[i], .width = side[i],
			.channels = 3, .codec = NST_CODEC_RAW, .orientation = 1, .label = -1,
			.key = i ? "large" : "small", .key_len = 5,
		};

		OK(nst_rows_add(r, &s, &err));
	}
	OK(nst_shard_build(&b, r, NULL, 0, &err));
	OK(nst_out_file(path, NULL, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
}

/* Assert that both samples are read, the large one into the buffer if `read`. */
static void check_sizes(const struct nst_samples *s, const uint8_t pixels[LARGE], int read)
{
	struct nst_buf buf = {0};
	struct nst_sample got;

	OK(nst_samples_read(s, 1, &buf, &got, &err));
	assert_int_equal(got.size, LARGE);
	assert_memory_equal(got.data, pixels, LARGE);
	assert_int_equal(got.data == buf.data, read);
	OK(nst_samples_read(s, 0, &buf, &got, &err));
	assert_int_equal(got.size, SMALL);
	assert_memory_equal(got.data, pixels, SMALL);
	assert_true(got.data != buf.data);
	nst_buf_release(&buf);
}

/* Large samples are read from the file, as long as not too many are open. */
static void samples_are_read(void **state)
{
	enum { MANY = 600 };
	uint8_t pixels[LARGE];
	struct nst_samples *s;
	struct nst_image *im;
	int fd[MANY], fds = 0;

	(void)state;
	for (int i = 0; i < LARGE; i++)
		pixels[i] = (uint8_t)(i * i >> 3);
	write_sizes("a.h5", pixels);
	im = open_one("a.h5");
	OK(nst_samples_open(&s, im, NULL, &err));
	check_sizes(s, pixels, 1);
	nst_samples_free(s);
	nst_image_free(im);
	while (fds < MANY && (fd[fds] = dup(STDERR_FILENO)) >= 0)
		fds++;
	if (fds < MANY) /* fewer are allowed: leave one */
		close(fd[--fds]);
	im = open_one("a.h5");
	OK(nst_samples_open(&s, im, NULL, &err));
	check_sizes(s, pixels, 0);
	nst_samples_free(s);
	nst_image_free(im);
	while (fds > 0)
		close(fd[--fds]);
}

/* A file that shrinks while it is read is noticed, and only what lies in it is asked for. */
static void pieces_are_read(void **state)
{
	uint8_t bytes[LARGE];
	struct nst_backing file = {.base = bytes, .size = LARGE};
	struct nst_image im = {.backing = &file, .name = (char *)"'a'"};
	struct nst_buf buf = {0};
	const uint8_t *got;

	(void)state;
	memset(bytes, 7, sizeof(bytes));
	write_file("a", bytes, LARGE - 1);
	memset(bytes, 8, sizeof(bytes));
	file.fd = open("a", O_RDONLY);
	assert_true(file.fd > 0);
	OK(nst_image_read(&im, bytes + 1, LARGE - 2, &buf, &got, &err));
	assert_true(got == buf.data && got[0] == 7 && got[LARGE - 3] == 7);
	FAILS(nst_image_read(&im, bytes + 1, LARGE - 1, &buf, &got, &err),
	      "cannot read 'a': it has become shorter");
	OK(nst_image_read(&im, bytes + 2, LARGE - 1, &buf, &got, &err));
	assert_true(got == bytes + 2);
	close(file.fd);
	FAILS(nst_image_read(&im, bytes, LARGE, &buf, &got, &err), "cannot read 'a': Bad file");
	nst_buf_release(&buf);
}

/* A shard of two rows whose columns of entry points are as given; n offsets, 0 = no such column. */
static void write_entries(size_t points, const uint64_t *offset, uint64_t n)
{
	static const uint64_t ends[3] = {0, 3, 6}, hash[2], point[4];
	static const uint32_t shape[6] = {1, 1, 3, 1, 1, 3};
	static const uint8_t data[6], codec[2] = {1, 1};
	static const int32_t label[2] = {-1, -1};
	struct nst_build *b = nst_build_new(NST_SHARD, 2, &err);

	assert_non_null(b);
	OK(nst_build_column(b, "image/data", NST_U8, 6, 0, data, &err));
	OK(nst_build_column(b, "image/offset", NST_U64, 3, 0, ends, &err));
	OK(nst_build_column(b, "image/shape", NST_U32, 2, 3, shape, &err));
	OK(nst_build_column(b, "image/codec", NST_U8, 2, 0, codec, &err));
	OK(nst_build_column(b, "image/checksum", NST_U64, 2, 0, hash, &err));
	if (points)
		OK(nst_build_column(b, "image/entry", NST_U64, points, 0, point, &err));
	if (n)
		OK(nst_build_column(b, "image/entry_offset", NST_U64, n, 0, offset, &err));
	OK(nst_build_column(b, "key/data", NST_U8, 6, 0, data, &err));
	OK(nst_build_column(b, "key/offset", NST_U64, 3, 0, ends, &err));
	OK(nst_build_column(b, "label/class", NST_I32, 2, 0, label, &err));
	OK(nst_out_file("e.h5", NULL, b, &err));
	nst_build_free(b);
}

static void entry_points_are_checked(void **state)
{
	static const struct {
		size_t points;
		uint64_t offset[3], n;
		const char *text; /* NULL: fine */
	} cases[] = {
		{4, {0, 1, 4}, 3, NULL},
		{4, {0, 4, 4}, 3, NULL},
		{0, {0}, 0, NULL},
		{4, {0}, 0, "it has only one of 'image/entry' and 'image/entry_offset'"},
		{0, {0, 0, 0}, 3, "it has only one of 'image/entry' and 'image/entry_offset'"},
		{4, {0, 1, 3}, 3, "'image/entry_offset' does not span its data"},
		{4, {1, 1, 4}, 3, "'image/entry_offset' does not span its data"},
		{4, {0, 5, 4}, 3, "'image/entry_offset' falls at row 1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct nst_image *im;
		struct nst_samples *s;
		struct nst_sample sample;

		write_entries(cases[i].points, cases[i].offset, cases[i].n);
		im = open_one("e.h5");
		if (cases[i].text) {
			FAILS(nst_samples_open(&s, im, NULL, &err), cases[i].text);
		} else {
			OK(nst_samples_open(&s, im, NULL, &err));
			nst_samples_peek(s, 1, &sample);
			assert_int_equal(sample.entries,
					 cases[i].points ? 4 - cases[i].offset[1] : 0);
			nst_samples_free(s);
		}
		nst_image_free(im);
	}
}

/* Files that libhdf5 likes and the schema does not.  An edit of a good file by libhdf5. */
static void edit(int what)
{
	hid_t file, space, type, set, id;
	hsize_t one = 1;

	write_shard("e.h5", 0, 4, NULL);
	file = H5Fopen("e.h5", H5F_ACC_RDWR, H5P_DEFAULT);
	assert_true(file >= 0);
	space = H5Screate_simple(1, &one, NULL);
	switch (what) {
	case 0: /* an unknown dataset */
		set = H5Dcreate2(file, "extra", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT,
				 H5P_DEFAULT);
		H5Dclose(set);
		break;
	case 1: /* a soft link */
		H5Ldelete(file, "label/class", H5P_DEFAULT);
		H5Lcreate_soft("/image/codec", file, "label/class", H5P_DEFAULT, H5P_DEFAULT);
		break;
	case 2: /* an external link */
		H5Ldelete(file, "label", H5P_DEFAULT);
		H5Lcreate_external("/etc/passwd", "/", file, "label", H5P_DEFAULT, H5P_DEFAULT);
		break;
	case 3: /* variable-length strings */
		H5Ldelete(file, "class/name", H5P_DEFAULT);
		type = H5Tcopy(H5T_C_S1);
		H5Tset_size(type, H5T_VARIABLE);
		set = H5Dcreate2(file, "class/name", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
		H5Dclose(set);
		H5Tclose(type);
		break;
	case 4: /* external storage */
		H5Ldelete(file, "key/data", H5P_DEFAULT);
		id = H5Pcreate(H5P_DATASET_CREATE);
		H5Pset_external(id, "/etc/passwd", 0, 1);
		set = H5Dcreate2(file, "key/data", H5T_STD_U8LE, space, H5P_DEFAULT, id, H5P_DEFAULT);
		H5Dclose(set);
		H5Pclose(id);
		break;
	case 5: /* a missing column */
		H5Ldelete(file, "image/codec", H5P_DEFAULT);
		break;
	case 6: /* big-endian labels */
		H5Ldelete(file, "label/class", H5P_DEFAULT);
		one = 4;
		H5Sset_extent_simple(space, 1, &one, NULL);
		set = H5Dcreate2(file, "label/class", H5T_STD_I32BE, space, H5P_DEFAULT, H5P_DEFAULT,
				 H5P_DEFAULT);
		H5Dclose(set);
		break;
	case 7: /* another number of labels */
		H5Ldelete(file, "label/class", H5P_DEFAULT);
		set = H5Dcreate2(file, "label/class", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT,
				 H5P_DEFAULT);
		H5Dclose(set);
		break;
	case 8: /* chunked pixels */
		H5Ldelete(file, "key/data", H5P_DEFAULT);
		id = H5Pcreate(H5P_DATASET_CREATE);
		H5Pset_chunk(id, 1, &one);
		set = H5Dcreate2(file, "key/data", H5T_STD_U8LE, space, H5P_DEFAULT, id, H5P_DEFAULT);
		H5Dclose(set);
		H5Pclose(id);
		break;
	case 9: /* a committed type */
		H5Ldelete(file, "key/data", H5P_DEFAULT);
		type = H5Tcopy(H5T_STD_U8LE);
		H5Tcommit2(file, "key/type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
		set = H5Dcreate2(file, "key/data", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
		H5Ldelete(file, "key/type", H5P_DEFAULT);
		H5Dclose(set);
		H5Tclose(type);
		break;
	case 10: /* no uuid */
		H5Adelete(file, "uuid");
		break;
	case 11: /* rows that are not there */
		id = H5Aopen(file, "rows", H5P_DEFAULT);
		assert_true(H5Awrite(id, H5T_NATIVE_UINT64, &(uint64_t){5}) >= 0);
		H5Aclose(id);
		break;
	case 12: /* a checksum that was adapted to other data */
		id = H5Aopen(file, "checksums", H5P_DEFAULT);
		assert_true(H5Awrite(id, H5T_NATIVE_UINT64, (uint64_t[11]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}) >= 0);
		H5Aclose(id);
		break;
	case 13: /* a group in place of a dataset */
		H5Ldelete(file, "key/data", H5P_DEFAULT);
		H5Gclose(H5Gcreate2(file, "key/data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
		break;
	}
	H5Sclose(space);
	assert_true(H5Fclose(file) >= 0);
}

static void whitelist(void **state)
{
	static const char *const text[] = {
		"it holds objects in '/' that no shard has",
		"'label/class' is a link to elsewhere",
		"'label' is a link to elsewhere",
		"'class/name' has another type",
		"'key/data' ",
		"it lacks 'image/codec'",
		"'label/class' has another type",
		"'label/class' has another type or shape",
		"'key/data' must be stored as one contiguous block",
		"'key/data' has another type",
		"it lacks the attribute 'uuid'",
		"has another type or shape",
		"its uuid does not belong",
		"damaged at 'key/data'",
	};
	struct nst_image *im;

	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++) {
		edit((int)i);
		FAILS(nst_image_open(&im, "e.h5", ALL_KINDS, &err), text[i]);
		assert_non_null(strstr(err.msg, "cannot read 'e.h5'"));
	}
}

static void not_ours(void **state)
{
	struct nst_image *im;
	hid_t file = H5Fcreate("h.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);

	(void)state;
	H5Fclose(file);
	FAILS(nst_image_open(&im, "h.h5", ALL_KINDS, &err), "not a file of nst");
	write_file("t.txt", "hello\n", 6);
	FAILS(nst_image_open(&im, "t.txt", ALL_KINDS, &err), "cannot read 't.txt': not an HDF5 file");
	write_file("z.h5", "", 0);
	FAILS(nst_image_open(&im, "z.h5", ALL_KINDS, &err), "cannot read 'z.h5': it is empty");
	FAILS(nst_image_open(&im, "absent.h5", ALL_KINDS, &err), "cannot open 'absent.h5': No such file");
	FAILS(nst_image_open(&im, ".", ALL_KINDS, &err), "it is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shard_round_trip),
		cmocka_unit_test(empty_shard),
		cmocka_unit_test(prediction_round_trip),
		cmocka_unit_test(compression),
		cmocka_unit_test(statistics_round_trip),
		cmocka_unit_test(mix_round_trip),
		cmocka_unit_test(model_round_trip),
		cmocka_unit_test(report_round_trip),
		cmocka_unit_test(rewriting_is_identical),
		cmocka_unit_test(uuids),
		cmocka_unit_test(history),
		cmocka_unit_test(long_history),
		cmocka_unit_test(references),
		cmocka_unit_test(reference_into_several),
		cmocka_unit_test(needs_embedding),
		cmocka_unit_test(wrong_kind),
		cmocka_unit_test(builders_know_the_schema),
		cmocka_unit_test(views_check_values),
		cmocka_unit_test(samples_check_forms),
		cmocka_unit_test(damaged_sample),
		cmocka_unit_test(samples_are_read),
		cmocka_unit_test(pieces_are_read),
		cmocka_unit_test(entry_points_are_checked),
		cmocka_unit_test(whitelist),
		cmocka_unit_test(not_ours),
	};

	return cmocka_run_group_tests_name("formats", tests, scratch_make, scratch_remove);
}
