/* Rows are corrupted in windows by all threads and appended in order by one, so the output does not
 * depend on the threads and memory is bounded by a window. */
#include "libcore/pack/spoil.h"

#include <stdlib.h>
#include <string.h>

#include "formats/sample.h"
#include "libcore/image/decode.h"
#include "libcore/image/jpeg.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

enum { WINDOW = 256, QUALITY = 85 };

/* Tools of one thread. */
struct worker {
	struct nst_decoder *decoder;
	struct nst_jpeg *jpeg;
	struct nst_pixels pixels;
	struct nst_buf scratch;
};

/* One row of the window: its sample, pointing to `bytes` when it is done. */
struct result {
	struct nst_buf bytes, entries;
	struct nst_sample sample;
	struct nst_err err;
};

struct nst_spoiler {
	const struct nst_spoil_options *opt;
	struct nst_pool *pool;
	struct worker *worker;
	struct result result[WINDOW];
	struct nst_buf key;
	uint64_t done;
	/* the work at hand */
	struct nst_samples *samples;
	uint64_t first;
	enum nst_corruption type;
	int severity;
};

void nst_spoiler_free(struct nst_spoiler *s)
{
	if (!s)
		return;
	for (unsigned i = 0; s->worker && i < nst_pool_threads(s->pool); i++) {
		nst_decoder_free(s->worker[i].decoder);
		nst_jpeg_free(s->worker[i].jpeg);
		nst_pixels_release(&s->worker[i].pixels);
		nst_buf_release(&s->worker[i].scratch);
	}
	for (size_t i = 0; i < WINDOW; i++) {
		nst_buf_release(&s->result[i].bytes);
		nst_buf_release(&s->result[i].entries);
	}
	nst_buf_release(&s->key);
	free(s->worker);
	free(s);
}

int nst_spoiler_new(struct nst_spoiler **out, const struct nst_spoil_options *opt,
		    struct nst_pool *pool, struct nst_err *err)
{
	struct nst_spoiler *s = nst_zalloc(1, sizeof *s, err);
	unsigned threads = nst_pool_threads(pool);

	if (!s)
		return err->code;
	s->opt = opt;
	s->pool = pool;
	s->worker = nst_zalloc(threads, sizeof *s->worker, err);
	for (unsigned i = 0; s->worker && i < threads; i++) {
		s->worker[i].decoder = nst_decoder_new(err);
		s->worker[i].jpeg = s->worker[i].decoder ? nst_jpeg_new(err) : NULL;
		if (!s->worker[i].jpeg) {
			nst_spoiler_free(s);
			return err->code;
		}
	}
	if (!s->worker) {
		nst_spoiler_free(s);
		return err->code;
	}
	*out = s;
	return 0;
}

/* Corrupt the decoded picture of w with the constants that suit its size, unless told otherwise. */
static int corrupt(const struct nst_spoiler *s, struct worker *w, uint64_t key_hash,
		   struct nst_err *err)
{
	struct nst_pixels *p = &w->pixels;
	enum nst_corrupt_set set = nst_corrupt_set_for(p->h, p->w);
	struct nst_rng rng;

	if (s->opt->constants == NST_SPOIL_CIFAR)
		set = NST_CORRUPT_CIFAR;
	if (s->opt->constants == NST_SPOIL_IMAGENET)
		set = NST_CORRUPT_IMAGENET;
	nst_rng_init(&rng, s->opt->seed, NST_RNG_CORRUPT,
		     (uint32_t)s->type << 4 | (uint32_t)s->severity, key_hash);
	return nst_corrupt(s->type, nst_corrupt_constant(s->type, set, s->severity), &rng, p->data,
			   p->h, p->w, &w->scratch, nst_jpeg_recompress, w->jpeg, err);
}

static int encode(const struct nst_spoiler *s, struct worker *w, struct result *out,
		  struct nst_err *err)
{
	const struct nst_pixels *p = &w->pixels;
	int large = nst_corrupt_set_for(p->h, p->w) == NST_CORRUPT_IMAGENET;
	int jpeg = s->opt->codec == NST_SPOIL_JPEG || (s->opt->codec == NST_SPOIL_AUTO && large);
	int r;

