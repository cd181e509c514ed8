/* Identity of an image: a uuid made from what it holds.  Two images of the same content have the
 * same uuid, wherever and whenever they were made and however they are compressed. */
#ifndef NST_FORMATS_UUID_H
#define NST_FORMATS_UUID_H

#include <stddef.h>
#include <stdint.h>

#include "formats/input.h"
#include "formats/schema.h"

/* Value of an attribute of the schema. */
struct nst_attr_value {
	int present;
	char *str;       /* owned; NST_STR */
	double f64[3];
	uint64_t u64[3];
};

/* What the uuid knows of a column. */
struct nst_column_id {
	int present;
	enum nst_type type;
	int rank;
	uint64_t dim[2];
	uint64_t checksum; /* XXH3-64 of the values, uncompressed */
};

/* uuid of an image: XXH3-128 over the kind's name, the number of rows, and name, type, dimensions
 * and checksum of each column and name and value of each attribute that is present, in the order of
 * the schema; then the version (8, "custom") and variant bits of RFC 9562.  Strings go in with their
 * terminating NUL, numbers as little-endian 64-bit words.  Returns 0 or NST_ENOMEM. */
int nst_uuid(char out[NST_UUID_LEN + 1], enum nst_kind kind, uint64_t rows,
	     const struct nst_column_id column[], const struct nst_attr_value attr[],
	     struct nst_err *err) NST_MUST_CHECK;

/* 1 when s has the form of a uuid, in lower case. */
int nst_uuid_is(const char *s);

#endif
