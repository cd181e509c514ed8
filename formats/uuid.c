/* uuids from content.  The bytes themselves go in through their checksums, which are stored: so a
 * reader can recompute the uuid from metadata alone, and the uuid guards the checksums. */
#include "formats/uuid.h"

#include <stdio.h>
#include <string.h>

#include "libcore/util/hash.h"

static void add_str(struct nst_hash *h, const char *s)
{
	nst_hash_add(h, s, strlen(s) + 1);
}

static void add_u64(struct nst_hash *h, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	nst_hash_add(h, b, sizeof(b));
}

static void add_f64(struct nst_hash *h, double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof(u));
	add_u64(h, u);
}

int nst_uuid(char out[NST_UUID_LEN + 1], enum nst_kind kind, uint64_t rows,
	     const struct nst_column_id column[], const struct nst_attr_value attr[],
	     struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(kind);
	struct nst_hash *h = nst_hash_new();
	uint8_t d[16];

	if (!h)
		return nst_fail_mem(err, 1024);
	add_str(h, schema->name);
	add_u64(h, rows);
	for (int i = 0; schema->column[i].name; i++) {
		if (!column[i].present)
			continue;
		add_str(h, schema->column[i].name);
		add_u64(h, column[i].type);
		for (int k = 0; k < column[i].rank; k++)
			add_u64(h, column[i].dim[k]);
		add_u64(h, column[i].checksum);
	}
	for (int i = 0; schema->attr[i].name; i++) {
		const struct nst_schema_attr *a = &schema->attr[i];

		if (!attr[i].present)
			continue;
		add_str(h, a->name);
		if (a->type == NST_STR)
			add_str(h, attr[i].str);
		for (uint64_t k = 0; a->type == NST_F64 && k < a->n; k++)
			add_f64(h, attr[i].f64[k]);
		for (uint64_t k = 0; a->type == NST_U64 && k < a->n; k++)
			add_u64(h, attr[i].u64[k]);
	}
	nst_hash_digest(h, d);
	nst_hash_free(h);
	d[6] = (uint8_t)((d[6] & 0x0f) | 0x80);
	d[8] = (uint8_t)((d[8] & 0x3f) | 0x80);
	for (int i = 0, at = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		at += snprintf(out + at, 3, "%02x", d[i]);
	}
	return 0;
}

int nst_uuid_is(const char *s)
{
	if (strlen(s) != NST_UUID_LEN || strspn(s, "0123456789abcdef-") != NST_UUID_LEN)
		return 0;
	for (int i = 0; i < NST_UUID_LEN; i++)
		if ((s[i] == '-') != (i == 8 || i == 13 || i == 18 || i == 23))
			return 0;
	return 1;
}
