/* Finding entry points: a walk through the entropy code that counts its bits (ITU T.81, annex F) and
 * adds up the differences of the means.  Of the other coefficients nothing but their length
 * is looked at, so that this takes about half of the time of the library's decoding. */
#include "libcore/image/entries.h"

#include <string.h>

#include "libcore/image/scan.h"

enum {
	LEAST = 4096,    /* bytes of code that are worth it */
	SPACING = 256,   /* bytes of code from one entry point to the next, but: */
	MOST = 8,        /* in a row */
	REACH = 5,       /* pixels around a part that usually are decoded with it */
	LIMIT = 1 << 25, /* bytes of a picture whose bits an entry point can count */
	MEAN = 2048,     /* means are less than that */
	EOB = 128,       /* coefficients the end of a block counts for: more than there are */
	LOOKUP = 10,     /* bits that are looked up at once */
	LONGEST = 31,    /* bits of a symbol and what follows it */
	TAIL = 64 * LONGEST / 8 + 16, /* bytes of zeros behind the code: what a block can take */
};

/* A table to read by.  What a symbol takes is its length, with the bits that follow it, times 256,
 * plus what it is good for: of a mean, the bits that follow; else the coefficients it moves on. */
struct codes {
	uint16_t brief[1 << LOOKUP]; /* by the next bits: what it takes, 0 = not in so few bits */
	uint16_t takes[256];         /* of the codes in their order; 0 = not allowed */
	uint32_t limit[18];          /* first 16 bits beyond those of the codes of up to that length */
	int first[17];               /* number of a code = itself - first */
};

static uint16_t mean_takes(unsigned len, unsigned symbol)
{
	return symbol < 12 ? (uint16_t)((len + symbol) << 8 | symbol) : 0;
}

static uint16_t other_takes(unsigned len, unsigned symbol)
{
	unsigned run = symbol >> 4, bits = symbol & 15;
	unsigned on = bits || run == 15 ? run + 1 : EOB;

	return !bits && run && run != 15 ? 0 : (uint16_t)((len + bits) << 8 | on);
}

static void prepare(struct codes *c, const struct nst_huffman *t,
		    uint16_t (*takes)(unsigned, unsigned))
{
	unsigned code = 0;
	int k = 0;

	memset(c->brief, 0, sizeof(c->brief));
	for (unsigned len = 1; len <= 16; len++, code *= 2) {
		c->first[len] = (int)code - k;
		for (int end = k + t->count[len]; k < end; k++, code++) {
			c->takes[k] = takes(len, t->symbol[k]);
			for (unsigned i = 0; len <= LOOKUP && i < 1u << (LOOKUP - len); i++)
				c->brief[(code << (LOOKUP - len)) + i] = c->takes[k];
		}
		c->limit[len] = code << (16 - len);
	}
}

/* What a code takes that is longer than what is looked up. */
static unsigned longer_takes(const struct codes *c, uint64_t w)
{
	const unsigned top = (unsigned)(w >> 48);
	unsigned len = LOOKUP + 1;

	if (top < c->limit[LOOKUP])
		return 0; /* a brief one, and not allowed */
	while (len <= 16 && top >= c->limit[len])
		len++;
	return len > 16 ? 0 : c->takes[(int)(top >> (16 - len)) - c->first[len]];
}

/* What the code at the top of w takes, 0 if it is none. */
static inline unsigned taken(const struct codes *c, uint64_t w)
{
	const unsigned t = c->brief[w >> (64 - LOOKUP)];

	return t ? t : longer_takes(c, w);
}

/* Reads code without its stuffed bytes: the next `have` bits are at the top of w, what follows them
 * is at next. */
struct reader {
	const uint8_t *code, *next;
	uint64_t w;
	unsigned have;
	size_t bits; /* of all the code */
};

/* At least 56 bits.  Those below are overlaid with themselves. */
static inline void fill(struct reader *r)
{
	r->w |= nst_scan_load(r->next) >> r->have;
	r->next += (63 - r->have) / 8;
	r->have |= 56;
}

