/* Resizing: two passes of weighted sums in fixed point.
 *
 * Every output pixel of a pass is a sum over a window of input pixels.  Windows and weights depend
 * on the column (row) only, so they are computed once per picture, in double, and rounded to
 * integers: the sums are then exact and the same on every machine.  The horizontal pass runs first,
 * as rows come, and only over those that the vertical pass will look at, which follows it a chunk of
 * outputs at a time.  A pass that changes nothing has weights of 1 and 0 and runs all the same; only
 * of a picture that stays as it is the rows are handed on.  The order of the operations in windows_make is
 * what makes the weights equal to Pillow's to the last bit; do not rearrange it. */
#include "libcore/pixel/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/pixel/kernels/passes.h"
#include "libcore/util/mem.h"

#define MAX_SIDE (1u << 20)
#define PI 3.14159265358979323846

static const struct {
	const char *name;
	double support; /* half width of the kernel at scale 1 */
} filters[] = {
	[NST_BOX] = {"box", 0.5},
	[NST_BILINEAR] = {"bilinear", 1},
	[NST_BICUBIC] = {"bicubic", 2},
	[NST_LANCZOS] = {"lanczos", 3},
};

const char *nst_filter_name(enum nst_filter f)
{
	return filters[f].name;
}

int nst_filter_parse(const char *s, enum nst_filter *out)
{
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
		if (!strcmp(s, filters[i].name)) {
			*out = (enum nst_filter)i;
			return 0;
		}
	return -1;
}

struct nst_box nst_box_central(size_t h, size_t w, double fraction)
{
	size_t least = h < w ? h : w, side, y, x;

	/* A fraction such as 380 / 412 times 412 must not end at 379. */
	side = (size_t)(fraction * (double)least + 1e-6);
	if (!side)
		side = 1;
	if (side > least)
		side = least;
	y = (h - side + 1) / 2;
	x = (w - side + 1) / 2;
	return (struct nst_box){(float)x, (float)y, (float)(x + side), (float)(y + side)};
}

static double sinc(double x)
{
	if (x == 0)
		return 1;
	x *= PI;
	return sin(x) / x;
}

