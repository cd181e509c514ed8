/* The schema: which columns and attributes a kind of file has.  Reader and writer, checksums and
 * uuids follow this one table; nst-shard(5) prints it. */
#ifndef NST_FORMATS_SCHEMA_H
#define NST_FORMATS_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "formats/input.h"
#include "formats/kind.h"

#define NST_CONVENTIONS "NST-1.0"
#define NST_MAX_COLUMNS 20
#define NST_MAX_ATTRS   3

/* The length of a column's first dimension. */
enum nst_length { NST_FREE, NST_ROWS, NST_ROWS_AND_END };

struct nst_schema_column {
	const char *name;      /* "group/dataset" */
	unsigned types;        /* bits 1 << enum nst_type */
	int rank;
	enum nst_length length;
	uint64_t cols;         /* fixed second dimension, 0 = free */
	unsigned flags;        /* NST_OPTIONAL ... */
};

#define NST_OPTIONAL       1u /* may be absent */
#define NST_COMPRESSIBLE   2u /* may be chunked and compressed */
#define NST_CHECKED_IN_USE 4u /* large, and rarely used whole: reading leaves its checksum to the user */

/* Attributes of a kind, besides those that every file has. */
struct nst_schema_attr {
	const char *name;
	enum nst_type type; /* NST_STR, NST_F64 or NST_U64 */
	uint64_t n;         /* elements; 1 = scalar */
};

/* Both lists end with an entry without a name; the columns stand in the order of the attribute
 * checksums, those of a group together. */
struct nst_schema {
	const char *name;
	struct nst_schema_column column[NST_MAX_COLUMNS + 1];
	struct nst_schema_attr attr[NST_MAX_ATTRS + 1];
};

const struct nst_schema *nst_schema(enum nst_kind kind);

/* Index of a column or attribute, or -1. */
int nst_schema_column_index(const struct nst_schema *s, const char *name);
int nst_schema_attr_index(const struct nst_schema *s, const char *name);

/* Bytes of an element; 0 for NST_STR, whose width is per column. */
size_t nst_type_size(enum nst_type type);

#endif