static inline void take(struct reader *r, unsigned bits)
{
	r->w <<= bits;
	r->have -= bits;
}

static size_t bits_read(const struct reader *r)
{
	return 8 * (size_t)(r->next - r->code) - r->have;
}

/* Returns 1, or 0 when it is no code. */
static int walk_block(struct reader *reader, const struct codes *dc, const struct codes *ac, int *mean)
{
	struct reader r = *reader;
	unsigned t, bits, k = 1;

	fill(&r);
	t = taken(dc, r.w);
	bits = t & 255;
	if (!t)
		return 0;
	if (bits) {
		int v = (int)(r.w << ((t >> 8) - bits) >> (64 - bits));

		*mean += v >> (bits - 1) ? v : v + 1 - (1 << bits);
	}
	take(&r, t >> 8);
	while (k < 64) {
		fill(&r);
		t = taken(ac, r.w);
		if (!t)
			return 0;
		take(&r, t >> 8);
		k += t & 255;
	}
	*reader = r;
	return (k == 64 || k >= EOB) && bits_read(&r) <= r.bits && *mean < MEAN && *mean >= -MEAN;
}

/* The code without the zero bytes behind those of ones.  Returns its length; 0 when it does not end
 * with the picture. */
static size_t unstuff(const uint8_t *data, size_t n, uint8_t *out)
{
	size_t at = 0, len = 0;

	for (;;) {
		const uint8_t *ff = memchr(data + at, 0xff, n - at);
		size_t run = ff ? (size_t)(ff - data) - at : 0;

		if (!ff || at + run + 1 == n)
			return 0;
		memcpy(out + len, data + at, run);
		len += run;
		at += run + 2;
		if (data[at - 1] == 0)
			out[len++] = 0xff;
		else if (data[at - 1] == 0xd9)
			return len;
		else
			return 0;
	}
}

/* Places in the file of places in the code without its stuffed bytes; they are asked for in
 * order. */
struct place {
	const uint8_t *code;
	size_t at, stuffed; /* bytes that were counted, and those of ones among them */
};

static uint64_t bit_in_file(struct place *p, const struct nst_scan *s, size_t bit)
{
	for (; p->at < bit / 8; p->at++)
		p->stuffed += p->code[p->at] == 0xff;
	return 8 * (uint64_t)(s->code + p->stuffed) + bit;
}

struct walk {
	const struct nst_scan *scan;
	struct codes dc[4], ac[4];
	struct reader reader;
	struct place place;
	int mean[NST_SCAN_COMPONENTS];
};

static uint64_t entry_here(struct walk *w)
{
	uint64_t point = bit_in_file(&w->place, w->scan, bits_read(&w->reader)) << 36;

	for (int i = 0; i < w->scan->components; i++)
		point |= ((uint64_t)w->mean[i] & 0xfff) << 12 * i;
	return point;
}

static int walk_unit(struct walk *w)
{
	const struct nst_scan *s = w->scan;

	for (int c = 0; c < s->components; c++)
		for (int b = 0; b < s->component[c].blocks; b++)
			if (!walk_block(&w->reader, &w->dc[s->component[c].dc],
					&w->ac[s->component[c].ac], &w->mean[c]))
				return 0;
	return 1;
}

/* All units of the picture; m entry points in each row go to `point`.  Returns 1, or 0 when it is not
 * a sound code that ends with them. */
static int walk_units(struct walk *w, size_t m, uint64_t *point)
{
	const struct nst_scan *s = w->scan;

	for (unsigned row = 0; row < s->rows; row++)
		for (size_t col = 0, i = 0; col < s->columns; col++) {
			if (i < m && col == i * s->columns / m) {
				*point++ = entry_here(w);
				i++;
			}
			if (!walk_unit(w))
				return 0;
		}
	return bits_read(&w->reader) + 8 > w->reader.bits;
}

