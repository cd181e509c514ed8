/* The row table, the sampler and the settings of a training. */
#include "tests/unit/data_util.h"

#include <math.h>

#include "libcore/data/archfile.h"
#include "libcore/data/sampler.h"
#include "libcore/data/settings.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the table ---------------------------------------------------------------------------- */

static void check_row(const struct nst_dataset *ds, uint64_t row, int which, int32_t label)
{
	uint8_t pixels[SIDE * SIDE * 3];
	struct nst_buf bytes = {0};
	struct nst_sample s;
	struct nst_datum d;
	char key[16];

	draw(which, pixels);
	snprintf(key, sizeof(key), "p/%d", which);
	nst_dataset_get(ds, row, &d);
	assert_int_equal(d.label, label);
	assert_int_equal(d.sample.key_len, strlen(key));
	assert_memory_equal(d.sample.key, key, strlen(key));
	OK(nst_dataset_sample(ds, row, &bytes, &s, &err));
	assert_int_equal(s.size, sizeof(pixels));
	assert_memory_equal(s.data, pixels, sizeof(pixels));
	assert_int_equal(s.label, label);
	nst_buf_release(&bytes);
}

static void shards_in_order(void **state)
{
	const char *const paths[] = {"a.h5", "b.h5", "c.h5"};
	struct nst_dataset *ds;
	char name[100];

	(void)state;
	write_pictures("a.h5", 0, 5, abc, 3);
	write_pictures("b.h5", 5, 6, abc, 3);
	write_pictures("c.h5", 6, 20, abc, 3);
	ds = open_rows(paths, 3);
	assert_int_equal(nst_dataset_rows(ds), 20);
	assert_int_equal(nst_dataset_images(ds), 3);
	assert_int_equal(nst_dataset_classes(ds), 3);
	assert_string_equal(nst_dataset_class_names(ds)[2], "cat");
	assert_true(nst_dataset_ratio(ds) == 0);
	for (int i = 0; i < 20; i++) {
		struct nst_datum d;

		check_row(ds, (uint64_t)i, i, i % 3);
		nst_dataset_get(ds, (uint64_t)i, &d);
		assert_int_equal(d.role, NST_ROLE_LABELED);
		assert_true(d.weight == 1);
		assert_true(d.hash == nst_sample_hash(&d.sample));
	}
	nst_dataset_name(ds, 5, name, sizeof(name));
	assert_string_equal(name, "'p/5' in 'b.h5'");
	nst_dataset_free(ds);
}

/* Tables are merged by name; the larger one is the reference wherever it stands. */
static void classes_by_name(void **state)
{
	static const char *const two[] = {"cat", "ant"};
	const char *const paths[] = {"two.h5", "three.h5"};
	struct nst_dataset *ds;

	(void)state;
	write_pictures("two.h5", 0, 4, two, 2);
	write_pictures("three.h5", 4, 8, abc, 3);
	ds = open_rows(paths, 2);
	assert_string_equal(nst_dataset_class_names(ds)[0], "ant");
	for (int i = 0; i < 4; i++)
		check_row(ds, (uint64_t)i, i, i % 2 ? 0 : 2);
	for (int i = 4; i < 8; i++)
		check_row(ds, (uint64_t)i, i, i % 3);
	nst_dataset_free(ds);
}

static int open_with(const char *path, const char *const *name, size_t n)
{
	struct nst_dataset *ds = NULL;
	int r = nst_dataset_open(&ds, &path, 1, ALL_KINDS, name, n, "'m.h5'", &err);

	if (r == 0)
		nst_dataset_free(ds);
	return r;
}

