/* The code between entry points becomes the one scan of a smaller picture with the tables of the larger
 * one.
 *
 * Means are stored as differences to the block before, which is another one now.  So beside the part
 * stands a column of units that are blank but for the difference that leads on to the mean that the
 * next one builds upon: to the left of it, or to the right of a part that begins at the left
 * edge, whose own edge must stay one.  Such a part needs a row above it as well, unless it
 * begins at the upper edge.  A part as wide as the picture is one piece of code, and needs no column.
 *
 * Code is copied as it is, byte by byte.  So it must begin at the same bit of a byte as in the picture,
 * which the blank unit in front of it sees to with a few coefficients that mean nothing.
 *
 * Differences may occur that the picture has no code for.  Codes of 16 bits are then appended to its
 * table, beyond all that it has: the one of ones alone is never in use, which leaves room for them. */
#include "libcore/image/cut.h"

#include <string.h>

#include "libcore/image/scan.h"

enum {
	SOF1 = 0xc1, /* extended sequential: means may differ by more than 11 bits */
	DHT = 0xc4,
	SOS = 0xda,
	DQT = 0xdb,
	APP0 = 0xe0,
	APP14 = 0xee, /* with APP0, what decides on the meaning of the components */
	DIFFERENCES = 13, /* 0...12 bits */
	MOST_PIXELS = 65500, /* of a side, for the library */
};

/* ---- bits --------------------------------------------------------------------------------- */

/* Code being written, where there is room for it.  The last `count` bits, less than 8, are in low. */
struct writer {
	uint8_t *at;
	uint64_t low;
	unsigned count;
};

static void put_byte(struct writer *w, uint8_t byte)
{
	*w->at++ = byte;
	if (byte == 0xff)
		*w->at++ = 0;
}

static void put(struct writer *w, unsigned bits, unsigned count)
{
	w->low = w->low << count | bits;
	w->count += count;
	while (w->count >= 8) {
		w->count -= 8;
		put_byte(w, (uint8_t)(w->low >> w->count));
	}
	w->low &= (1u << w->count) - 1;
}

/* Copy the code of a file from one bit to another.  The bits written so far must end where the first
 * one stands in its byte: then whole bytes stay what they are, with the zeros stuffed behind
 * those of ones. */
static void copy_bits(struct writer *w, const uint8_t *data, uint64_t bit, uint64_t end)
{
	size_t at = (size_t)(bit / 8), last = (size_t)(end / 8);
	unsigned skip = (unsigned)(bit % 8), to = (unsigned)(end % 8);

	if (at < last && skip) {
		put(w, data[at] & (0xffu >> skip), 8 - skip);
		at += data[at] == 0xff ? 2 : 1;
		skip = 0;
	}
	if (at < last) {
		memcpy(w->at, data + at, last - at);
		w->at += last - at;
		at = last;
	}
	if (at == last && to > skip)
		put(w, (data[at] & 0xffu >> skip) >> (8 - to), to - skip);
}

/* ---- blank units -------------------------------------------------------------------------- */

struct code {
	unsigned bits, length; /* length 0: there is none */
};

/* The codes that a blank unit is made of. */
struct blank {
	struct code difference[4][DIFFERENCES]; /* by table, by bits that follow */
	struct code end[4];                     /* of a block */
	struct code filler;                     /* of the last block: a coefficient */
	unsigned fills;                         /* bits that follow that; an odd number in all */
};

static struct code find_code(const struct nst_huffman *t, unsigned symbol)
{
	unsigned next = 0;
	int k = 0;

	for (unsigned len = 1; len <= 16; len++, next *= 2)
		for (int end = k + t->count[len]; k < end; k++, next++)
			if (t->symbol[k] == symbol)
				return (struct code){next, len};
	return (struct code){0, 0};
}

/* Give every difference a code.  Returns 0 if there is no room. */
static int complete(struct nst_huffman *t, struct code *difference)
{
	unsigned next = 0;

	for (unsigned len = 1; len <= 16; len++)
		next = 2 * next + t->count[len];
	for (unsigned bits = 0; bits < DIFFERENCES; bits++) {
		difference[bits] = find_code(t, bits);
		if (difference[bits].length)
			continue;
		if (next >= 0xffff || t->symbols == 256)
			return 0;
		t->symbol[t->symbols++] = (uint8_t)bits;
		t->count[16]++;
		difference[bits] = (struct code){next++, 16};
	}
	return 1;
}