/* Columns that are decoded with m entry points in a row to get [begin,end). */
static unsigned columns_decoded(unsigned columns, size_t m, unsigned begin, unsigned end)
{
	size_t first = 0, last;

	while ((first + 1) * columns / m <= begin)
		first++;
	last = first + 1;
	while (last * columns / m < end)
		last++;
	return (unsigned)(last * columns / m - first * columns / m);
}

/* As many as the spacing comes to, or up to a quarter fewer or more if that serves evaluation better, for
 * which most nets take the central square of 7/8 of the shorter side (224 of 256 pixels). */
static size_t entries_a_row(const struct nst_scan *s, size_t len)
{
	const unsigned side = (s->height < s->width ? s->height : s->width) * 7 / 8;
	const unsigned left = (s->width - side) / 2, right = left + side + REACH;
	const unsigned begin = left > REACH ? (left - REACH) / s->mcu_w : 0;
	unsigned end = (right + s->mcu_w - 1) / s->mcu_w, least;
	size_t m = len / s->rows / SPACING, best, most;

	end = end < s->columns ? end : s->columns;
	m = m > MOST ? MOST : m ? m : 1;
	m = m < s->columns ? m : s->columns;
	best = m;
	least = columns_decoded(s->columns, m, begin, end);
	most = m + m / 4 < s->columns ? m + m / 4 : s->columns;
	for (size_t i = m - m / 4; i <= most; i++) {
		const unsigned n = columns_decoded(s->columns, i, begin, end);

		if (n < least) {
			least = n;
			best = i;
		}
	}
	return best;
}

/* Append m entry points for each row of units, 0 = as many as usual: none of what is no sound code. */
static int find(const uint8_t *data, size_t n, const struct nst_scan *s, size_t m,
		struct nst_buf *scratch, struct nst_buf *out, struct nst_err *err)
{
	struct walk w = {.scan = s};
	size_t len;

	scratch->len = 0;
	if (nst_buf_reserve(scratch, n + TAIL, err) < 0)
		return err->code;
	len = unstuff(data + s->code, n - s->code, scratch->data);
	if (len < LEAST)
		return 0;
	memset(scratch->data + len, 0, TAIL);
	m = m ? m : entries_a_row(s, len);
	if (nst_buf_reserve(out, m * s->rows * sizeof(uint64_t), err) < 0)
		return err->code;
	for (int i = 0; i < s->components; i++) {
		prepare(&w.dc[s->component[i].dc], &s->dc[s->component[i].dc], mean_takes);
		prepare(&w.ac[s->component[i].ac], &s->ac[s->component[i].ac], other_takes);
	}
	w.reader = (struct reader){.code = scratch->data, .next = scratch->data, .bits = 8 * len};
	w.place.code = scratch->data;
	if (walk_units(&w, m, (uint64_t *)(void *)(out->data + out->len)))
		out->len += m * s->rows * sizeof(uint64_t);
	return 0;
}

int nst_entries_find(const uint8_t *data, size_t n, struct nst_buf *scratch, struct nst_buf *out,
		     struct nst_err *err)
{
	struct nst_scan s;

	if (n < LEAST || n >= LIMIT || !nst_scan_read(data, n, &s))
		return 0;
	return find(data, n, &s, 0, scratch, out, err);
}

int nst_entries_check(const uint8_t *data, size_t n, const struct nst_entries *entries,
		      struct nst_buf *scratch, struct nst_buf *again, struct nst_err *err)
{
	const size_t size = entries->count * sizeof(uint64_t);
	struct nst_scan s;
	size_t m;

	if (!entries->count)
		return 0;
	again->len = 0;
	if (n < LIMIT && nst_scan_read(data, n, &s)) {
		m = entries->count / s.rows;
		if (m && m <= s.columns && entries->count % s.rows == 0 &&
		    find(data, n, &s, m, scratch, again, err) < 0)
			return err->code;
	}
	if (again->len == size && !memcmp(again->data, entries->point, size))
		return 0;
	return nst_fail(err, NST_EFORMAT, "JPEG has entry points that are not its own");
}
