/* Finding entry points: a walk through the entropy code that counts its bits (ITU T.81, annex F) and
 * adds up the differences of the means.  Of the other coefficients nothing but their length
 * is looked at, so that this takes about half of the time of the library's decoding. */
#include "libcore/image/entries.h"

#include <string.h>

enum {
	LEAST = 4096,    /* bytes of code that are worth it */
	SPACING = 256,   /* bytes of code from one entry point to the next, but: */
	MOST = 8,        /* in a row */
	USUAL = 224,     /* side in pixels of what pictures are resized to */
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

/* All units of the picture; entry points go to `point`.  Returns 1, or 0 when it is not a sound code that
 * ends with them. */
static int walk_units(struct walk *w, const uint16_t *column, size_t a_row, uint64_t *point)
{
	const struct nst_scan *s = w->scan;

	for (unsigned row = 0; row < s->rows; row++)
		for (size_t col = 0, i = 0; col < s->columns; col++) {
			if (i < a_row && col == column[i]) {
				*point++ = entry_here(w);
				i++;
			}
			if (!walk_unit(w))
				return 0;
		}
	return bits_read(&w->reader) + 8 > w->reader.bits;
}

/* ---- where they stand ----------------------------------------------------------------------- */

static size_t mask_words(const struct nst_scan *s)
{
	return (s->columns + 63) / 64;
}

int nst_entries_table(const struct nst_entries *entries, const struct nst_scan *s,
		      struct nst_entry_table *t)
{
	size_t count = entries->count, n = 0;

	t->point = entries->word;
	if (count > mask_words(s) && entries->word[0] & 1) {
		count -= mask_words(s);
		t->point += mask_words(s);
		for (size_t k = 0; k < 64 * mask_words(s); k++) {
			if (!(entries->word[k / 64] >> k % 64 & 1))
				continue;
			if (n == NST_ENTRY_COLUMNS || k >= s->columns)
				return 0;
			t->column[n++] = (uint16_t)k;
		}
	} else {
		n = count / s->rows;
		if (!n || n > NST_ENTRY_COLUMNS || n > s->columns)
			return 0;
		for (size_t i = 0; i < n; i++)
			t->column[i] = (uint16_t)(i * s->columns / n);
	}
	t->a_row = n;
	t->column[n] = (uint16_t)s->columns;
	return count == n * s->rows;
}

/* Columns [*begin,*end) that evaluation usually decodes: of the central square of 7/8 of the shorter side
 * (224 of 256 pixels), with what the kernel and the smoothing of colours reach around it. */
static void usual_columns(const struct nst_scan *s, unsigned *begin, unsigned *end)
{
	const unsigned side = (s->height < s->width ? s->height : s->width) * 7 / 8;
	const unsigned left = (s->width - side + 1) / 2;
	unsigned reduced = 1, reach;

	while (reduced < 8 && 2 * reduced * USUAL <= side)
		reduced *= 2;
	reach = 2 * side / USUAL + 2 * reduced + 1;
	*begin = left > reach ? (left - reach) / s->mcu_w : 0;
	*end = (left + side + reach + s->mcu_w - 1) / s->mcu_w;
	*end = *end < s->columns ? *end : s->columns;
}

/* Put a column where it belongs, unless it is there. */
static void put_column(struct nst_entry_table *t, unsigned column)
{
	size_t i = t->a_row;

	while (t->column[i - 1] > column)
		i--;
	if (t->column[i - 1] == column)
		return;
	memmove(t->column + i + 1, t->column + i, (t->a_row + 1 - i) * sizeof(*t->column));
	t->column[i] = (uint16_t)column;
	t->a_row++;
}

/* As many columns as the spacing comes to: the first, those around what evaluation decodes, and others
 * in the middle of the widest gaps. */
static void choose_columns(const struct nst_scan *s, size_t len, struct nst_entry_table *t)
{
	size_t m = len / s->rows / SPACING;
	unsigned begin, end;

	m = m > MOST ? MOST : m ? m : 1;
	m = m < s->columns ? m : s->columns;
	t->a_row = 1;
	t->column[0] = 0;
	t->column[1] = (uint16_t)s->columns;
	usual_columns(s, &begin, &end);
	if (t->a_row < m)
		put_column(t, begin);
	if (t->a_row < m && end < s->columns)
		put_column(t, end);
	while (t->a_row < m) {
		size_t widest = 0;

		for (size_t i = 1; i < t->a_row; i++)
			if (t->column[i + 1] - t->column[i] > t->column[widest + 1] - t->column[widest])
				widest = i;
		put_column(t, (t->column[widest] + t->column[widest + 1]) / 2u);
	}
}

static int put_mask(const struct nst_scan *s, const struct nst_entry_table *t, struct nst_buf *out,
		    struct nst_err *err)
{
	const size_t bytes = mask_words(s) * sizeof(uint64_t);
	uint64_t *word;