/* Find a code for a coefficient that takes an odd number of bits and can stand seven times in a block:
 * so often at most fills up to any bit of a byte.  Returns 0 if there is none. */
static int find_filler(struct blank *b, const struct nst_huffman *t)
{
	for (int i = 0; i < t->symbols; i++) {
		b->filler = find_code(t, t->symbol[i]);
		b->fills = t->symbol[i] & 15;
		if (b->fills && t->symbol[i] >> 4 < 8 && (b->filler.length + b->fills) % 2)
			return 1;
	}
	return 0;
}

static int prepare_blank(struct blank *b, struct nst_scan *s)
{
	for (int i = 0; i < s->components; i++) {
		b->end[s->component[i].ac] = find_code(&s->ac[s->component[i].ac], 0);
		if (!b->end[s->component[i].ac].length ||
		    !complete(&s->dc[s->component[i].dc], b->difference[s->component[i].dc]))
			return 0;
	}
	return find_filler(b, &s->ac[s->component[s->components - 1].ac]);
}

/* A unit that leads from one entry point's means to another's, and to its bit of a byte. */
static void put_blank(struct writer *w, const struct blank *b, const struct nst_scan *s,
		      uint64_t from, uint64_t to)
{
	const unsigned filler = b->filler.length + b->fills, bit = (unsigned)(nst_entry_bit(to) % 8);

	for (int i = 0; i < s->components; i++) {
		const struct code *difference = b->difference[s->component[i].dc];
		const struct code end = b->end[s->component[i].ac];
		int d = nst_entry_mean(to, i) - nst_entry_mean(from, i);

		for (int k = 0; k < s->component[i].blocks; k++, d = 0) {
			unsigned bits = d ? 32 - (unsigned)__builtin_clz((unsigned)(d < 0 ? -d : d)) : 0;

			put(w, difference[bits].bits, difference[bits].length);
			put(w, (unsigned)(d < 0 ? d - 1 : d) & ((1u << bits) - 1), bits);
			if (i + 1 == s->components && k + 1 == s->component[i].blocks)
				/* An odd number is its own inverse modulo 8. */
				for (unsigned n = (bit - end.length - w->count) * filler % 8; n; n--) {
					put(w, b->filler.bits, b->filler.length);
					put(w, 0, b->fills);
				}
			put(w, end.bits, end.length);
		}
	}
}

/* Most bytes of one: 16 and 12 bits a difference, 16 an end, 7 times 31 to fill, and all of them
 * stuffed. */
static size_t blank_size(const struct nst_scan *s)
{
	size_t blocks = 0;

	for (int i = 0; i < s->components; i++)
		blocks += (size_t)s->component[i].blocks;
	return blocks * 11 + 55;
}

/* ---- the smaller picture ------------------------------------------------------------------ */

/* A cut on its way: rows and columns of units that it copies, and the entry points it does that by. */
struct cutting {
	const uint8_t *data;
	size_t n;
	struct nst_scan scan;
	struct blank blank;
	struct nst_entry_table entries;
	size_t first, last;     /* of a row: that copying begins at, and ends at */
	unsigned row, row_end, column, column_end;
	int above, before, behind; /* blank row, blank columns: 0 or 1 */
	uint64_t end;           /* bit that the code of the last row ends with */
};

/* Entry point i of a row; that of the next row's beginning for i = a_row. */
static uint64_t point_at(const struct cutting *c, unsigned row, size_t i)
{
	return c->entries.point[row * c->entries.a_row + i];
}

/* Where the code of a row of the cut begins and ends. */
static void range(const struct cutting *c, unsigned row, uint64_t *from, uint64_t *to)
{
	*from = nst_entry_bit(point_at(c, row, c->first));
	*to = row + 1 == c->scan.rows && c->last == c->entries.a_row ? c->end :
		nst_entry_bit(point_at(c, row, c->last));
}

