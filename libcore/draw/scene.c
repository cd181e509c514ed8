/* The picture generator of nst-draw.
 *
 * A figure is one or two closed polygons; a pixel's coverage follows from its distance to the
 * nearest edge and from the even-odd rule, which gives smooth edges without oversampling and
 * holes (the ring) without a special case.  A picture is painted from back to front: ground,
 * clutter, figure, clutter, shade, noise.  All numbers come from the caller's generator, in a
 * fixed order. */
#include "libcore/draw/scene.h"

#include <math.h>
#include <string.h>

#define SIZE       NST_SCENE_SIZE
#define MAX_CORNERS 64
#define TWO_PI     6.283185307179586

struct point {
	double x, y;
};

/* Corners of up to two closed contours; the second begins at `hole` (== n when there is none). */
struct figure {
	struct point corner[MAX_CORNERS];
	size_t n, hole;
};

struct color {
	double c[3]; /* 0 .. 255 */
};

/* A two-coloured pattern over the plane. */
struct texture {
	int kind; /* enum */
	struct color a, b;
	double turn, period, phase, bumps[36];
};
enum { PLAIN, RAMP, STRIPES, CHECKS, CLOUDS, TEXTURES };

/* ---- figures, within the unit circle, y downwards ----------------------------------------- */

static void add(struct figure *f, double x, double y)
{
	f->corner[f->n].x = x;
	f->corner[f->n].y = y;
	f->n++;
	f->hole = f->n;
}

static void add_corners(struct figure *f, const double (*xy)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(f, xy[i][0], xy[i][1]);
}

static void add_arc(struct figure *f, double x, double y, double radius, double from, double to,
		    size_t steps)
{
	for (size_t i = 0; i < steps; i++) {
		double t = from + (to - from) * (double)i / (double)steps;

		add(f, x + radius * cos(t), y + radius * sin(t));
	}
}

static void add_star(struct figure *f, size_t points, double inner)
{
	for (size_t i = 0; i < 2 * points; i++) {
		double t = TWO_PI * (double)i / (double)(2 * points) - TWO_PI / 4;
		double radius = i % 2 ? inner : 1;

		add(f, radius * cos(t), radius * sin(t));
	}
}

static void draw_arrow(struct figure *f)
{
	static const double xy[][2] = {{0, -1},      {.8, -.1},  {.3, -.1}, {.3, .95},
				       {-.3, .95}, {-.3, -.1}, {-.8, -.1}};

	add_corners(f, xy, sizeof xy / sizeof *xy);
}

static void draw_crescent(struct figure *f)
{
	/* Outer arc around the centre, inner arc back around a point to the right. */
	add_arc(f, 0, 0, 1, .153 * TWO_PI, .847 * TWO_PI, 18);
	add_arc(f, .55, 0, .82, -.2455 * TWO_PI, -.7545 * TWO_PI, 14);
}

static void draw_cross(struct figure *f)
{
	static const double xy[][2] = {{-.33, -1}, {.33, -1}, {.33, -.33}, {1, -.33},
				       {1, .33},   {.33, .33}, {.33, 1},   {-.33, 1},
				       {-.33, .33}, {-1, .33}, {-1, -.33}, {-.33, -.33}};

	add_corners(f, xy, sizeof xy / sizeof *xy);
}

static void draw_disc(struct figure *f)
{
	add_arc(f, 0, 0, .9, 0, TWO_PI, 24);
}

static void draw_drop(struct figure *f)
{
	for (size_t i = 0; i < 24; i++) {
		double t = TWO_PI * (double)i / 24, s = sin(t / 2);

		add(f, .95 * sin(t) * s * s, -cos(t));
	}
}

static void draw_heart(struct figure *f)
{
	for (size_t i = 0; i < 24; i++) {
		double t = TWO_PI * (double)i / 24, s = sin(t);

		add(f, s * s * s,
		    -.1 - .8 * cos(t) + .31 * cos(2 * t) + .12 * cos(3 * t) + .06 * cos(4 * t));
	}
}