	if (nst_buf_reserve(out, bytes, err) < 0)
		return err->code;
	word = (uint64_t *)(void *)(out->data + out->len);
	memset(word, 0, bytes);
	for (size_t i = 0; i < t->a_row; i++)
		word[t->column[i] / 64] |= (uint64_t)1 << t->column[i] % 64;
	out->len += bytes;
	return 0;
}

/* ---- finding and checking ------------------------------------------------------------------- */

/* The code without its stuffed bytes, with zeros behind it, to scratch.  *len is its length, 0 when it is
 * no sound code, or not worth it. */
static int read_code(const uint8_t *data, size_t n, const struct nst_scan *s, struct nst_buf *scratch,
		     size_t *len, struct nst_err *err)
{
	scratch->len = 0;
	if (nst_buf_reserve(scratch, n + TAIL, err) < 0)
		return err->code;
	*len = unstuff(data + s->code, n - s->code, scratch->data);
	memset(scratch->data + *len, 0, TAIL);
	if (*len < LEAST)
		*len = 0;
	return 0;
}

/* Append the entry points in the columns of t.  Returns 1, 0 when it is no sound code, or NST_ENOMEM. */
static int walk_code(const struct nst_scan *s, const uint8_t *code, size_t len,
		     const struct nst_entry_table *t, struct nst_buf *out, struct nst_err *err)
{
	const size_t bytes = t->a_row * s->rows * sizeof(uint64_t);
	struct walk w = {.scan = s};

	if (nst_buf_reserve(out, bytes, err) < 0)
		return err->code;
	for (int i = 0; i < s->components; i++) {
		prepare(&w.dc[s->component[i].dc], &s->dc[s->component[i].dc], mean_takes);
		prepare(&w.ac[s->component[i].ac], &s->ac[s->component[i].ac], other_takes);
	}
	w.reader = (struct reader){.code = code, .next = code, .bits = 8 * len};
	w.place.code = code;
	if (!walk_units(&w, t->column, t->a_row, (uint64_t *)(void *)(out->data + out->len)))
		return 0;
	out->len += bytes;
	return 1;
}

int nst_entries_find(const uint8_t *data, size_t n, struct nst_buf *scratch, struct nst_buf *out,
		     struct nst_err *err)
{
	const size_t before = out->len;
	struct nst_entry_table t;
	struct nst_scan s;
	size_t len;
	int rc;

	if (n < LEAST || n >= LIMIT || !nst_scan_read(data, n, &s))
		return 0;
	if (read_code(data, n, &s, scratch, &len, err) < 0)
		return err->code;
	if (!len)
		return 0;
	choose_columns(&s, len, &t);
	rc = put_mask(&s, &t, out, err);
	if (rc == 0)
		rc = walk_code(&s, scratch->data, len, &t, out, err);
	if (rc <= 0)
		out->len = before;
	return rc < 0 ? rc : 0;
}

int nst_entries_check(const uint8_t *data, size_t n, const struct nst_entries *entries,
		      struct nst_buf *scratch, struct nst_buf *again, struct nst_err *err)
{
	struct nst_entry_table t;
	struct nst_scan s;
	size_t len;
	int rc = 0;

	if (!entries->count)
		return 0;
	again->len = 0;
	if (n < LIMIT && nst_scan_read(data, n, &s) && nst_entries_table(entries, &s, &t)) {
		rc = read_code(data, n, &s, scratch, &len, err);
		if (rc == 0 && len)
			rc = walk_code(&s, scratch->data, len, &t, again, err);
	}
	if (rc < 0)
		return rc;
	if (rc && !memcmp(again->data, t.point, again->len))
		return 0;
	return nst_fail(err, NST_EFORMAT, "JPEG has entry points that are not its own");
}