/* The bit in front of the marker that ends the code, on from a bit of it; 0 when there is none. */
static uint64_t find_end(const uint8_t *data, size_t n, uint64_t bit)
{
	for (size_t at = (size_t)(bit / 8); at + 1 < n; at += 2) {
		const uint8_t *ff = memchr(data + at, 0xff, n - at - 1);

		if (!ff)
			break;
		at = (size_t)(ff - data);
		if (data[at + 1])
			return 8 * (uint64_t)at;
	}
	return 0;
}

static int foreign(struct nst_err *err)
{
	return nst_fail(err, NST_EFORMAT, "JPEG has entry points that are not its own");
}

/* Widen a part to entry points. */
static int choose(struct cutting *c, const struct nst_units *part,
		  const struct nst_entries *entries, struct nst_err *err)
{
	const struct nst_scan *s = &c->scan;
	const uint16_t *column = c->entries.column;
	uint64_t last;

	if (!nst_entries_table(entries, s, &c->entries))
		return foreign(err);
	while (column[c->first + 1] <= part->column)
		c->first++;
	c->last = c->first + 1;
	while (column[c->last] < part->column_end)
		c->last++;
	c->row = part->row;
	c->row_end = part->row_end;
	c->column = column[c->first];
	c->column_end = column[c->last];
	c->before = c->column > 0;
	c->behind = !c->before && c->column_end < s->columns;
	c->above = !c->before && c->row > 0;
	last = nst_entry_bit(point_at(c, s->rows - 1, c->entries.a_row - 1));
	if (nst_entry_bit(point_at(c, 0, 0)) != 8 * (uint64_t)s->code || last >= 8 * (uint64_t)c->n)
		return foreign(err);
	c->end = find_end(c->data, c->n, last);
	return c->end ? 0 : foreign(err);
}

/* Bits that are copied; 0 when they are none of the picture's. */
static uint64_t copied(const struct cutting *c)
{
	uint64_t sum = 0, from, to, at = 8 * (uint64_t)c->scan.code;

	for (unsigned row = c->row; row < c->row_end; row++, at = to) {
		range(c, row, &from, &to);
		if (from < at || to < from || to > c->end)
			return 0;
		sum += to - from;
	}
	return sum;
}

static int put_segment(struct nst_buf *out, int marker, const uint8_t *seg, size_t len,
		       struct nst_err *err)
{
	const uint8_t head[4] = {0xff, (uint8_t)marker, (uint8_t)((len + 2) >> 8), (uint8_t)(len + 2)};
	int rc = nst_buf_append(out, head, sizeof(head), err);

	return rc < 0 ? rc : nst_buf_append(out, seg, len, err);
}

static int put_table(struct nst_buf *out, int class, int number, const struct nst_huffman *t,
		     struct nst_err *err)
{
	uint8_t seg[17 + 256];

	memcpy(seg, t->count, 17);
	seg[0] = (uint8_t)(class << 4 | number);
	memcpy(seg + 17, t->symbol, (size_t)t->symbols);
	return put_segment(out, DHT, seg, 17 + (size_t)t->symbols, err);
}

static int put_tables(struct nst_buf *out, const struct nst_scan *s, struct nst_err *err)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < 4; i++) {
		if (s->dc[i].symbols)
			rc = put_table(out, 0, i, &s->dc[i], err);
		if (rc == 0 && s->ac[i].symbols)
			rc = put_table(out, 1, i, &s->ac[i], err);
	}
	return rc;
}

static int put_frame(struct nst_buf *out, const uint8_t *seg, size_t len, const struct nst_cut *cut,
		     struct nst_err *err)
{
	int rc = put_segment(out, SOF1, seg, len, err);

	if (rc == 0) {
		uint8_t *size = out->data + out->len - len + 1;

		size[0] = (uint8_t)(cut->height >> 8);
		size[1] = (uint8_t)cut->height;
		size[2] = (uint8_t)(cut->width >> 8);
		size[3] = (uint8_t)cut->width;
	}
	return rc;
}

/* What comes before the code. */
static int put_head(struct nst_buf *out, const struct cutting *c, const struct nst_cut *cut,
		    struct nst_err *err)
{
	int rc = nst_buf_append(out, c->data, 2, err);
	size_t at = 2, len;

