/* Speed of making training views: decode a JPEG, random resized crop, flip, normalise, as
 * nst-train does it.
 *
 * Usage: views DIR SIZE [THREADS [SECONDS]]
 * DIR holds JPEGs and nothing else (photos.c); their entry points are found beforehand, as
 * nst-pack does it.  With SIZE 0 they are only decoded, at full size.
 * Prints images a second and the memory used in MiB. */
#include <dirent.h>

#include "libcore/augment/augment.h"
#include "libcore/image/decode.h"
#include "libcore/image/jpeg.h"
#include "libcore/image/preprocess.h"
#include "tests/bench/bench.h"

enum { MOST = 4096, BATCH = 64 };

/* What a worker needs. */
struct lane {
	struct nst_decoder *decoder;
	struct nst_pixels pixels;
	struct nst_augmenter augmenter;
	uint8_t *view;
	float *floats;
};

struct views {
	struct nst_buf file[MOST];
	struct nst_jpeg_info info[MOST];
	struct nst_buf points[MOST]; /* entry points */
	size_t nfiles, done;
	struct nst_augment augment;
	struct nst_preprocess preprocess;
	struct lane *lane;
};

static void read_file(const char *dir, const char *name, struct nst_buf *out)
{
	struct nst_err err;
	char path[4096];
	FILE *f;
	size_t got;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f) {
		fprintf(stderr, "bench: cannot open '%s'\n", path);
		exit(1);
	}
	do {
		must(nst_buf_reserve(out, 1 << 16, &err), &err);
		got = fread(out->data + out->len, 1, 1 << 16, f);
		out->len += got;
	} while (got);
	fclose(f);
}

static void read_all(struct views *v, const char *dir)
{
	DIR *d = opendir(dir);
	struct nst_buf scratch = {0};
	struct dirent *e;
	struct nst_err err;

	while (d && v->nfiles < MOST && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		read_file(dir, e->d_name, &v->file[v->nfiles]);
		must(nst_jpeg_info(v->file[v->nfiles].data, v->file[v->nfiles].len, 0,
				   &v->info[v->nfiles], &err), &err);
		must(nst_entries_find(v->file[v->nfiles].data, v->file[v->nfiles].len, &scratch,
				      &v->points[v->nfiles], &err), &err);
		v->nfiles++;
	}
	if (d)
		closedir(d);
	nst_buf_release(&scratch);
	if (!v->nfiles) {
		fprintf(stderr, "bench: no files in '%s'\n", dir);
		exit(1);
	}
}

/* File i as it comes from a shard. */
static struct nst_picture stored(const struct views *v, size_t i)
{
	const struct nst_buf *points = &v->points[i];

	return (struct nst_picture){
		.codec = 1,
		.data = v->file[i].data,
		.size = v->file[i].len,
		.height = v->info[i].height,
		.width = v->info[i].width,
		.channels = 3,
		.orientation = 1,
		.entries = {(const uint64_t *)(void *)points->data, points->len / sizeof(uint64_t)},
	};
}

static void make_view(void *ctx, size_t task, unsigned worker)
{
	struct views *v = ctx;
	struct lane *l = &v->lane[worker];
	const size_t size = v->augment.size, i = (v->done + task) % v->nfiles;
	const struct nst_picture in = stored(v, i);
	struct nst_view view;
	struct nst_box part;
	struct nst_rng rng;
	struct nst_err err;

	if (!size) {
		must(nst_decode(l->decoder, &in, 0, &l->pixels, &err), &err);
		return;
	}
	nst_rng_init(&rng, 1, NST_RNG_AUGMENT, 0, v->done + task);
	nst_augment_draw(&v->augment, &rng, in.height, in.width, &view);
	part = nst_augment_part(&v->augment, &view);
	must(nst_decode_part(l->decoder, &in, nst_augment_reduce(&v->augment, &view), &part,
			     &l->pixels, &err), &err);
	must(nst_augment_apply(&v->augment, &rng, &view, &l->augmenter, &l->pixels, l->view, &err),
	     &err);
	nst_preprocess_normalise(&v->preprocess, l->view, size * size, l->floats);
}

int main(int argc, char **argv)
{
	static struct views v;
	struct nst_pool *pool;
	struct nst_err err;
	size_t size = (size_t)number(argc, argv, 2, 224);
	double seconds = (double)number(argc, argv, 4, 4), start;

	if (argc < 3) {
		fprintf(stderr, "usage: %s DIR SIZE [THREADS [SECONDS]]\n", argv[0]);
		return 2;
	}
	read_all(&v, argv[1]);
	nst_augment_init(&v.augment, size);
	v.augment.view = NST_VIEW_RESIZED;
	nst_preprocess_init(&v.preprocess, size ? size : 224);
	must(nst_pool_new((unsigned)number(argc, argv, 3, 0), &pool, &err), &err);
	v.lane = nst_zalloc(nst_pool_threads(pool), sizeof(*v.lane), &err);
	must(v.lane ? 0 : err.code, &err);
	for (unsigned w = 0; w < nst_pool_threads(pool); w++) {
		struct lane *l = &v.lane[w];

		l->decoder = nst_decoder_new(&err);
		l->view = nst_alloc(size * size, 3, &err);
		l->floats = nst_alloc(size * size, 3 * sizeof(float), &err);
		must(l->decoder && l->view && l->floats ? 0 : err.code, &err);
	}
	nst_pool_run(pool, BATCH, make_view, &v);
	start = now();
	do {
		nst_pool_run(pool, BATCH, make_view, &v);
		v.done += BATCH;
	} while (now() - start < seconds);
	bench_print((double)v.done, now() - start, 0);
	for (unsigned w = 0; w < nst_pool_threads(pool); w++) {
		nst_decoder_free(v.lane[w].decoder);
		nst_pixels_release(&v.lane[w].pixels);
		nst_augmenter_release(&v.lane[w].augmenter);
		free(v.lane[w].view);
		free(v.lane[w].floats);
	}
	for (size_t i = 0; i < v.nfiles; i++)
		nst_buf_release(&v.file[i]);
	free(v.lane);
	nst_pool_free(pool);
	return 0;
}
