/* Files are taken in windows: the members of a window are read and converted by all threads, then
 * appended in order by one.  So memory is bounded by a window, and the order of rows, of rejects
 * and of errors is that of the manifest whatever the threads did. */
#include "libcore/pack/packer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/io/archive.h"
#include "libcore/io/atomic.h"
#include "libcore/io/readall.h"

#define MAX_FILE ((uint64_t)1 << 30)  /* bytes of one image file */
#define WINDOW_PER_THREAD 32          /* files */
#define WINDOW_BYTES ((size_t)256 << 20)

struct slot {
	const struct nst_entry *entry;
	struct nst_buf bytes, entries;
	int loaded; /* the bytes are there already: read from an archive */
	struct nst_converted image;
	struct nst_err err; /* code 0: fine */
};

struct packer {
	const struct nst_manifest *manifest;
	const struct nst_pack_options *opt;
	struct nst_shards *taken, *rest;
	struct nst_pack_report *report;
	struct nst_buf rejects;           /* TSV: path, reason */
	uint64_t max_bad;
	struct nst_converter **converter; /* one a worker */
	struct slot *slot;
	size_t used, slots;
	struct nst_archive *archive;      /* open for operand `open` */
	size_t open;
	uint64_t done;
	char first_bad[400];
};

/* ---- names -------------------------------------------------------------------------------- */

/* Keys are UTF-8 text of one line, for they end up in tables and in Python. */
static int check_key(const char *key, struct nst_err *err)
{
	const unsigned char *s = (const unsigned char *)key;

	if (*s == '\0')
		return nst_fail(err, NST_EFORMAT, "the name is empty");
	while (*s) {
		unsigned more = *s < 0x80 ? 0 : *s < 0xc2 ? 9 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 :
				*s < 0xf5 ? 3 : 9;

		if (*s < 0x20 || *s == 0x7f)
			return nst_fail(err, NST_EFORMAT, "the name holds control characters");
		if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
		    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
			more = 9;
		for (s++; more > 0; more--, s++)
			if (more > 3 || (*s & 0xc0) != 0x80)
				return nst_fail(err, NST_EFORMAT, "the name is not UTF-8");
	}
	return 0;
}

