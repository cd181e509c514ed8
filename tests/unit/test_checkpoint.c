/* Model files as nets, and training that is stopped and continued. */
#include "tests/unit/data_util.h"

#include <math.h>

#include "formats/verify.h"
#include "libcore/data/training.h"

/* ---- model files -------------------------------------------------------------------------- */

/* The parameters of a net lie at `found` with the values of a flat vector. */
static void assert_params(const struct nst_net *net, const float *const *found, const float *flat)
{
	for (size_t i = 0; i < net->nparams; i++)
		assert_memory_equal(found[i], flat + net->param[i].offset,
				    net->param[i].count * sizeof(*flat));
}

/* The vectors come back in place, whatever the order in the net; the file can be used alone. */
static void modelfile_round_trip(void **state)
{
	static const char *const archs[] = {"efficientnet-b0-32", "resnet20", "wrn-10-1"};

	(void)state;
	for (size_t a = 0; a < 3; a++) {
		struct nst_net *net = net_of(archs[a], 32, 3);
		float *params = weights_of(net, 1), *ema = weights_of(net, 2);
		const float **found = nst_alloc(net->nparams, sizeof(*found), &err);
		struct nst_modelfile m = {0};

		assert_non_null(found);
		write_net("m.h5", net, params, ema);
		OK(nst_modelfile_open(&m, "m.h5", &err));
		assert_string_equal(m.net->arch.name, archs[a]);
		assert_int_equal(m.net->nfloats, net->nfloats);
		assert_int_equal(m.net->macs, net->macs);
		assert_int_equal(m.preprocess.size, 32);
		assert_true(m.preprocess.crop == 0.8125 && m.preprocess.mean[1] == 0.3f);
		assert_int_equal(m.model.step, 70);
		OK(nst_modelfile_find(&m, NST_WEIGHTS_RAW, found, &err));
		assert_params(net, found, params);
		OK(nst_modelfile_find(&m, NST_WEIGHTS_BEST, found, &err));
		assert_params(net, found, ema);
		nst_modelfile_release(&m);

		write_net("raw.h5", net, params, NULL);
		OK(nst_modelfile_open(&m, "raw.h5", &err));
		OK(nst_modelfile_find(&m, NST_WEIGHTS_BEST, found, &err));
		assert_params(net, found, params);
		FAILS(nst_modelfile_find(&m, NST_WEIGHTS_EMA, found, &err),
		      "'raw.h5' has no moving average");
		nst_modelfile_release(&m);
		nst_net_free(net);
		free(params);
		free(ema);
		free(found);
	}
}

static void modelfile_init(void **state)
{
	struct nst_net *net = net_of("resnet20", 32, 3), *five = net_of("resnet20", 16, 5);
	struct nst_net *deep = net_of("resnet26", 32, 3);
	float *params = weights_of(net, 1), *got = weights_of(five, 7), *fresh = weights_of(five, 7);
	const struct nst_param *fc, *stem;
	struct nst_modelfile m = {0};

	(void)state;
	write_net("m.h5", net, params, NULL);
	OK(nst_modelfile_open(&m, "m.h5", &err));
	FAILS(nst_modelfile_fits(&m, five, 1, &err), "tensor 'fc.weight' of 'm.h5' has another shape");
	OK(nst_modelfile_fits(&m, five, 0, &err));
	OK(nst_modelfile_init(&m, five, 0, got, &err));
	fc = nst_net_find(five, "fc.weight");
	assert_memory_equal(got + fc->offset, fresh + fc->offset, fc->count * sizeof(*got));
	stem = nst_net_find(five, "conv1.weight");
	assert_memory_equal(got + stem->offset, params + nst_net_find(net, "conv1.weight")->offset,
			    stem->count * sizeof(*got));
	FAILS(nst_modelfile_fits(&m, deep, 1, &err), "'m.h5' has no tensor 'layer1.3.");
	nst_modelfile_release(&m);
	nst_net_free(net);
	nst_net_free(five);
	nst_net_free(deep);
	free(params);
	free(got);
	free(fresh);
}

static const char *const vector_name[] = {"param/data", "param/ema", "param/slot"};