static void draw_ring(struct figure *f)
{
	size_t inner;

	add_arc(f, 0, 0, 1, 0, TWO_PI, 24);
	inner = f->n;
	add_arc(f, 0, 0, .52, 0, TWO_PI, 18);
	f->hole = inner;
}

static void draw_square(struct figure *f)
{
	static const double xy[][2] = {{-.8, -.8}, {.8, -.8}, {.8, .8}, {-.8, .8}};

	add_corners(f, xy, sizeof xy / sizeof *xy);
}

static void draw_star(struct figure *f)
{
	add_star(f, 5, .42);
}

static void draw_triangle(struct figure *f)
{
	static const double xy[][2] = {{0, -1}, {.95, .75}, {-.95, .75}};

	add_corners(f, xy, sizeof xy / sizeof *xy);
}

static const struct {
	const char *name;
	void (*draw)(struct figure *f);
} classes[NST_SCENE_CLASSES] = {
	{"arrow", draw_arrow}, {"crescent", draw_crescent}, {"cross", draw_cross},
	{"disc", draw_disc},   {"drop", draw_drop},         {"heart", draw_heart},
	{"ring", draw_ring},   {"square", draw_square},     {"star", draw_star},
	{"triangle", draw_triangle},
};

/* Irregular shards with three to eight corners: alike in size and paint, of no class. */
static void draw_stranger(struct figure *f, struct nst_rng *r)
{
	size_t corners = 3 + nst_rng_below(r, 6);

	for (size_t i = 0; i < corners; i++) {
		double t = TWO_PI * ((double)i + nst_rng_uniform(r, -.35, .35)) / (double)corners;
		double radius = nst_rng_uniform(r, .25, 1.1);

		add(f, radius * cos(t), radius * sin(t));
	}
}

const char *nst_scene_class(unsigned cls)
{
	return classes[cls].name;
}

/* ---- geometry ----------------------------------------------------------------------------- */

/* Stretch, shear, turn, enlarge and move the corners: p -> M p + centre. */
static void place(struct figure *f, struct nst_rng *r, double hardness)
{
	double radius = nst_rng_uniform(r, 6.5, 11.5);
	double turn = nst_rng_uniform(r, -1, 1) * .085 * TWO_PI * hardness;
	double stretch = exp(nst_rng_uniform(r, -.14, .14) * hardness);
	double shear = nst_rng_uniform(r, -.16, .16) * hardness;
	double room = fmax(0, SIZE / 2 - .85 * radius);
	double cx = SIZE / 2 + nst_rng_uniform(r, -room, room);
	double cy = SIZE / 2 + nst_rng_uniform(r, -room, room);
	double wobble = .033 * hardness;
	double c = cos(turn), s = sin(turn);

	for (size_t i = 0; i < f->n; i++) {
		double x = f->corner[i].x * stretch + shear * f->corner[i].y;
		double y = f->corner[i].y / stretch;

		x += wobble * nst_rng_normal(r) * .6;
		y += wobble * nst_rng_normal(r) * .6;
		f->corner[i].x = cx + radius * (c * x - s * y);
		f->corner[i].y = cy + radius * (s * x + c * y);
	}
}

/* Signed distance from the outline in pixels, negative inside. */
static double outline_distance(const struct figure *f, double px, double py)
{
	double best = 1e18;
	int inside = 0;

	for (size_t i = 0; i < f->n; i++) {
		size_t first = i < f->hole ? 0 : f->hole, end = i < f->hole ? f->hole : f->n;
		struct point a = f->corner[i], b = f->corner[i + 1 < end ? i + 1 : first];
		double ex = b.x - a.x, ey = b.y - a.y, dx = px - a.x, dy = py - a.y;
		double len = ex * ex + ey * ey;
		double t = len > 0 ? (dx * ex + dy * ey) / len : 0;

		t = t < 0 ? 0 : t > 1 ? 1 : t;
		dx -= t * ex;
		dy -= t * ey;
		best = fmin(best, dx * dx + dy * dy);
		if ((a.y > py) != (b.y > py) && px < a.x + (py - a.y) * ex / ey)
			inside = !inside;
	}
	return inside ? -sqrt(best) : sqrt(best);
}