/* The type an extension promises; UNKNOWN for none or an unusual one. */
static enum nst_file_type type_by_name(const char *name)
{
	static const struct {
		const char *extension;
		enum nst_file_type type;
	} known[] = {
		{"jpg", NST_FILE_JPEG}, {"jpeg", NST_FILE_JPEG}, {"png", NST_FILE_PNG},
		{"gif", NST_FILE_GIF},  {"bmp", NST_FILE_BMP},   {"tif", NST_FILE_TIFF},
		{"tiff", NST_FILE_TIFF}, {"webp", NST_FILE_WEBP}, {"ppm", NST_FILE_PNM},
		{"pgm", NST_FILE_PNM},  {"pnm", NST_FILE_PNM},   {"tga", NST_FILE_TGA},
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
		if (strcasecmp(dot + 1, known[i].extension) == 0)
			return known[i].type;
	return NST_FILE_UNKNOWN;
}

/* ---- reading ------------------------------------------------------------------------------ */

static void load_and_convert(void *ctx, size_t task, unsigned worker)
{
	struct packer *p = ctx;
	struct slot *s = &p->slot[task];
	char path[4200];

	if (s->err.code == 0 && check_key(s->entry->key, &s->err) == 0 && !s->loaded) {
		s->bytes.len = 0;
		nst_entry_path(p->manifest, s->entry, path, sizeof path);
		if (nst_read_all(path, MAX_FILE, &s->bytes, &s->err) < 0)
			return;
	}
	if (s->err.code == 0 &&
	    nst_convert(p->converter[worker], &p->opt->convert, &s->bytes, &s->entries, &s->image,
			&s->err) < 0)
		return;
}

/* Find the entry's member, which lies further on in its archive, and read it. */
static int read_member(struct packer *p, struct slot *s, struct nst_err *err)
{
	const struct nst_operand *op = &p->manifest->operand[s->entry->operand];
	const char *name;
	int r;

	if (!p->archive || p->open != s->entry->operand) {
		nst_archive_close(p->archive);
		p->archive = NULL;
		if (nst_archive_open(&p->archive, op->path, err) < 0)
			return err->code;
		p->open = s->entry->operand;
	}
	do {
		r = nst_archive_next(p->archive, &name, err);
		if (r < 0)
			return r;
		if (r == 0)
			return nst_fail(err, NST_EFORMAT, "'%s' changed while it was read",
					op->shown);
	} while (strcmp(name, s->entry->name) != 0);
	s->loaded = 1;
	(void)!nst_archive_read(p->archive, MAX_FILE, &s->bytes, &s->err);
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------ */

static int reject(struct packer *p, const struct slot *s, struct nst_err *err)
{
	struct nst_pack_report *rep = p->report;
	char path[300];
	int r;

	nst_entry_path(p->manifest, s->entry, path, sizeof path);
	if (rep->bad++ == 0)
		snprintf(p->first_bad, sizeof p->first_bad, "cannot pack '%.200s': %.180s", path,
			 s->err.msg);
	r = nst_buf_printf(&p->rejects, err, "%s\t%s\n", path, s->err.msg);
	if (r < 0 || p->opt->rejects || rep->bad <= p->max_bad)
		return r;
	if (p->max_bad == 0)
		return nst_fail(err, NST_EFORMAT, "%s", p->first_bad);
	return nst_fail(err, NST_EFORMAT, "cannot pack '%.200s': %.180s, and %llu files before it "
			"were broken, too", path, s->err.msg, (unsigned long long)rep->bad - 1);
}

static void count(struct packer *p, const struct slot *s)
{
	struct nst_pack_report *rep = p->report;
	const struct nst_converted *im = &s->image;
	enum nst_file_type promised = type_by_name(s->entry->name);
	char path[300];

	if (im->codec == NST_CODEC_JPEG)
		rep->jpeg++;
	else
		rep->other++;
	rep->gray += im->codec == NST_CODEC_JPEG && im->channels == 1;
	rep->cmyk += im->codec == NST_CODEC_JPEG && im->channels == 4;
	rep->turned += im->orientation != 1;
	rep->reduced += (uint64_t)im->reduced;
	if (promised == NST_FILE_UNKNOWN || promised == im->type)
		return;
	rep->misnamed++;
	if (p->opt->misnamed)
		p->opt->misnamed(p->opt->ctx, nst_entry_path(p->manifest, s->entry, path, sizeof path),
				 nst_file_type_name(im->type));
}

static int append(struct packer *p, const struct slot *s, struct nst_err *err)
{
	const struct nst_entry *e = s->entry;
	struct nst_sample sample = {
		.data = s->bytes.data,
		.size = s->bytes.len,
		.height = s->image.height,
		.width = s->image.width,
		.channels = s->image.channels,
		.codec = s->image.codec,
		.orientation = s->image.orientation,
		.entry = (const uint64_t *)(void *)s->entries.data,
		.entries = s->entries.len / sizeof(uint64_t),
		.key = e->key,
		.key_len = strlen(e->key),
		.label = !e->taken && p->opt->hide_rest ? -1 : e->label,
	};

	if (s->err.code == NST_ENOMEM) {
		*err = s->err;
		return err->code;
	}
	if (s->err.code != 0)
		return reject(p, s, err);
	count(p, s);
	if (e->taken)
		p->report->taken++;
	else
		p->report->rest++;
	return nst_shards_add(e->taken ? p->taken : p->rest, &sample, err);
}

static int flush_window(struct packer *p, struct nst_pool *pool, struct nst_err *err)
{
	int r = 0;

	nst_pool_run(pool, p->used, load_and_convert, p);
	for (size_t i = 0; r == 0 && i < p->used; i++)
		r = append(p, &p->slot[i], err);
	p->done += p->used;
	p->used = 0;
	if (r == 0 && p->opt->at)
		p->opt->at(p->opt->ctx, p->done);
	return r;
}

/* ---- the run ------------------------------------------------------------------------------ */

static int prepare(struct packer *p, struct nst_pool *pool, struct nst_err *err)
{
	unsigned threads = nst_pool_threads(pool);

	p->slots = (size_t)threads * WINDOW_PER_THREAD;
	p->slot = nst_zalloc(p->slots, sizeof *p->slot, err);
	p->converter = nst_zalloc(threads, sizeof(struct nst_converter *), err);
	if (!p->slot || !p->converter)
		return err->code;
	for (unsigned i = 0; i < threads; i++)
		if (!(p->converter[i] = nst_converter_new(err)))
			return err->code;
	return 0;
}

static int run(struct packer *p, struct nst_pool *pool, struct nst_err *err)
{
	size_t loaded = 0;

	for (size_t i = 0; i < p->manifest->entries; i++) {
		const struct nst_entry *e = &p->manifest->entry[i];
		struct slot *s = &p->slot[p->used];

		if (!e->taken && !p->rest)
			continue;
		s->entry = e;
		s->loaded = 0;
		s->err.code = 0;
		s->bytes.len = 0;
		if (p->manifest->operand[e->operand].kind == NST_OPERAND_ARCHIVE &&
		    read_member(p, s, err) < 0)
			return err->code;
		loaded += s->bytes.len;
		if (++p->used < p->slots && loaded < WINDOW_BYTES)
			continue;
		loaded = 0;
		if (flush_window(p, pool, err) < 0)
			return err->code;
	}
	return flush_window(p, pool, err);
}

/* Too many broken files, or none but broken ones. */
static int judge(const struct packer *p, struct nst_err *err)
{
	const struct nst_pack_report *rep = p->report;

	if (rep->bad > p->max_bad && rep->bad == 1)
		return nst_fail(err, NST_EFORMAT, "%s", p->first_bad);
	if (rep->bad > p->max_bad)
		return nst_fail(err, NST_EFORMAT, "%s, and %llu more files are broken", p->first_bad,
				(unsigned long long)rep->bad - 1);
	if (rep->taken == 0)
		return nst_fail(err, NST_EINVAL, "no images are left to pack");
	if (p->rest && rep->rest == 0)
		return nst_fail(err, NST_EINVAL, "no images are left for '%s'", p->opt->rest);
	return 0;
}

static int open_outputs(struct packer *p, struct nst_err *err)
{
	struct nst_shards_options out = p->opt->out;

	out.class_name = p->manifest->classes.name;
	out.classes = p->manifest->classes.count;
	if (nst_shards_open(&p->taken, &out, err) < 0)
		return err->code;
	out.path = p->opt->rest;
	return out.path ? nst_shards_open(&p->rest, &out, err) : 0;
}

/* The rest first: when it cannot be finished, the other output does not appear either. */
static int close_outputs(struct packer *p, struct nst_err *err)
{
	struct nst_shards *taken = p->taken, *rest = p->rest;

	p->rest = NULL;
	p->report->stale = nst_shards_stale(taken) || (rest && nst_shards_stale(rest));
	if (rest && nst_shards_close(rest, err) < 0)
		return err->code;
	p->taken = NULL;
	return nst_shards_close(taken, err);
}

static void release(struct packer *p, struct nst_pool *pool)
{
	nst_shards_abort(p->rest);
	nst_shards_abort(p->taken);
	for (size_t i = 0; p->slot && i < p->slots; i++) {
		nst_buf_release(&p->slot[i].bytes);
		nst_buf_release(&p->slot[i].entries);
	}
	for (unsigned i = 0; p->converter && i < nst_pool_threads(pool); i++)
		nst_converter_free(p->converter[i]);
	nst_archive_close(p->archive);
	nst_buf_release(&p->rejects);
	free(p->converter);
	free(p->slot);
}

int nst_packer_run(const struct nst_manifest *m, const struct nst_pack_options *opt,
		   struct nst_pool *pool, struct nst_pack_report *report, struct nst_err *err)
{
	struct packer p = {.manifest = m, .opt = opt, .report = report};
	struct nst_err late;
	int r;

	memset(report, 0, sizeof *report);
	p.max_bad = opt->max_bad_percent >= 0
		? (uint64_t)(opt->max_bad_percent / 100 * (double)m->entries)
		: (uint64_t)opt->max_bad;
	r = open_outputs(&p, err);
	if (r == 0)
		r = prepare(&p, pool, err);
	if (r == 0)
		r = run(&p, pool, err);
	if (r == 0)
		r = judge(&p, err);
	if (opt->rejects && (r == 0 || report->bad > 0) &&
	    nst_atomic_write(opt->rejects, p.rejects.data, p.rejects.len, &late) < 0 && r == 0) {
		*err = late;
		r = err->code;
	}
	if (r == 0)
		r = close_outputs(&p, err);
	release(&p, pool);
	return r;
}
