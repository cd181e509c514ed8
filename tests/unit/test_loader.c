/* Loading rows: the evaluation path by hand, the training path against its parts, the cache. */
#include "tests/unit/data_util.h"

#include <math.h>

#include "libcore/data/loader.h"
#include "libcore/image/jpeg.h"
#include "libcore/par/pool.h"

enum { FLOATS = SIDE * SIDE * 3 };

static struct nst_loader_options options(int train, uint64_t cache)
{
	struct nst_loader_options o = {.train = train, .cache = cache, .seed = 5, .workers = 4};

	nst_preprocess_init(&o.preprocess, SIDE);
	nst_augment_init(&o.augment, SIDE);
	OK(nst_randaugment_parse("n2,m9", SIDE, &o.augment.ra, &err));
	return o;
}

static struct nst_loader *loader(const struct nst_dataset *ds, int train, uint64_t cache)
{
	struct nst_loader_options o = options(train, cache);
	struct nst_loader *l = NULL;

	OK(nst_loader_new(&l, ds, &o, &err));
	return l;
}

static void evaluation(void **state)
{
	static const float mean[] = {.485f, .456f, .406f}, std[] = {.229f, .224f, .225f};
	struct nst_load_range range;
	struct nst_dataset *ds;
	float got[FLOATS], again[FLOATS];
	uint8_t pixels[FLOATS];

	(void)state;
	write_pictures("a.h5", 0, 6, abc, 3);
	ds = open_file("a.h5");
	range = (struct nst_load_range){.loader = loader(ds, 0, 0), .first = 2};
	for (int i = 0; i < 6; i++) {
		OK(nst_load_eval(range.loader, (uint64_t)i, (unsigned)i % 4, got, &err));
		draw(i, pixels);
		for (int k = 0; k < FLOATS; k++)
			assert_true(fabsf(got[k] - (pixels[k] / 255.0f - mean[k % 3]) / std[k % 3]) < 1e-5f);
	}
	OK(nst_load_range(&range, 3, 0, again, &err));
	assert_memory_equal(again, got, sizeof(got));
	nst_loader_free(range.loader);
	nst_dataset_free(ds);
}

/* What the header promises, from the functions of augment. */
static void by_hand(const struct nst_loader_options *o, int i, uint64_t hash, uint32_t epoch,
		    float *out)
{
	struct nst_pixels pixels = {0};
	struct nst_augmenter work = {0};
	uint8_t raw[FLOATS], view[FLOATS];
	struct nst_view v;
	struct nst_rng rng;

	draw(i, raw);
	OK(nst_pixels_copy(&pixels, raw, SIDE, SIDE, &err));
	nst_rng_init(&rng, o->seed, NST_RNG_AUGMENT, epoch, hash);
	nst_augment_draw(&o->augment, &rng, SIDE, SIDE, &v);
	OK(nst_augment_apply(&o->augment, &rng, &v, &work, &pixels, view, &err));
	nst_preprocess_normalise(&o->preprocess, view, SIDE * SIDE, out);
	nst_erase(&o->augment.erasing, &rng, out, SIDE, SIDE);
	nst_pixels_release(&pixels);
	nst_augmenter_release(&work);
}

/* Every copy of a row and every pass has noise of its own, which does not depend on the cache. */
static void training(void **state)
{
	const struct nst_loader_options o = options(1, 0);
	struct nst_loader *plain, *cached;
	struct nst_dataset *ds;
	int differs = 0;

	(void)state;
	write_mix("m.h5", 20, HARD, 1);
	ds = open_file("m.h5");
	plain = loader(ds, 1, 0);
	cached = loader(ds, 1, 1 << 20);
	for (uint32_t epoch = 0; epoch < 3; epoch++) {
		for (int i = 0; i < 20; i++) {
			float want[FLOATS], got[FLOATS], before[FLOATS];
			struct nst_datum d;

			nst_dataset_get(ds, (uint64_t)i, &d);
			by_hand(&o, i, d.hash, epoch, want);
			OK(nst_load_train(plain, (uint64_t)i, epoch, 0, got, &err));
			assert_memory_equal(got, want, sizeof(want));
			OK(nst_load_train(cached, (uint64_t)i, epoch, (unsigned)i % 4, got, &err));
			assert_memory_equal(got, want, sizeof(want));
			by_hand(&o, i, d.hash ^ 1, epoch, before);
			differs += memcmp(before, want, sizeof(want)) != 0;
		}
	}
	assert_true(differs > 50);
	nst_loader_free(plain);
	nst_loader_free(cached);
	nst_dataset_free(ds);
}