/* ---- paint -------------------------------------------------------------------------------- */

/* A colour of the given brightness (the mean of the three), up to `chroma` away from grey. */
static struct color random_color(struct nst_rng *r, double brightness, double chroma)
{
	struct color c;
	double mean = 0;

	for (int i = 0; i < 3; i++) {
		c.c[i] = nst_rng_uniform(r, -chroma, chroma);
		mean += c.c[i] / 3;
	}
	for (int i = 0; i < 3; i++)
		c.c[i] = fmin(fmax(c.c[i] - mean + brightness, 0), 255);
	return c;
}

/* A colour at Euclidean distance of about `step` from c. */
static struct color near_color(struct nst_rng *r, const struct color *c, double step)
{
	struct color out;
	double d[3], norm = 0;

	for (int i = 0; i < 3; i++) {
		d[i] = nst_rng_normal(r);
		norm += d[i] * d[i];
	}
	norm = sqrt(norm) + 1e-9;
	for (int i = 0; i < 3; i++)
		out.c[i] = fmin(fmax(c->c[i] + step * d[i] / norm, 0), 255);
	return out;
}

static void texture_init(struct texture *t, struct nst_rng *r, const struct color *base,
			 double contrast)
{
	t->kind = contrast > 0 ? (int)nst_rng_below(r, TEXTURES) : PLAIN;
	t->a = *base;
	t->b = near_color(r, base, contrast);
	t->turn = nst_rng_uniform(r, 0, TWO_PI);
	t->period = nst_rng_uniform(r, 4, 11);
	t->phase = nst_rng_uniform(r, 0, TWO_PI);
	for (size_t i = 0; i < sizeof t->bumps / sizeof *t->bumps; i++)
		t->bumps[i] = nst_rng_unit(r);
}

/* Value noise: smooth interpolation of a 6 x 6 lattice over the picture. */
static double clouds(const struct texture *t, double x, double y)
{
	double u = x * 4.99 / SIZE, v = y * 4.99 / SIZE;
	int i = (int)u, j = (int)v;
	double fu = u - i, fv = v - j;
	const double *p = t->bumps + 6 * j + i;

	fu = fu * fu * (3 - 2 * fu);
	fv = fv * fv * (3 - 2 * fv);
	return (p[0] * (1 - fu) + p[1] * fu) * (1 - fv) + (p[6] * (1 - fu) + p[7] * fu) * fv;
}

static struct color texture_at(const struct texture *t, double x, double y)
{
	double u = cos(t->turn) * x + sin(t->turn) * y, v = cos(t->turn) * y - sin(t->turn) * x;
	double wave = TWO_PI / t->period, w = 0;
	struct color out;

	switch (t->kind) {
	case RAMP:
		w = .5 + (cos(t->turn) * (x - SIZE / 2) + sin(t->turn) * (y - SIZE / 2)) / SIZE;
		break;
	case STRIPES:
		w = .5 + .5 * sin(wave * u + t->phase);
		break;
	case CHECKS:
		w = .5 + .5 * sin(wave * u + t->phase) * sin(wave * v + t->phase);
		break;
	case CLOUDS:
		w = clouds(t, x, y);
		break;
	}
	w = fmin(fmax(w, 0), 1);
	for (int i = 0; i < 3; i++)
		out.c[i] = t->a.c[i] * (1 - w) + t->b.c[i] * w;
	return out;
}