/* Change a bit in the middle of a vector of a model file. */
static void damage(const char *path, enum nst_model_vector which)
{
	struct nst_modelfile m = {0};
	const float *vector[3];
	struct nst_buf file = read_file(path);
	uint8_t *hit;

	OK(nst_modelfile_open(&m, path, &err));
	vector[NST_MODEL_DATA] = m.model.data;
	vector[NST_MODEL_EMA] = m.model.ema;
	vector[NST_MODEL_SLOT] = m.model.slot;
	assert_non_null(vector[which]);
	hit = memmem(file.data, file.len, vector[which] + m.model.count / 2, 64);
	assert_non_null(hit);
	nst_modelfile_release(&m);
	hit[5] ^= 1;
	write_file(path, file.data, file.len);
	nst_buf_release(&file);
}

/* Each vector is verified when it is used, and no other; nst-pack --verify looks at all. */
static void modelfile_damage(void **state)
{
	struct nst_net *net = net_of("resnet20", 32, 3);
	float *vector[2] = {weights_of(net, 1), weights_of(net, 2)};
	const float **found = nst_alloc(net->nparams, sizeof(*found), &err);

	(void)state;
	assert_non_null(found);
	for (enum nst_model_vector v = NST_MODEL_DATA; v <= NST_MODEL_EMA; v++) {
		const enum nst_weights bad = v == NST_MODEL_DATA ? NST_WEIGHTS_RAW : NST_WEIGHTS_EMA;
		const enum nst_weights good = v == NST_MODEL_DATA ? NST_WEIGHTS_BEST : NST_WEIGHTS_RAW;
		struct nst_modelfile m = {0};
		struct nst_verify_result result;
		char sentence[80];

		snprintf(sentence, sizeof(sentence),
			 "cannot read 'm.h5': the checksum of '%s' is wrong", vector_name[v]);
		write_net("m.h5", net, vector[0], vector[1]);
		damage("m.h5", v);
		OK(nst_modelfile_open(&m, "m.h5", &err));
		OK(nst_modelfile_find(&m, good, found, &err));
		assert_params(net, found, vector[v == NST_MODEL_DATA]);
		FAILS(nst_modelfile_find(&m, bad, found, &err), sentence);
		if (v == NST_MODEL_EMA)
			FAILS(nst_modelfile_init(&m, net, 1, vector[0], &err), sentence);
		nst_modelfile_release(&m);
		FAILS(nst_verify("m.h5", NULL, &result, &err), sentence);
	}
	nst_net_free(net);
	free(vector[0]);
	free(vector[1]);
	free(found);
}

static void modelfile_refusals(void **state)
{
	struct nst_modelfile m = {0};

	(void)state;
	write_pictures("shard.h5", 0, 3, abc, 3);
	FAILS(nst_modelfile_open(&m, "shard.h5", &err), "'shard.h5' is a shard");
	write_kind(NST_MODEL, NULL); /* of an architecture that nobody knows */
	FAILS(nst_modelfile_open(&m, "model.h5", &err), "cannot use 'model.h5': ");
	assert_null(m.net);
	assert_null(m.image);
}

/* ---- training ----------------------------------------------------------------------------- */

enum { ROWS = 60, BATCH = 12, STEPS = 9 }; /* an epoch of labeled rows is 20 / 12 steps */

struct bench {
	struct nst_settings settings;
	struct nst_dataset *rows, *validation;
	struct nst_pool *pool;
	struct nst_training *t;
};

static struct nst_request request(void)
{
	struct nst_request r = NST_REQUEST_NONE;

	r.arch = "wrn-10-1";
	r.size = SIDE;
	r.batch = BATCH;
	r.grain = 8;
	r.epochs = STEPS * (double)BATCH / (ROWS / 3);
	r.dropout = 0.2;
	r.drop_path = 0.1;
	r.randaugment = "n1,m5";
	r.lr = 0.05;
	return r;
}

static int open_bench(struct bench *b, const struct nst_request *r, unsigned threads,
		      const char *input)
{
	static const char *const val[] = {"val.h5"};
	struct nst_training_options o = {.settings = &b->settings, .validate_every = 2,
					 .init_classifier = 1, .cache = 1 << 20};

	memset(b, 0, sizeof(*b));
	OK(nst_settings_resolve(r, &b->settings, &err));
	b->rows = open_file(input);
	OK(nst_dataset_open(&b->validation, val, 1, ALL_KINDS, abc, 3, "'m.h5'", &err));
	OK(nst_pool_new(threads, &b->pool, &err));
	o.rows = b->rows;
	o.validation = b->validation;
	o.pool = b->pool;
	return nst_training_new(&b->t, &o, &err);
}

static void close_bench(struct bench *b)
{
	nst_training_free(b->t);
	nst_dataset_free(b->rows);
	nst_dataset_free(b->validation);
	nst_pool_free(b->pool);
}