/* What each word of --pseudo-noise leaves to pseudo-labeled rows; labeled ones keep everything. */
static void pseudo_rows_get_less(void **state)
{
	struct nst_dataset *ds;

	(void)state;
	write_mix("m.h5", 20, HARD, 1);
	ds = open_file("m.h5");
	for (int pseudo = NST_PSEUDO_FULL; pseudo <= NST_PSEUDO_NONE; pseudo++)
		for (uint64_t cache = 0; cache <= 1 << 20; cache += 1 << 20) {
			struct nst_loader_options o = options(1, cache), weak;
			struct nst_loader *l = NULL;

			o.augment.cutout = 2;
			o.augment.erasing.p = 1;
			o.pseudo = (enum nst_pseudo_noise)pseudo;
			weak = o;
			weak.augment.ra.n = 0;
			weak.augment.cutout = 0;
			weak.augment.erasing.p = 0;
			OK(nst_loader_new(&l, ds, &o, &err));
			for (int i = 0; i < 20; i++) {
				float want[FLOATS], got[FLOATS];
				uint8_t raw[FLOATS];
				struct nst_datum d;

				nst_dataset_get(ds, (uint64_t)i, &d);
				draw(i, raw);
				if (d.role == NST_ROLE_LABELED || pseudo == NST_PSEUDO_FULL)
					by_hand(&o, i, d.hash, 2, want);
				else if (pseudo == NST_PSEUDO_NO_RANDAUGMENT)
					by_hand(&weak, i, d.hash, 2, want);
				else
					nst_preprocess_normalise(&o.preprocess, raw, SIDE * SIDE,
								 want);
				OK(nst_load_train(l, (uint64_t)i, 2, 0, got, &err));
				assert_memory_equal(got, want, sizeof(want));
			}
			nst_loader_free(l);
		}
	nst_dataset_free(ds);
}

struct race {
	struct nst_loader *l;
	float (*got)[FLOATS];
};

static void load_task(void *ctx, size_t task, unsigned worker)
{
	struct race *r = ctx;
	struct nst_err e;

	/* Many workers want the same few rows at once. */
	if (nst_load_train(r->l, task / 4, 1, worker, r->got[task], &e) < 0)
		abort();
}

static void cache_race(void **state)
{
	const struct nst_loader_options o = options(1, 0);
	static float got[80][FLOATS];
	struct race race = {.got = got};
	struct nst_dataset *ds;
	struct nst_pool *pool;

	(void)state;
	write_pictures("a.h5", 0, 20, abc, 3);
	ds = open_file("a.h5");
	OK(nst_pool_new(4, &pool, &err));
	race.l = loader(ds, 1, 1 << 20);
	nst_pool_run(pool, 80, load_task, &race);
	for (int task = 0; task < 80; task++) {
		float want[FLOATS];
		struct nst_datum d;

		nst_dataset_get(ds, (uint64_t)task / 4, &d);
		by_hand(&o, task / 4, d.hash, 1, want);
		assert_memory_equal(got[task], want, sizeof(want));
	}
	nst_loader_free(race.l);
	nst_pool_free(pool);
	nst_dataset_free(ds);
}

/* A JPEG whose second half is missing, with a valid checksum: the packer's fault. */
static void broken_image(void **state)
{
	struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
	struct nst_jpeg *codec = nst_jpeg_new(&err);
	static uint8_t pixels[64 * 64 * 3];
	struct nst_buf jpeg = {0};
	struct nst_sample s = {.height = 64, .width = 64, .channels = 3, .codec = NST_CODEC_JPEG,
			       .orientation = 1, .key = "bee/x.jpg", .key_len = 9, .label = 1};
	struct nst_dataset *ds;
	struct nst_loader *l;
	struct nst_build *b;
	float out[FLOATS];

	(void)state;
	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(i * i);
	OK(nst_jpeg_encode(codec, pixels, 64, 64, 90, NST_JPEG_420, &jpeg, &err));
	s.data = jpeg.data;
	s.size = jpeg.len / 2;
	OK(nst_rows_add_copy(r, &s, &err));
	OK(nst_shard_build(&b, r, abc, 3, &err));
	OK(nst_out_file("broken.h5", NULL, b, &err));
	ds = open_file("broken.h5");
	l = loader(ds, 1, 1 << 20);
	FAILS(nst_load_eval(l, 0, 0, out, &err), "cannot decode 'bee/x.jpg' in 'broken.h5': ");
	FAILS(nst_load_train(l, 0, 0, 1, out, &err), "cannot decode 'bee/x.jpg' in 'broken.h5': ");
	nst_loader_free(l);
	nst_dataset_free(ds);
	nst_build_free(b);
	nst_rows_free(r);
	nst_jpeg_free(codec);
	nst_buf_release(&jpeg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
		TEST(evaluation), TEST(training), TEST(pseudo_rows_get_less), TEST(cache_race),
		TEST(broken_image),
	};

	return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