static double kernel(enum nst_filter f, double x)
{
	const double a = -0.5;

	if (f == NST_BOX)
		return x > -0.5 && x <= 0.5 ? 1 : 0;
	if (f == NST_LANCZOS)
		return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
	x = fabs(x);
	if (f == NST_BILINEAR)
		return x < 1 ? 1 - x : 0;
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

/* Kernels are stretched by the scale when shrinking (that is the antialiasing), never squeezed. */
static double stretch(double scale)
{
	return scale < 1 ? 1 : scale;
}

static size_t window_width(enum nst_filter f, double scale)
{
	return 2 * (size_t)ceil(filters[f].support * stretch(scale)) + 1;
}

/* Widen lo to hi by what the kernel reaches from the middle of the outermost outputs, and by the half of
 * the last pixel there, which takes part with its middle.  Once the picture may have been reduced, a
 * pixel is up to as large as the scale, and that half as much as the middle lies further in. */
static void reach(enum nst_filter f, size_t in, float *lo, float *hi, size_t out)
{
	double scale = ((double)*hi - (double)*lo) / (double)out;
	float margin = (float)(filters[f].support * stretch(scale) + (scale < 1.5 ? 0.5 - scale / 2 : 0) +
			       1e-3);

	*lo = *lo > margin ? *lo - margin : 0;
	*hi = *hi + margin < (float)in ? *hi + margin : (float)in;
}

struct nst_box nst_resize_part(size_t h, size_t w, const struct nst_box *box, enum nst_filter f,
			       size_t out_h, size_t out_w)
{
	struct nst_box part = *box;

	reach(f, h, &part.y0, &part.y1, out_h);
	reach(f, w, &part.x0, &part.x1, out_w);
	return part;
}

/* Windows of n outputs, the first of which is number `skipped`, over the stretch of `in` inputs that
 * begins at `from`.  row has room for one window of doubles. */
static void windows_make(struct nst_windows *ws, enum nst_filter f, size_t in, double from,
			 double scale, size_t skipped, size_t n, double *row)
{
	double wide = stretch(scale), support = filters[f].support * wide, squeeze = 1 / wide;

	for (size_t i = 0; i < n; i++) {
		double centre = from + ((double)(skipped + i) + 0.5) * scale, sum = 0;
		double lo = trunc(centre - support + 0.5), hi = trunc(centre + support + 0.5);
		size_t first = lo < 0 ? 0 : (size_t)lo;
		size_t end = hi > (double)in ? in : (size_t)hi;
		int32_t *weight = ws->weight + i * ws->stride;

		for (size_t x = first; x < end; x++) {
			row[x - first] = kernel(f, ((double)x - centre + 0.5) * squeeze);
			sum += row[x - first];
		}
		for (size_t x = 0; x < end - first; x++) {
			double v = sum != 0 ? row[x] / sum : row[x];

			weight[x] = (int32_t)((v < 0 ? -0.5 : 0.5) + v * (1 << NST_WEIGHT_BITS));
		}
		ws->first[i] = first;
		ws->count[i] = end - first;
	}
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Hand out the next aligned piece of the working memory; with base NULL only count. */
static void *carve(uint8_t *base, size_t *used, size_t bytes)
{
	void *p = base ? base + *used : NULL;

	*used += (bytes + NST_ALIGN - 1) / NST_ALIGN * NST_ALIGN;
	return p;
}

static void carve_windows(struct nst_windows *ws, uint8_t *base, size_t *used, size_t n)
{
	ws->weight = carve(base, used, n * ws->stride * sizeof *ws->weight);
	ws->first = carve(base, used, n * sizeof *ws->first);
	ws->count = carve(base, used, n * sizeof *ws->count);
}

/* The inputs that the outputs of a chunk look at are no more than this. */
static size_t inputs_of_chunk(const struct nst_windows *ws, size_t in, double scale)
{
	return min_size(in, (size_t)(NST_PASS_CHUNK * scale) + ws->stride + 2);
}

static int check(size_t h, size_t w, const struct nst_box *b, size_t out_h, size_t out_w,
		 const struct nst_outputs *only, struct nst_err *err)
{
	if (!h || !w || !out_h || !out_w)
		return nst_fail(err, NST_EINVAL, "cannot resize %zu x %zu pixels to %zu x %zu", w,
				h, out_w, out_h);
	if (h > MAX_SIDE || w > MAX_SIDE || out_h > MAX_SIDE || out_w > MAX_SIDE)
		return nst_fail(err, NST_ELIMIT, "pictures of more than %u pixels a side are not "
				"resized", MAX_SIDE);
	if (!(b->x0 >= 0 && b->y0 >= 0 && b->x1 <= (float)w && b->y1 <= (float)h && b->x0 < b->x1 &&
	      b->y0 < b->y1))
		return nst_fail(err, NST_EINVAL,
				"the box (%g,%g)-(%g,%g) is not inside %zu x %zu pixels",
				(double)b->x0, (double)b->y0, (double)b->x1, (double)b->y1, w, h);
	if (!only->h || !only->w || only->y > out_h || only->x > out_w ||
	    only->h > out_h - only->y || only->w > out_w - only->x)
		return nst_fail(err, NST_EINVAL,
				"%zu x %zu pixels at (%zu,%zu) are not inside %zu x %zu", only->w,
				only->h, only->x, only->y, out_w, out_h);
	return 0;
}

/* What windows depend on, and where they lie. */
struct geometry {
	size_t h, w, out_h, out_w;
	struct nst_box box;
	enum nst_filter filter;
	struct nst_outputs only;
};

static int is_same(const struct geometry *a, const struct geometry *b)
{
	return a->h == b->h && a->w == b->w && a->out_h == b->out_h && a->out_w == b->out_w &&
	       a->box.x0 == b->box.x0 && a->box.y0 == b->box.y0 && a->box.x1 == b->box.x1 &&
	       a->box.y1 == b->box.y1 && a->filter == b->filter && a->only.y == b->only.y &&
	       a->only.x == b->only.x && a->only.h == b->only.h && a->only.w == b->only.w;
}

/* A resizing under way; lies in the resizer's memory, before all that it points to. */
struct nst_resizing {
	struct geometry of;
	struct nst_windows across, down;
	int same;          /* everything stays as it is */
	size_t kept, made; /* rows [kept,made), resized across, are in `half` */
	size_t end;        /* of the rows that the second pass looks at */
	size_t done;       /* rows that came out */
	uint8_t *half;     /* the rows that a chunk looks at and those that are made with them */
	void *room;        /* for both passes */
	double *row;       /* for windows_make */
	uint8_t *whole;    /* (only.h,only.w,3) where the outputs go, or NULL: to `chunk` and on to `to` */
	uint8_t *chunk;
	struct nst_rows to;
};

/* Lay out the memory for z, of which all but pointers is set; with base NULL only count. */
static size_t lay_out(struct nst_resizing *z, uint8_t *base, size_t h, double scale_y, double scale_x)
{
	size_t used = 0;
	const size_t stride = max_size(z->across.stride, z->down.stride);
	const size_t rows = inputs_of_chunk(&z->down, h, scale_y);
	const size_t span = max_size(inputs_of_chunk(&z->across, z->of.w, scale_x), rows);

	carve(base, &used, sizeof(*z));
	z->row = carve(base, &used, stride * sizeof(*z->row));
	carve_windows(&z->across, base, &used, z->of.only.w);
	carve_windows(&z->down, base, &used, z->of.only.h);
	z->room = carve(base, &used, nst_passes_room(span));
	z->half = carve(base, &used, 3 * z->of.only.w * (rows + NST_PASS_ROWS));
	z->chunk = z->whole ? NULL : carve(base, &used, 3 * z->of.only.w * NST_PASS_CHUNK);
	return used;
}

static int begin(struct nst_resizer *r, size_t h, size_t w, const struct nst_box *box,
		 enum nst_filter filter, size_t out_h, size_t out_w, const struct nst_outputs *only,
		 uint8_t *whole, const struct nst_rows *to, struct nst_err *err)
{
	const struct nst_box all = {0, 0, (float)w, (float)h}, *b = box ? box : &all;
	const struct nst_outputs every = {0, 0, out_h, out_w};
	struct nst_resizing z = {{h, w, out_h, out_w, *b, filter, only ? *only : every},
				 .whole = whole}, *before;
	double scale_x, scale_y;
	enum nst_simd kind;
	const char *why;
	size_t used;

	r->under_way = NULL;
	if (check(h, w, b, out_h, out_w, &z.of.only, err) < 0)
		return err->code;
	if (to)
		z.to = *to;
	/* The differences are taken in float, as the box is. */
	scale_x = (double)(b->x1 - b->x0) / (double)out_w;
	scale_y = (double)(b->y1 - b->y0) / (double)out_h;
	z.same = out_w == w && b->x0 == 0 && b->x1 == (float)w && out_h == h && b->y0 == 0 &&
		 b->y1 == (float)h && z.of.only.h == h && z.of.only.w == w;
	z.across.stride = window_width(filter, scale_x);
	z.down.stride = window_width(filter, scale_y);
	used = lay_out(&z, NULL, h, scale_y, scale_x);
	if (used > r->cap) {
		uint8_t *grown = nst_alloc_aligned(used, 1, err);

		if (!grown)
			return err->code;
		free(r->mem);
		r->mem = grown;
		r->cap = used;
		before = (void *)grown;
		before->of.h = 0; /* of no picture */
	}
	lay_out(&z, r->mem, h, scale_y, scale_x);
	if (!r->passes) {
		/* An NST_SIMD that names none is refused by who makes nets. */
		(void)!nst_simd_choose(&kind, &why);
		r->passes = nst_passes_get(kind);
	}
	if (!z.same) {
		/* Those of the picture before serve again: many have the same size. */
		before = (void *)r->mem;
		if (!is_same(&before->of, &z.of)) {
			windows_make(&z.down, filter, h, b->y0, scale_y, z.of.only.y, z.of.only.h,
				     z.row);
			windows_make(&z.across, filter, w, b->x0, scale_x, z.of.only.x, z.of.only.w,
				     z.row);
		}
		z.kept = z.made = z.down.first[0];
		z.end = z.down.first[z.of.only.h - 1] + z.down.count[z.of.only.h - 1];
	}
	r->under_way = memcpy(r->mem, &z, sizeof(z));
	return 0;
}

int nst_resize_begin(struct nst_resizer *r, size_t h, size_t w, const struct nst_box *box,
		     enum nst_filter filter, size_t out_h, size_t out_w,
		     const struct nst_outputs *only, const struct nst_rows *to, struct nst_err *err)
{
	return begin(r, h, w, box, filter, out_h, out_w, only, NULL, to, err);
}

/* n finished rows, at `rows` unless they are in their places. */
static void hand_on(struct nst_resizing *z, const uint8_t *rows, size_t n)
{
	if (!z->whole)
		z->to.take(z->to.ctx, rows, z->done, n);
	z->done += n;
}

/* Forget the rows before `from`. */
static void keep_from(struct nst_resizing *z, size_t from)
{
	const size_t line = 3 * z->of.only.w;

	if (from < z->made)
		memmove(z->half, z->half + line * (from - z->kept), line * (z->made - from));
	else
		z->made = from; /* rounding may leave a row between two windows of a box */
	z->kept = from;
}

/* The chunks of outputs for which all rows are there. */
static void go_down(const struct nst_passes *passes, struct nst_resizing *z)
{
	const struct nst_windows *down = &z->down;
	const size_t line = 3 * z->of.only.w, before = z->done;

	while (z->done < z->of.only.h) {
		const size_t n = min_size(NST_PASS_CHUNK, z->of.only.h - z->done);
		const size_t last = z->done + n - 1;
		const uint8_t *from = z->half + line * (down->first[z->done] - z->kept);
		uint8_t *out = z->whole ? z->whole + line * z->done : z->chunk;

		if (z->made < down->first[last] + down->count[last])
			break;
		passes->down(down, from, z->of.only.w, out, z->done, n, z->room);
		hand_on(z, out, n);
	}
	if (z->done > before && z->done < z->of.only.h)
		keep_from(z, down->first[z->done]);
}

void nst_resize_take(struct nst_resizer *r, const uint8_t *rows, size_t y, size_t n)
{
	struct nst_resizing *z = r->under_way;

	if (!z || y > z->made) /* never begun, or some are missing */
		return;
	if (z->same) {
		if (z->whole)
			memcpy(z->whole + 3 * z->of.w * y, rows, 3 * z->of.w * n);
		z->made += n;
		hand_on(z, rows, n);
		return;
	}
	while (z->made < y + n && z->made < z->end) {
		const size_t many = min_size(NST_PASS_ROWS, min_size(y + n, z->end) - z->made);

		r->passes->across(&z->across, rows + 3 * z->of.w * (z->made - y), many, z->of.w,
				  z->half + 3 * z->of.only.w * (z->made - z->kept), z->of.only.w,
				  z->room);
		z->made += many;
		go_down(r->passes, z);
	}
}

int nst_resize(struct nst_resizer *r, const uint8_t *src, size_t h, size_t w,
	       const struct nst_box *box, enum nst_filter filter, uint8_t *dst, size_t out_h,
	       size_t out_w, struct nst_err *err)
{
	if (begin(r, h, w, box, filter, out_h, out_w, NULL, dst, NULL, err) < 0)
		return err->code;
	nst_resize_take(r, src, 0, h);
	return 0;
}

void nst_resizer_release(struct nst_resizer *r)
{
	free(r->mem);
	*r = (struct nst_resizer){0};
}