static void prepare_inputs(void)
{
	write_mix("mix.h5", ROWS, FULL, 2);
	write_mix("hard.h5", ROWS, HARD, 2);
	write_pictures("val.h5", 100, 130, abc, 3);
}

/* Steps until `until`; the number of epochs that ended goes to *epochs. */
static void steps(struct bench *b, uint64_t until, int *epochs)
{
	while (nst_training_step_count(b->t) < until) {
		struct nst_epoch e;
		int r = nst_training_step(b->t, &e, &err);

		if (r < 0)
			fail_msg("%s", err.msg);
		*epochs += r;
	}
}

static void write_result(struct bench *b, const char *model, const char *log)
{
	struct nst_modelfile_build m;

	assert_true(nst_training_done(b->t));
	OK(nst_training_build(b->t, &m, &err));
	OK(nst_out_file(model, NULL, m.build, &err));
	nst_modelfile_build_release(&m);
	OK(nst_training_write_log(b->t, log, &err));
}

static void whole_run(const struct nst_request *r, const char *input, unsigned threads,
		      const char *model, const char *log)
{
	struct bench b;
	int epochs = 0;

	OK(open_bench(&b, r, threads, input));
	assert_int_equal(nst_training_steps(b.t), STEPS);
	steps(&b, STEPS, &epochs);
	assert_int_equal(epochs, 5); /* 5.4 passes: ends of 1 to 5 and the rest; 12/20 < 1 a step */
	write_result(&b, model, log);
	close_bench(&b);
}

/* Stopped after every single step, the model and the log come out the same to the byte. */
static void resume_is_exact(void **state)
{
	static const char *const inputs[] = {"mix.h5", "hard.h5", "mix.h5"};
	struct nst_request r = request();

	(void)state;
	prepare_inputs();
	for (size_t i = 0; i < 3; i++) {
		if (i == 2) { /* a loss with a memory of its own, and rows in pairs */
			r.loss = NST_LOSS_NORMALIZED;
			r.mixup = 0.5;
		}
		whole_run(&r, inputs[i], 1, "whole.h5", "whole.tsv");
		for (uint64_t stop = 0; stop <= STEPS; stop += 1 + (stop > 3)) {
			struct bench b;
			int epochs = 0;

			OK(open_bench(&b, &r, 1, inputs[i]));
			steps(&b, stop, &epochs);
			OK(nst_training_save(b.t, "ckpt", &err));
			close_bench(&b);

			OK(open_bench(&b, &r, 2, inputs[i]));
			OK(nst_training_resume(b.t, "ckpt", &err));
			assert_int_equal(nst_training_step_count(b.t), stop);
			steps(&b, STEPS, &epochs);
			assert_int_equal(epochs, 5);
			write_result(&b, "resumed.h5", "resumed.tsv");
			close_bench(&b);
			assert_true(same_files("whole.h5", "resumed.h5"));
			assert_true(same_files("whole.tsv", "resumed.tsv"));
		}
	}
}

static void threads_do_not_matter(void **state)
{
	struct nst_request r = request();

	(void)state;
	prepare_inputs();
	whole_run(&r, "mix.h5", 1, "one.h5", "one.tsv");
	whole_run(&r, "mix.h5", 3, "three.h5", "three.tsv");
	assert_true(same_files("one.h5", "three.h5"));
	assert_true(same_files("one.tsv", "three.tsv"));
}

