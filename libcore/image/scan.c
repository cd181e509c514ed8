/* From the first marker to the first byte of entropy code. */
#include "libcore/image/scan.h"

#include <string.h>

enum {
	SOF0 = 0xc0,
	SOF1 = 0xc1,
	DHT = 0xc4,
	SOS = 0xda,
	DRI = 0xdd,
	APP0 = 0xe0,
	COM = 0xfe,
	DQT = 0xdb,
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

int nst_scan_segment(const uint8_t *data, size_t n, size_t *at, size_t *len)
{
	const size_t here = *at;

	if (here + 4 > n || data[here] != 0xff || get16(data + here + 2) < 2 ||
	    get16(data + here + 2) > n - here - 2)
		return -1;
	*len = get16(data + here + 2) - 2;
	*at = here + 4 + *len;
	return data[here + 1];
}

/* Frame header, and the identities of the components, by which the scan calls them. */
static int read_frame(struct nst_scan *s, const uint8_t *seg, size_t len, uint8_t *id)
{
	unsigned h, v;

	if (s->components || len < 6 || (seg[5] != 1 && seg[5] != 3) || len != 6 + 3 * (size_t)seg[5] ||
	    seg[0] != 8)
		return 0;
	s->height = get16(seg + 1);
	s->width = get16(seg + 3);
	s->components = seg[5];
	h = seg[7] >> 4;
	v = seg[7] & 15;
	if (!s->height || !s->width || !h || !v || h * v > (s->components == 1 ? 1 : 4))
		return 0;
	for (int i = 0; i < s->components; i++) {
		if (i > 0 && seg[7 + 3 * i] != 0x11)
			return 0;
		id[i] = seg[6 + 3 * i];
		s->component[i].blocks = i ? 1 : (int)(h * v);
	}
	s->mcu_h = 8 * v;
	s->mcu_w = 8 * h;
	s->rows = (s->height + s->mcu_h - 1) / s->mcu_h;
	s->columns = (s->width + s->mcu_w - 1) / s->mcu_w;
	return 1;
}

/* Are there codes for all the symbols, and is the one of ones alone free, as it must be? */
static int is_code(const struct nst_huffman *t)
{
	unsigned next = 0;

	for (unsigned len = 1; len <= 16; len++) {
		next = 2 * next + t->count[len];
		if (next >= 1u << len)
			return 0;
	}
	return 1;
}

static int read_tables(struct nst_scan *s, const uint8_t *seg, size_t len)
{
	while (len) {
		struct nst_huffman *t;
		int symbols = 0;

		if (len < 17 || seg[0] >> 4 > 1 || (seg[0] & 15) > 3)
			return 0;
		t = (seg[0] >> 4 ? s->ac : s->dc) + (seg[0] & 15);
		memcpy(t->count, seg, 17);
		for (int i = 1; i <= 16; i++)
			symbols += t->count[i];
		if (symbols < 1 || symbols > 256 || (size_t)symbols > len - 17 || !is_code(t))
			return 0;
		memcpy(t->symbol, seg + 17, (size_t)symbols);
		t->symbols = symbols;
		seg += 17 + symbols;
		len -= 17 + (size_t)symbols;
	}
	return 1;
}

static int read_scan(struct nst_scan *s, const uint8_t *seg, size_t len, const uint8_t *id)
{
	static const uint8_t whole[3] = {0, 63, 0}; /* all coefficients, to their last bit */

	if (!s->components || len != 4 + 2 * (size_t)s->components || seg[0] != s->components ||
	    memcmp(seg + len - 3, whole, 3) != 0)
		return 0;
	for (int i = 0; i < s->components; i++) {
		int dc = seg[2 + 2 * i] >> 4, ac = seg[2 + 2 * i] & 15;

		if (seg[1 + 2 * i] != id[i] || dc > 3 || ac > 3 || !s->dc[dc].symbols ||
		    !s->ac[ac].symbols)
			return 0;
		s->component[i].dc = dc;
		s->component[i].ac = ac;
	}
	return 1;
}

int nst_scan_read(const uint8_t *data, size_t n, struct nst_scan *s)
{
	uint8_t id[NST_SCAN_COMPONENTS] = {0};
	size_t at = 2, len;

	memset(s, 0, sizeof(*s));
	while (at < n) {
		const size_t payload = at + 4;
		int marker = nst_scan_segment(data, n, &at, &len), ok = 1;

		switch (marker) {
		case SOF0:
		case SOF1:
			s->frame = payload;
			ok = read_frame(s, data + payload, len, id);
			break;
		case DHT:
			ok = read_tables(s, data + payload, len);
			break;
		case SOS:
			s->code = at;
			return read_scan(s, data + payload, len, id);
		case DRI:
			ok = len == 2 && get16(data + payload) == 0;
			break;
		default:
			ok = marker == DQT || (marker >= APP0 && marker <= COM);
		}
		if (!ok)
			return 0;
	}
	return 0;
}