static void given_classes(void **state)
{
	static const char *const others[] = {"cat", "bee", "dog"}, *const more[] = {"x", "cat", "bee", "ant"};
	struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
	struct nst_build *b;

	(void)state;
	write_pictures("abc.h5", 0, 6, abc, 3);
	OK(open_with("abc.h5", more, 4));
	FAILS(open_with("abc.h5", others, 3),
	      "class 'ant' of 'abc.h5' is not among the 3 classes of 'm.h5'");

	/* A class that is unknown but has no rows does not matter. */
	for (int i = 0; i < 4; i++)
		add_picture(r, i, 1 + i % 2);
	OK(nst_shard_build(&b, r, abc, 3, &err));
	OK(nst_out_file("bc.h5", NULL, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
	OK(open_with("bc.h5", others, 3));
}

static void unlabeled_rows(void **state)
{
	struct nst_dataset *ds;

	(void)state;
	write_pictures("u.h5", 0, 4, NULL, 0);
	ds = open_file("u.h5");
	assert_int_equal(nst_dataset_classes(ds), 0);
	check_row(ds, 3, 3, -1);
	nst_dataset_free(ds);
	OK(open_with("u.h5", abc, 3));
}

static void check_mix(enum form form)
{
	enum { ROWS = 200 }; /* several blocks of the index of pseudo rows */
	struct nst_dataset *ds;

	write_mix("mix.h5", ROWS, form, 2.5);
	ds = open_file("mix.h5");
	assert_true(nst_dataset_ratio(ds) == 2.5);
	for (int i = 0; i < ROWS; i++) {
		float soft[3], want[3] = {0.125f, 0.125f, 0.75f};
		struct nst_target t;
		struct nst_datum d;

		nst_dataset_get(ds, (uint64_t)i, &d);
		assert_int_equal(d.role, mix_is_pseudo(i) ? NST_ROLE_PSEUDO : NST_ROLE_LABELED);
		assert_true(d.weight == (mix_is_pseudo(i) ? 0.5f : 1));
		assert_int_equal(d.copy, i % 4);
		assert_true(d.hash == (nst_sample_hash(&d.sample) ^ (uint64_t)(i % 4)));
		nst_dataset_target(ds, (uint64_t)i, soft, &t);
		if (form == HARD || !mix_is_pseudo(i)) {
			assert_null(t.soft);
			assert_int_equal(t.class, i % 3);
			continue;
		}
		assert_ptr_equal(t.soft, soft);
		if (form == FULL)
			mix_soft(i, want);
		for (int k = 0; k < 3; k++)
			assert_true(fabsf(soft[k] - want[k]) < 1e-6f);
	}
	nst_dataset_free(ds);
}

static void mixes(void **state)
{
	(void)state;
	check_mix(HARD);
	check_mix(FULL);
	check_mix(TOPK);
}

static int open_all(const char *const *paths, size_t n)
{
	struct nst_dataset *ds = NULL;
	int r = nst_dataset_open(&ds, paths, n, ALL_KINDS, NULL, 0, NULL, &err);

	if (r == 0)
		nst_dataset_free(ds);
	return r;
}

static void refusals(void **state)
{
	static const char *const four[] = {"ant", "bee", "cat", "dog"};
	const char *const ratios[] = {"r2.h5", "r3.h5"}, *const tables[] = {"r2.h5", "four.h5"};
	const char *const model[] = {"model.h5"}, *const gone[] = {"gone.h5"};

	(void)state;
	write_mix("r2.h5", 10, FULL, 2);
	write_mix("r3.h5", 10, FULL, 3);
	FAILS(open_all(ratios, 2), "'r3.h5' has ratio 3, the mixes before it have 2");
	write_pictures("four.h5", 0, 8, four, 4);
	FAILS(open_all(tables, 2), "the classes of 'r2.h5' are not those of 'four.h5'");
	write_kind(NST_MODEL, NULL);
	FAILS(open_all(model, 1), "'model.h5' is a model and has no images");
	FAILS(open_all(gone, 1), "cannot open 'gone.h5'");
}

/* ---- the sampler -------------------------------------------------------------------------- */

static struct nst_sampler *sampler(const struct nst_dataset *ds, size_t batch, double ratio,
				   uint64_t seed)
{
	struct nst_sampler *s = NULL;

	const struct nst_sampler_options o = {batch, ratio, 1, 0, seed};

	OK(nst_sampler_new(&s, ds, &o, &err));
	return s;
}

/* The sequences of both roles over many steps: each pass holds every row of its role once, passes
 * follow each other without a gap and are ordered differently. */
static void check_sequences(const struct nst_dataset *ds, struct nst_sampler *s, uint64_t steps)
{
	size_t batch = nst_sampler_batch(s);
	uint64_t rows = nst_dataset_rows(ds), taken[2] = {0, 0};
	unsigned *seen = calloc(rows, sizeof(*seen));
	struct nst_draw *draw_ = calloc(batch, sizeof(*draw_));

	for (uint64_t t = 0; t < steps; t++) {
		size_t labeled = 0;

		nst_sampler_draw(s, t, draw_);
		for (size_t i = 0; i < batch; i++) {
			struct nst_datum d;
			uint64_t count;

			nst_dataset_get(ds, draw_[i].row, &d);
			assert_int_equal(d.role, draw_[i].role);
			count = nst_sampler_count(s, d.role);
			assert_int_equal(draw_[i].pass, taken[d.role] / count);
			assert_int_equal(seen[draw_[i].row], draw_[i].pass);
			seen[draw_[i].row]++;
			taken[d.role]++;
			/* Even interleaving: any prefix has its share of labeled rows. */
			labeled += d.role == NST_ROLE_LABELED;
			assert_int_equal(labeled, (i + 1) * nst_sampler_share(s, NST_ROLE_LABELED) / batch);
		}
		assert_int_equal(labeled, nst_sampler_share(s, NST_ROLE_LABELED));
	}
	free(seen);
	free(draw_);
}

static void sampler_sequences(void **state)
{
	static const struct {
		size_t batch;
		double ratio;
	} forms[] = {{8, 2}, {7, 1.5}, {50, 3}, {1, 0.3}, {16, 0.5}};
	struct nst_dataset *ds;

	(void)state;
	write_mix("m.h5", 100, HARD, 1);
	ds = open_file("m.h5");
	for (size_t i = 0; i < N(forms); i++) {
		struct nst_sampler *s = sampler(ds, forms[i].batch, forms[i].ratio, 3);

		assert_int_equal(nst_sampler_count(s, NST_ROLE_LABELED), 34);
		assert_int_equal(nst_sampler_count(s, NST_ROLE_PSEUDO), 66);
		assert_int_equal(nst_sampler_share(s, NST_ROLE_LABELED), forms[i].batch);
		assert_int_equal(nst_sampler_share(s, NST_ROLE_PSEUDO),
				 ceil((double)forms[i].batch * forms[i].ratio));
		check_sequences(ds, s, 60);
		nst_sampler_free(s);
	}
	nst_dataset_free(ds);
}

/* ceil(100 * 0.1) is 10, whatever 0.1 is in binary. */
static void sampler_share(void **state)
{
	struct nst_dataset *ds;

	(void)state;
	write_mix("m.h5", 30, HARD, 1);
	ds = open_file("m.h5");
	for (size_t batch = 1; batch <= 1000; batch++) {
		for (size_t tenths = 1; tenths <= 40; tenths += 3) {
			struct nst_sampler *s = sampler(ds, batch, (double)tenths / 10, 0);

			assert_int_equal(nst_sampler_share(s, NST_ROLE_PSEUDO),
					 (batch * tenths + 9) / 10);
			nst_sampler_free(s);
		}
	}
	nst_dataset_free(ds);
}

static void sampler_epochs(void **state)
{
	struct nst_dataset *ds;
	struct nst_sampler *s;
	struct nst_draw a[12], b[12];
	int differs = 0;

	(void)state;
	write_pictures("l.h5", 0, 30, abc, 3);
	ds = open_file("l.h5");
	s = sampler(ds, 12, 5, 1);
	assert_int_equal(nst_sampler_batch(s), 12); /* no pseudo rows, no share for them */
	assert_true(nst_sampler_epochs(s, 5) == 2);
	assert_int_equal(nst_sampler_steps(s, 2), 5);
	assert_int_equal(nst_sampler_steps(s, 2.01), 6);
	assert_int_equal(nst_sampler_steps(s, 0.4), 1);
	check_sequences(ds, s, 20);

	/* A step does not depend on which came before, and the seed matters. */
	nst_sampler_draw(s, 7, a);
	nst_sampler_draw(s, 0, b);
	nst_sampler_draw(s, 7, b);
	assert_memory_equal(a, b, sizeof(a));
	nst_sampler_free(s);
	s = sampler(ds, 12, 0, 2);
	nst_sampler_draw(s, 7, b);
	for (int i = 0; i < 12; i++)
		differs += a[i].row != b[i].row;
	assert_true(differs > 3);
	nst_sampler_free(s);
	nst_dataset_free(ds);
}

/* Rows of both kinds apart; a labeled row counts with the chance asked for, and epochs last longer. */
static void sampler_apart_and_sampled(void **state)
{
	struct nst_sampler_options o = {8, 2, 1, 1, 3};
	struct nst_dataset *ds;
	struct nst_sampler *s;
	struct nst_draw apart[24], mixed[24];
	size_t counts = 0, again = 0;

	(void)state;
	write_mix("m.h5", 100, HARD, 1);
	ds = open_file("m.h5");
	OK(nst_sampler_new(&s, ds, &o, &err));
	nst_sampler_draw(s, 5, apart);
	for (size_t i = 0; i < 24; i++)
		assert_int_equal(apart[i].role, i < 8 ? NST_ROLE_LABELED : NST_ROLE_PSEUDO);
	assert_true(nst_sampler_counts(s, 0, 1));
	nst_sampler_free(s);
	s = sampler(ds, 8, 2, 3);
	nst_sampler_draw(s, 5, mixed);
	for (size_t i = 0, at[2] = {0, 8}; i < 24; i++) /* the same rows in the same order */
		assert_memory_equal(&mixed[i], &apart[at[mixed[i].role]++], sizeof(mixed[i]));
	nst_sampler_free(s);

	o.label_prob = 0.25;
	OK(nst_sampler_new(&s, ds, &o, &err));
	assert_int_equal(nst_sampler_share(s, NST_ROLE_LABELED), 8);
	assert_int_equal(nst_sampler_share(s, NST_ROLE_PSEUDO), 4);
	assert_true(nst_sampler_epochs(s, 34) == 2);
	assert_int_equal(nst_sampler_steps(s, 2), 34);
	for (uint64_t hash = 0; hash < 10000; hash++) {
		counts += (size_t)nst_sampler_counts(s, 3, hash);
		again += (size_t)(nst_sampler_counts(s, 3, hash) && nst_sampler_counts(s, 4, hash));
	}
	assert_true(counts > 2300 && counts < 2700); /* and each pass draws anew */
	assert_true(again > 500 && again < 750);
	nst_sampler_free(s);
	nst_dataset_free(ds);

	/* Without labeled rows there is nothing to sample. */
	write_pictures("l.h5", 0, 30, abc, 3);
	ds = open_file("l.h5");
	OK(nst_sampler_new(&s, ds, &o, &err));
	assert_int_equal(nst_sampler_batch(s), 8);
	nst_sampler_free(s);
	nst_dataset_free(ds);
}

/* Unlabeled rows become pseudo-labeled ones only where that was asked for. */
static void unlabeled_become_pseudo(void **state)
{
	struct nst_dataset *ds;
	struct nst_datum d;

	(void)state;
	write_pictures("u.h5", 0, 6, NULL, 0);
	ds = open_file("u.h5");
	nst_dataset_get(ds, 2, &d);
	assert_int_equal(d.role, NST_ROLE_LABELED);
	nst_dataset_use_unlabeled(ds);
	nst_dataset_get(ds, 2, &d);
	assert_true(d.role == NST_ROLE_PSEUDO && d.label == -1);
	nst_dataset_free(ds);
}

/* ---- settings ----------------------------------------------------------------------------- */

static struct nst_settings resolve(const struct nst_request *r)
{
	struct nst_settings s;

	OK(nst_settings_resolve(r, &s, &err));
	return s;
}

static int has_line(const struct nst_settings *s, const char *line)
{
	struct nst_list l = {0};
	int found = 0;

	OK(nst_settings_lines(s, &l, &err));
	for (size_t i = 0; i < l.count; i++)
		found |= !strcmp(l.item[i], line);
	nst_list_release(&l);
	return found;
}

static void settings_defaults(void **state)
{
	struct nst_request r = NST_REQUEST_NONE;
	struct nst_settings s;

	(void)state;
	r.arch = "efficientnet-b0";
	r.batch = 2048;
	s = resolve(&r);
	/* Noisy Student: 0.128 at 2048, 0.97 every 2.4 epochs of 350, 5 epochs of warm-up. */
	assert_true(fabs(s.schedule.base - 0.128) < 1e-12);
	assert_int_equal(s.schedule.kind, NST_SCHEDULE_STAIRCASE);
	assert_true(fabs(s.schedule.decay_epochs - 2.4) < 1e-12);
	assert_true(s.schedule.epochs == 350 && s.schedule.warmup == 5);
	assert_int_equal(s.train.optim.kind, NST_OPTIM_RMSPROP_TF);
	assert_true(s.train.optim.weight_decay == 1e-5);
	assert_int_equal(s.preprocess.size, 224);
	assert_int_equal(s.augment.view, NST_VIEW_RESIZED);
	assert_true(has_line(&s, "lr=0.128") && has_line(&s, "optimizer=rmsprop-tf"));
	assert_true(has_line(&s, "crop=resized") && has_line(&s, "decay-epochs=2.4"));

	r.arch = "wrn-28-2";
	r.batch = 128;
	r.epochs = 20;
	s = resolve(&r);
	assert_true(s.schedule.base == 0.1 && s.schedule.warmup == 2);
	assert_int_equal(s.schedule.kind, NST_SCHEDULE_COSINE);
	assert_int_equal(s.train.optim.kind, NST_OPTIM_SGD);
	assert_true(s.train.optim.nesterov && s.train.optim.weight_decay == 5e-4);
	assert_int_equal(s.augment.view, NST_VIEW_SHIFT);
	assert_true(has_line(&s, "final-lr=0") && has_line(&s, "randaugment=none"));

	/* The published SVHN run: 0.008 to 0.0001 in 202.3 epochs falls every 1.3716. */
	r.arch = "efficientnet-b0-32";
	r.epochs = 202.3;
	r.final_lr = 0.0001;
	s = resolve(&r);
	assert_true(fabs(s.schedule.base - 0.008) < 1e-12);
	assert_true(fabs(s.schedule.decay_epochs - 1.3716) < 1e-3);
}

static void settings_overrides(void **state)
{
	struct nst_request r = NST_REQUEST_NONE;
	struct nst_settings s;

	(void)state;
	r.arch = "resnet20";
	r.optimizer = NST_OPTIM_RMSPROP_TF;
	s = resolve(&r);
	assert_true(s.train.optim.weight_decay == 1e-5 && fabs(s.schedule.base - 0.008) < 1e-12);
	r.lr = 0.3;
	r.weight_decay = 0;
	r.randaugment = "n2,m27";
	r.flip = 0;
	r.cutout = 4;
	r.size = 48;
	r.crop = NST_VIEW_PLAIN;
	r.loss = NST_LOSS_CODE;
	r.seed = 18446744073709551615u;
	s = resolve(&r);
	assert_true(s.schedule.base == 0.3 && s.train.optim.weight_decay == 0);
	assert_int_equal(s.train.optim.nesterov, 0);
	assert_int_equal(s.augment.ra.n, 2);
	assert_int_equal(s.preprocess.size, 48);
	assert_int_equal(s.augment.size, 48);
	assert_true(has_line(&s, "flip=0") && has_line(&s, "cutout=4") && has_line(&s, "size=48"));
	assert_true(has_line(&s, "crop=plain") && has_line(&s, "loss=code"));
	assert_true(has_line(&s, "seed=18446744073709551615"));
}

/* Architectures of the user's own. */
#define SPEC "net size=16 pad=same bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0\n" \
	     "conv k=3 s=2 c=8 bn=1 act=relu\n"

static int loads(const char *path, const char *text, size_t len, struct nst_arch *a)
{
	write_file(path, text, len);
	return nst_arch_load(path, a, &err);
}

static void arch_files(void **state)
{
	static const struct {
		const char *path, *name;
	} names[] = {
		{"mine.arch", "mine"}, {"mine", "mine"}, {"./a.b.txt", "a.b"}, {".hidden", ".hidden"},
		{"A_1+2-3.x", "A_1+2-3"},
	};
	static char large[NST_ARCH_TEXT + 2], longest[NST_ARCH_NAME + 4];
	struct nst_request r = NST_REQUEST_NONE;
	struct nst_settings s;
	struct nst_arch a, b;

	(void)state;
	OK(nst_arch_parse("mine", SPEC, &b, &err));
	for (size_t i = 0; i < N(names); i++) {
		OK(loads(names[i].path, SPEC, strlen(SPEC), &a));
		assert_string_equal(a.name, names[i].name);
		memcpy(a.name, b.name, sizeof(a.name));
		assert_memory_equal(&a, &b, sizeof(a));
	}
	r.arch_file = "mine.arch";
	s = resolve(&r);
	assert_true(has_line(&s, "arch=mine") && has_line(&s, "size=16"));
	assert_true(has_line(&s, "optimizer=sgd")); /* init=he */

	FAILS(nst_arch_load("-", &a, &err), "an architecture cannot come from standard input");
	FAILS(nst_arch_load("gone.arch", &a, &err), "cannot open 'gone.arch'");
	FAILS(nst_arch_load("./", &a, &err), "cannot use './': its name");
	FAILS(nst_arch_load(".", &a, &err), "'.'");
	FAILS(loads("my net.arch", SPEC, strlen(SPEC), &a), "cannot use 'my net.arch': its name");
	memset(longest, 'x', NST_ARCH_NAME);
	FAILS(loads(longest, SPEC, strlen(SPEC), &a), "is longer than 39 bytes");
	longest[NST_ARCH_NAME - 1] = 0;
	OK(loads(longest, SPEC, strlen(SPEC), &a));
	FAILS(loads("x.arch", SPEC, strlen(SPEC) + 1, &a), "cannot use 'x.arch': it is not a text file");
	FAILS(loads("x.arch", "", 0, &a), "cannot use 'x.arch': architecture 'x' does not begin with");
	FAILS(loads("x.arch", SPEC "norm act=tanh\n", strlen(SPEC) + 14, &a),
	      "cannot use 'x.arch': architecture 'x', line 3: 'act' cannot be 'tanh'");
	memset(large, '\n', sizeof(large));
	memcpy(large, SPEC, strlen(SPEC));
	FAILS(loads("x.arch", large, NST_ARCH_TEXT + 1, &a), "'x.arch' is larger than the limit of 8192");
	OK(loads("x.arch", large, NST_ARCH_TEXT, &a));
	FAILS(nst_arch_load("/dev/zero", &a, &err), "'/dev/zero' is larger than the limit");
}

/* What is not asked for leaves no line, so that older checkpoints still fit. */
static void settings_of_noise(void **state)
{
	static const char *const extra[] = {"autoaugment", "random-erasing", "train-interpolation",
					    "pseudo-noise", "crop-fraction", "crop-padding",
					    "interpolation"};
	struct nst_request r = NST_REQUEST_NONE;
	struct nst_list lines = {0};
	struct nst_settings s;

	(void)state;
	r.arch = "efficientnet-b0";
	s = resolve(&r);
	OK(nst_settings_lines(&s, &lines, &err));
	for (size_t i = 0; i < lines.count; i++)
		for (size_t k = 0; k < N(extra); k++)
			assert_int_not_equal(strncmp(lines.item[i], extra[k], strlen(extra[k])), 0);
	nst_list_release(&lines);
	assert_true(s.pseudo_noise == NST_PSEUDO_FULL && !s.train.calm_pseudo);

	/* timm fills with the mean colour of ImageNet, rounded. */
	r.randaugment = "rand-m9-inc1";
	r.crop_fraction = 0.875;
	r.interpolation = NST_BILINEAR;
	r.train_interpolation = 4;
	r.pseudo_noise = NST_PSEUDO_NONE;
	s = resolve(&r);
	assert_memory_equal(s.augment.ra.fill, ((uint8_t[]){124, 116, 104}), 3);
	assert_true(s.augment.random_filter && s.train.calm_pseudo);
	assert_int_equal(s.preprocess.cropping, NST_CROP_SHORTEST);
	assert_true(has_line(&s, "crop-fraction=0.875") && has_line(&s, "interpolation=bilinear"));
	assert_true(has_line(&s, "train-interpolation=random"));
	assert_true(has_line(&s, "pseudo-noise=none"));
	r = (struct nst_request)NST_REQUEST_NONE;
	r.arch = "efficientnet-b0";
	r.autoaugment = "v0r-mstd0.5";
	r.crop_padding = 16;
	r.train_interpolation = NST_LANCZOS;
	r.pseudo_noise = NST_PSEUDO_NO_AUGMENT;
	r.erasing = 0.25;
	r.erasing_mode = NST_ERASING_PIXEL;
	r.erasing_count = 3;
	s = resolve(&r);
	assert_memory_equal(s.augment.aa.fill, ((uint8_t[]){124, 116, 104}), 3);
	assert_true(s.augment.filter == NST_LANCZOS && !s.augment.random_filter);
	assert_false(s.train.calm_pseudo);
	assert_true(has_line(&s, "autoaugment=v0r-mstd0.5") && has_line(&s, "crop-padding=16"));
	assert_true(has_line(&s, "train-interpolation=lanczos"));
	assert_true(has_line(&s, "pseudo-noise=no-augment"));
	assert_true(has_line(&s, "random-erasing=0.25") && has_line(&s, "random-erasing-count=3"));
	assert_true(has_line(&s, "random-erasing-mode=pixel"));
}

static int resolves(const struct nst_request *r)
{
	struct nst_settings s;

	return nst_settings_resolve(r, &s, &err);
}

static void settings_refusals(void **state)
{
	struct nst_request r = NST_REQUEST_NONE, q;

	(void)state;
	FAILS(resolves(&r), "no architecture");
	r.arch = "resnet21";
	FAILS(resolves(&r), "resnet2");
	r.arch = "resnet20";
	q = r;
	q.epochs = 3;
	q.warmup = 4;
	FAILS(resolves(&q), "the warm-up of 4 epochs must lie within the 3");
	q = r;
	q.final_lr = 1;
	FAILS(resolves(&q), "the final learning rate 1 must lie between 0 and 0.1");
	q.schedule = NST_SCHEDULE_STAIRCASE;
	FAILS(resolves(&q), "the final learning rate of a staircase must lie between 0 and 0.1");
	q = r;
	q.randaugment = "n2,q7";
	FAILS(resolves(&q), "--randaugment: ");
	q = r;
	q.clip_mode = NST_CLIP_VALUE;
	FAILS(resolves(&q), "--clip-mode needs --clip-grad");
	q = r;
	q.mixup_prob = 0.5;
	FAILS(resolves(&q), "nothing is mixed");
	q = r;
	q.mixup_rows = NST_MIXUP_BOTH;
	FAILS(resolves(&q), "nothing is mixed");
	q = r;
	q.mixup = 1;
	q.switch_prob = 0.5;
	FAILS(resolves(&q), "--mixup-switch-prob needs both");
	q = r;
	q.power = 2;
	FAILS(resolves(&q), "--power is of --schedule=polynomial");
	q = r;
	q.nesterov = 1;
	q.optimizer = NST_OPTIM_LAMB;
	FAILS(resolves(&q), "--nesterov is of --optimizer=sgd");
	q = r;
	q.crop_padding = 0;
	q.crop_fraction = 1;
	FAILS(resolves(&q), "--crop-padding and --crop-fraction are two ways");
	q = r;
	q.erasing_count = 2;
	FAILS(resolves(&q), "nothing is erased");
	q = r;
	q.autoaugment = "v0";
	q.randaugment = "rand-m9";
	FAILS(resolves(&q), "a view has either RandAugment or AutoAugment");
}

static void numbers(void **state)
{
	static const double exact[] = {0.1, 1.0 / 3, 1e-5, 0.128, 5e-4, 1e300, 2.4 * 20 / 350, 0, 123456789};
	char text[32];

	(void)state;
	for (size_t i = 0; i < N(exact); i++)
		assert_true(strtod(nst_number(exact[i], text), NULL) == exact[i]);
	assert_string_equal(nst_number(0.1, text), "0.1");
	assert_string_equal(nst_number(1e-5, text), "1e-05");
	assert_string_equal(nst_number(200, text), "200");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
		TEST(settings_of_noise),
		TEST(shards_in_order), TEST(classes_by_name), TEST(given_classes),
		TEST(unlabeled_rows), TEST(mixes), TEST(refusals), TEST(sampler_sequences),
		TEST(sampler_share), TEST(sampler_epochs), TEST(sampler_apart_and_sampled),
		TEST(unlabeled_become_pseudo), TEST(settings_defaults),
		TEST(settings_overrides), TEST(settings_of_noise), TEST(settings_refusals),
		TEST(arch_files),
		TEST(numbers),
	};

	return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