/* The last line of a log as numbers; NaN for NA.  Returns the lines. */
static size_t read_log(const char *path, double last[10])
{
	struct nst_buf text = read_file(path);
	char *save = NULL;
	size_t lines = 0;

	assert_int_equal(nst_buf_append(&text, "", 1, &err), 0);
	for (char *l = strtok_r((char *)text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *cell = NULL;
		size_t n = 0;

		for (char *c = strtok_r(l, "\t", &cell); c; c = strtok_r(NULL, "\t", &cell), n++)
			last[n < 10 ? n : 9] = strcmp(c, "NA") ? strtod(c, NULL) : NAN;
		assert_int_equal(n, 10);
		lines++;
	}
	nst_buf_release(&text);
	return lines;
}

/* The pictures can be told apart by their brightness: training must find out. */
static void it_learns(void **state)
{
	struct nst_request r = request();
	double last[10];
	struct bench b;
	int epochs = 0;

	(void)state;
	prepare_inputs();
	r.randaugment = NULL;
	r.epochs = 60;
	OK(open_bench(&b, &r, 2, "hard.h5"));
	steps(&b, nst_training_steps(b.t), &epochs);
	write_result(&b, "m.h5", "log.tsv");
	assert_int_equal(read_log("log.tsv", last), 61);
	assert_true(last[0] == 60 && last[1] == 100);
	assert_true(last[2] < 1e-4);                  /* rate */
	assert_true(last[4] < 0.9 && last[5] > 0.9);  /* labeled: loss, accuracy */
	assert_true(last[6] < 0.9 && last[7] > 0.9);  /* pseudo */
	assert_true(last[8] > 0.9 && last[9] < 0.6);  /* validation: accuracy, loss */
	close_bench(&b);
}

static void resume_with(const struct nst_request *r, const char *input, const char *sentence)
{
	struct bench b;

	OK(open_bench(&b, r, 1, input));
	FAILS(nst_training_resume(b.t, "ckpt", &err), sentence);
	close_bench(&b);
}

static void resume_refusals(void **state)
{
#define NET "net size=8 pad=same bn-eps=1e-5 bn-momentum=0.9 init=he dropout=0 drop-path=0\n" \
	    "conv k=3 s=2 c=8 bn=1 "
	static const char *const own[] = {NET "act=relu\n", "# other\n" NET "act=swish\n"};
	struct nst_request r = request(), q;
	struct nst_buf bytes;
	struct bench b;
	int epochs = 0;

	(void)state;
	prepare_inputs();
	OK(open_bench(&b, &r, 1, "mix.h5"));
	steps(&b, 2, &epochs);
	OK(nst_training_save(b.t, "ckpt", &err));
	close_bench(&b);

	bytes = read_file("ckpt");
	for (enum nst_model_vector v = NST_MODEL_DATA; v <= NST_MODEL_SLOT; v++) {
		char sentence[80];

		damage("ckpt", v);
		snprintf(sentence, sizeof(sentence),
			 "cannot read 'ckpt': the checksum of '%s' is wrong", vector_name[v]);
		resume_with(&r, "mix.h5", sentence);
		write_file("ckpt", bytes.data, bytes.len);
	}
	nst_buf_release(&bytes);

	q = r;
	q.lr = 0.06;
	resume_with(&q, "mix.h5", "'ckpt' is of a run with lr=0.05, this one has lr=0.06");
	q = r;
	q.seed = 1;
	resume_with(&q, "mix.h5", "'ckpt' is of a run with seed=0, this one has seed=1");
	q = r;
	q.arch = "wrn-16-1";
	resume_with(&q, "mix.h5", "arch=wrn-10-1, this one has arch=wrn-16-1");
	resume_with(&r, "hard.h5", "'ckpt' is of a run with input=");

	/* A file of the user's that was changed in between. */
	q = r;
	q.arch = NULL;
	q.arch_file = "own.arch";
	write_file("own.arch", own[0], strlen(own[0]));
	OK(open_bench(&b, &q, 1, "mix.h5"));
	steps(&b, 1, &epochs);
	OK(nst_training_save(b.t, "ckpt", &err));
	close_bench(&b);
	write_file("own.arch", own[1], strlen(own[1]));
	resume_with(&q, "mix.h5", "'ckpt' is of a run whose architecture 'own' is another one");
	write_file("own.arch", own[0], strlen(own[0]));
	OK(open_bench(&b, &q, 1, "mix.h5"));
	OK(nst_training_resume(b.t, "ckpt", &err));
	close_bench(&b);

	whole_run(&r, "mix.h5", 1, "model.h5", "log.tsv");
	rename("model.h5", "finished");
	bytes = read_file("finished");
	write_file("ckpt", bytes.data, bytes.len);
	nst_buf_release(&bytes);
	resume_with(&r, "mix.h5", "'ckpt' is ");

	bytes = read_file("mix.h5");
	write_file("ckpt", bytes.data, bytes.len);
	resume_with(&r, "mix.h5", "'ckpt' is a mix");
	write_file("ckpt", bytes.data, bytes.len / 2);
	resume_with(&r, "mix.h5", "'ckpt'");
	nst_buf_release(&bytes);
}

static void set_up_with(const struct nst_request *r, const char *input, const char *sentence)
{
	struct bench b;

	FAILS(open_bench(&b, r, 1, input), sentence);
	close_bench(&b);
}

static void refusals(void **state)
{
	static const char *const one[] = {"ant"};
	struct nst_request r = request(), q;

	(void)state;
	prepare_inputs();
	write_pictures("u.h5", 0, 4, NULL, 0);
	set_up_with(&r, "u.h5", "'u.h5' has 0 classes, training needs two or more");
	write_pictures("one.h5", 0, 4, one, 1);
	set_up_with(&r, "one.h5", "'one.h5' has 1 class, training needs two or more");
	write_pictures("some.h5", 0, 6, abc, 3);
	q = r;
	q.batch = 9;
	q.size = SIDE / 2; /* maps of one pixel at last */
	set_up_with(&q, "some.h5", "a step of 9 rows leaves a grain of a single row");
	q.batch = q.grain = 1;
	set_up_with(&q, "some.h5", "a step of 1 row leaves a grain of a single row");
}

/* Where all maps have several pixels a grain, or what is left of a batch, may be one row. */
static void grains_of_one_row(void **state)
{
	static const struct {
		int64_t batch, grain;
	} runs[] = {{1, 1}, {5, 1}, {5, 4}, {1, 0}};
	struct nst_request r = request();
	struct bench b;
	int epochs = 0;

	(void)state;
	prepare_inputs();
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
		r.batch = runs[i].batch;
		r.grain = runs[i].grain;
		r.epochs = 3 * (double)r.batch / (ROWS / 3);
		for (unsigned threads = 1; threads <= 3; threads += 2) {
			OK(open_bench(&b, &r, threads, "mix.h5"));
			steps(&b, 3, &epochs);
			write_result(&b, threads == 1 ? "one.h5" : "three.h5", "log.tsv");
			close_bench(&b);
		}
		assert_true(same_files("one.h5", "three.h5"));
	}
}