	while (rc == 0 && at < c->scan.code) {
		const uint8_t *seg = c->data + at + 4;
		int marker = nst_scan_segment(c->data, c->n, &at, &len);

		if (marker == SOS)
			rc = put_tables(out, &c->scan, err);
		if (rc == 0 && seg == c->data + c->scan.frame)
			rc = put_frame(out, seg, len, cut, err);
		else if (rc == 0 && (marker == SOS || marker == DQT || marker == APP0 || marker == APP14))
			rc = put_segment(out, marker, seg, len, err);
	}
	return rc;
}

static void put_code(struct writer *w, const struct cutting *c)
{
	const unsigned columns = c->column_end - c->column + (unsigned)c->behind;
	uint64_t means = 0, next;

	for (unsigned i = 0; c->above && i < columns; i++, means = next) {
		next = point_at(c, c->row, c->first);
		put_blank(w, &c->blank, &c->scan, means, next);
	}
	for (unsigned row = c->row; row < c->row_end; row++) {
		const int more = row + 1 < c->row_end;
		uint64_t from, to;

		if (c->before)
			put_blank(w, &c->blank, &c->scan, means, point_at(c, row, c->first));
		range(c, row, &from, &to);
		copy_bits(w, c->data, from, to);
		means = more || c->last < c->entries.a_row ? point_at(c, row, c->last) : 0;
		if (c->behind) {
			next = more ? point_at(c, row + 1, c->first) : means;
			put_blank(w, &c->blank, &c->scan, means, next);
			means = next;
		}
	}
	put(w, 0xffu >> w->count, 8 - w->count); /* ones up to the next byte, or another of them */
	*w->at++ = 0xff;
	*w->at++ = 0xd9;
}

int nst_cut(const uint8_t *data, size_t n, const struct nst_entries *entries,
	    const struct nst_units *part, struct nst_buf *out, struct nst_cut *cut,
	    struct nst_err *err)
{
	struct cutting c = {.data = data, .n = n};
	const struct nst_scan *s = &c.scan;
	unsigned rows, columns;
	struct writer w = {0};
	uint64_t bits, from, to;

	if (!nst_scan_read(data, n, &c.scan) || !prepare_blank(&c.blank, &c.scan) ||
	    part->row >= part->row_end || part->column >= part->column_end ||
	    part->row_end > s->rows || part->column_end > s->columns)
		return 0;
	if (choose(&c, part, entries, err) < 0)
		return err->code;
	bits = copied(&c);
	if (!bits)
		return foreign(err);
	/* The library would read from the beginning down to the end of the last row. */
	range(&c, c.row_end - 1, &from, &to);
	if (bits > (to - 8 * (uint64_t)s->code) / 32 * 31)
		return 0;
	rows = c.row_end - c.row + (unsigned)c.above;
	columns = c.column_end - c.column + (unsigned)(c.before + c.behind);
	*cut = (struct nst_cut){
		.row = c.row - (unsigned)c.above,
		.column = c.column - (unsigned)c.before,
		.height = c.row_end < s->rows ? rows * s->mcu_h :
			s->height - (c.row - (unsigned)c.above) * s->mcu_h,
		.width = c.column_end < s->columns ? columns * s->mcu_w :
			s->width - (c.column - (unsigned)c.before) * s->mcu_w,
	};
	if (cut->height > MOST_PIXELS || cut->width > MOST_PIXELS)
		return 0;
	out->len = 0;
	/* Rows begin and end with bytes that may come to be ones. */
	if (put_head(out, &c, cut, err) < 0 ||
	    nst_buf_reserve(out, (size_t)(bits / 8) + 4 * rows +
			    blank_size(s) * (rows + (c.above ? columns : 0)) + 4 + NST_CUT_SLACK, err) < 0)
		return err->code;
	w.at = out->data + out->len;
	put_code(&w, &c);
	memset(w.at, 0, NST_CUT_SLACK);
	w.at += NST_CUT_SLACK;
	out->len = (size_t)(w.at - out->data);
	return 1;
}