static void paint_figure(struct color *canvas, const struct figure *f, const struct texture *t)
{
	for (int y = 0; y < SIZE; y++) {
		for (int x = 0; x < SIZE; x++) {
			double cover = .5 - outline_distance(f, x + .5, y + .5);
			struct color paint;

			if (cover <= 0)
				continue;
			cover = fmin(cover, 1);
			paint = texture_at(t, x, y);
			for (int i = 0; i < 3; i++)
				canvas[y * SIZE + x].c[i] +=
					cover * (paint.c[i] - canvas[y * SIZE + x].c[i]);
		}
	}
}

/* Small slivers and crumbs in random colours. */
static void paint_clutter(struct color *canvas, struct nst_rng *r, unsigned pieces, double size)
{
	for (unsigned k = 0; k < pieces; k++) {
		struct figure f = {.n = 0};
		struct texture t;
		struct color c = random_color(r, nst_rng_uniform(r, 20, 235), 60);
		double cx = nst_rng_uniform(r, 0, SIZE), cy = nst_rng_uniform(r, 0, SIZE);
		double length = nst_rng_uniform(r, 1, size), width = nst_rng_uniform(r, .4, 1.3);
		double turn = nst_rng_uniform(r, 0, TWO_PI);
		double ax = length * cos(turn), ay = length * sin(turn);
		double bx = -width * sin(turn), by = width * cos(turn);

		add(&f, cx - ax - bx, cy - ay - by);
		add(&f, cx + ax - bx, cy + ay - by);
		add(&f, cx + ax + bx, cy + ay + by);
		add(&f, cx - ax + bx, cy - ay + by);
		texture_init(&t, r, &c, 0);
		paint_figure(canvas, &f, &t);
	}
}

/* ---- picture ------------------------------------------------------------------------------ */

void nst_scene_draw(struct nst_rng *r, unsigned cls, double hardness,
		    uint8_t rgb[NST_SCENE_SIZE * NST_SCENE_SIZE * 3])
{
	struct color canvas[SIZE * SIZE];
	struct figure f = {.n = 0};
	struct texture ground, fill;
	double brightness = nst_rng_uniform(r, 30, 130), shade, turn, noise;
	struct color ground_color = random_color(r, brightness, 20 + 26 * hardness), fill_color;
	unsigned behind, before;

	texture_init(&ground, r, &ground_color, nst_rng_uniform(r, 0, 40) * hardness);
	for (int y = 0; y < SIZE; y++)
		for (int x = 0; x < SIZE; x++)
			canvas[y * SIZE + x] = texture_at(&ground, x, y);

	behind = nst_rng_below(r, 1 + (unsigned)(3.3 * hardness));
	paint_clutter(canvas, r, behind, 6);

	/* Figures are lighter than their ground, by little or by much. */
	brightness += 100 - 36 * fmin(hardness, 2.3) + nst_rng_uniform(r, 0, 60);
	fill_color = random_color(r, brightness, 20 + 26 * hardness);
	texture_init(&fill, r, &fill_color, nst_rng_uniform(r, 0, 30) * hardness);
	if (cls == NST_SCENE_STRANGER)
		draw_stranger(&f, r);
	else
		classes[cls].draw(&f);
	place(&f, r, hardness);
	paint_figure(canvas, &f, &fill);

	before = nst_rng_below(r, 1 + (unsigned)(2 * hardness));
	paint_clutter(canvas, r, before, 3.5);

	shade = nst_rng_uniform(r, 0, .23) * hardness;
	turn = nst_rng_uniform(r, 0, TWO_PI);
	noise = nst_rng_uniform(r, 0, 9) * hardness;
	for (int y = 0; y < SIZE; y++) {
		for (int x = 0; x < SIZE; x++) {
			double along = (cos(turn) * (x - SIZE / 2) + sin(turn) * (y - SIZE / 2)) /
				       (SIZE / 2);
			double light = 1 + shade * along;

			for (int i = 0; i < 3; i++) {
				double v = canvas[y * SIZE + x].c[i] * light +
					   noise * nst_rng_normal(r);

				rgb[3 * (y * SIZE + x) + i] =
					(uint8_t)(fmin(fmax(v, 0), 255) + .5);
			}
		}
	}
}