static void unlabeled_among_labeled(void **state)
{
	struct nst_rows *rows = nst_rows_new(NST_EMBED, NULL, &err);
	struct nst_request r = request();
	struct nst_build *b;

	(void)state;
	prepare_inputs();
	for (int i = 0; i < 12; i++)
		add_picture(rows, i, i == 7 ? -1 : i % 3);
	OK(nst_shard_build(&b, rows, abc, 3, &err));
	OK(nst_out_file("hole.h5", NULL, b, &err));
	set_up_with(&r, "hole.h5", "'p/7' in 'hole.h5' has no label: nst-infer");
	nst_build_free(b);
	nst_rows_free(rows);
}

static void warnings(void **state)
{
	struct nst_request r = request();
	struct nst_rows *rows = nst_rows_new(NST_EMBED, NULL, &err);
	const struct nst_list *w;
	struct nst_build *build;
	struct bench b;

	(void)state;
	prepare_inputs();
	for (int i = 0; i < 6; i++)
		add_picture(rows, i, i % 2);
	OK(nst_shard_build(&build, rows, abc, 3, &err));
	OK(nst_out_file("two.h5", NULL, build, &err));
	r.batch = 10;
	OK(open_bench(&b, &r, 1, "two.h5"));
	w = nst_training_warnings(b.t);
	assert_int_equal(w->count, 3);
	assert_string_equal(w->item[0], "class 'cat' has no rows");
	assert_non_null(strstr(w->item[1], "a step takes 10 labeled rows, but there are only 6"));
	assert_non_null(strstr(w->item[2], "the last grain of a step has only 2 of 8 rows"));
	close_bench(&b);
	nst_build_free(build);
	nst_rows_free(rows);
}

static void diverging(void **state)
{
	struct nst_request r = request();
	struct nst_epoch e;
	struct bench b;
	int got = 0;

	(void)state;
	prepare_inputs();
	r.lr = 1e18;
	r.warmup = 0;
	OK(open_bench(&b, &r, 1, "mix.h5"));
	err.msg[0] = '\0';
	while (!nst_training_done(b.t) && got >= 0)
		got = nst_training_step(b.t, &e, &err);
	assert_true(got < 0);
	assert_non_null(strstr(err.msg, "not finite at step "));
	assert_non_null(strstr(err.msg, "lower learning rate"));
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
		TEST(modelfile_round_trip), TEST(modelfile_init), TEST(modelfile_damage),
		TEST(modelfile_refusals),
		TEST(resume_is_exact), TEST(threads_do_not_matter), TEST(it_learns),
		TEST(resume_refusals), TEST(refusals), TEST(grains_of_one_row),
		TEST(unlabeled_among_labeled), TEST(warnings), TEST(diverging),
	};

	return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