	out->bytes.len = out->entries.len = 0;
	r = jpeg ? nst_jpeg_encode(w->jpeg, p->data, p->h, p->w, QUALITY, NST_JPEG_420, &out->bytes,
				   err)
		 : nst_buf_append(&out->bytes, p->data, 3 * p->h * p->w, err);
	if (r == 0 && jpeg)
		r = nst_entries_find(out->bytes.data, out->bytes.len, &w->scratch, &out->entries, err);
	if (r < 0)
		return r;
	out->sample.data = out->bytes.data;
	out->sample.size = out->bytes.len;
	out->sample.height = (uint32_t)p->h;
	out->sample.width = (uint32_t)p->w;
	out->sample.channels = 3;
	out->sample.codec = jpeg ? NST_CODEC_JPEG : NST_CODEC_RAW;
	out->sample.orientation = 1;
	out->sample.entry = (const uint64_t *)(void *)out->entries.data;
	out->sample.entries = out->entries.len / sizeof(uint64_t);
	return 0;
}

static void spoil_row(void *ctx, size_t task, unsigned worker)
{
	struct nst_spoiler *s = ctx;
	struct worker *w = &s->worker[worker];
	struct result *out = &s->result[task];
	struct nst_sample *in = &out->sample;
	struct nst_picture picture;

	out->err.code = 0;
	if (nst_samples_get(s->samples, s->first + task, in, &out->err) < 0)
		return;
	picture = (struct nst_picture){
		.codec = (int)in->codec,
		.data = in->data,
		.size = in->size,
		.height = in->height,
		.width = in->width,
		.channels = in->channels,
		.orientation = in->orientation,
	};
	if (nst_decode(w->decoder, &picture, 0, &w->pixels, &out->err) < 0 ||
	    corrupt(s, w, nst_sample_hash(in), &out->err) < 0 || encode(s, w, out, &out->err) < 0)
		nst_err_prefix(&out->err, "'%.*s'", (int)in->key_len, in->key);
}

static int append(struct nst_spoiler *s, struct result *r, struct nst_shards *out,
		  struct nst_err *err)
{
	if (r->err.code != 0) {
		*err = r->err;
		return err->code;
	}
	s->key.len = 0;
	if (nst_buf_append(&s->key, r->sample.key, r->sample.key_len, err) < 0 ||
	    (nst_spoil_copies(s->opt) > 1 && nst_buf_printf(&s->key, err, "/%s/%d", nst_corruption_name(s->type),
					  s->severity) < 0))
		return err->code;
	r->sample.key = (const char *)s->key.data;
	r->sample.key_len = s->key.len;
	return nst_shards_add(out, &r->sample, err);
}

/* All rows, with the present type and severity. */
static int spoil_rows(struct nst_spoiler *s, uint64_t rows, struct nst_shards *out,
		      struct nst_err *err)
{
	for (s->first = 0; s->first < rows; s->first += WINDOW) {
		size_t n = rows - s->first < WINDOW ? (size_t)(rows - s->first) : WINDOW;

		nst_pool_run(s->pool, n, spoil_row, s);
		for (size_t i = 0; i < n; i++)
			if (append(s, &s->result[i], out, err) < 0)
				return err->code;
		s->done += n;
		if (s->opt->at)
			s->opt->at(s->opt->ctx, s->done);
	}
	return 0;
}

int nst_spoiler_run(struct nst_spoiler *s, struct nst_image *im, struct nst_shards *out,
		    struct nst_err *err)
{
	int r = nst_samples_open(&s->samples, im, NULL, err);

	if (r < 0)
		return r;
	for (int t = 0; t < NST_CORRUPTIONS; t++) {
		for (int v = 1; v <= NST_SEVERITIES; v++) {
			if (r < 0 || !(s->opt->types >> t & s->opt->severities >> v & 1))
				continue;
			s->type = (enum nst_corruption)t;
			s->severity = v;
			r = spoil_rows(s, nst_samples_count(s->samples), out, err);
		}
	}
	nst_samples_free(s->samples);
	return r < 0 ? nst_err_prefix(err, "cannot corrupt %s", nst_image_name(im)) : 0;
}
