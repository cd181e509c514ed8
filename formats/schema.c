/* The schema of every kind, as data.  The order of the columns is part of the format. */
#include "formats/schema.h"

#include <string.h>

#define T(type) (1u << NST_##type)

#define IMAGES(flags) \
	{"image/data", T(U8), 1, NST_FREE, 0, (flags) | NST_CHECKED_IN_USE}, \
	{"image/offset", T(U64), 1, NST_ROWS_AND_END, 0, flags}, \
	{"image/shape", T(U32), 2, NST_ROWS, 3, flags}, \
	{"image/codec", T(U8), 1, NST_ROWS, 0, flags}, \
	{"image/checksum", T(U64), 1, NST_ROWS, 0, flags}, \
	{"image/entry", T(U64), 1, NST_FREE, 0, NST_OPTIONAL}, \
	{"image/entry_offset", T(U64), 1, NST_ROWS_AND_END, 0, NST_OPTIONAL}

#define SOURCES \
	{"source/file", T(STR), 1, NST_FREE, 0, NST_OPTIONAL}, \
	{"source/row", T(U64), 2, NST_ROWS, 2, NST_OPTIONAL}

#define KEYS_AND_LABELS \
	{"key/data", T(U8), 1, NST_FREE, 0, 0}, \
	{"key/offset", T(U64), 1, NST_ROWS_AND_END, 0, 0}, \
	{"label/class", T(I32), 1, NST_ROWS, 0, 0}

#define CLASSES {"class/name", T(STR), 1, NST_FREE, 0, NST_OPTIONAL}

#define SOFT(length) \
	{"prediction/probability", T(F16) | T(F32), 2, length, 0, NST_OPTIONAL | NST_COMPRESSIBLE}, \
	{"prediction/topk_class", T(I32), 2, length, 0, NST_OPTIONAL | NST_COMPRESSIBLE}, \
	{"prediction/topk_probability", T(F16) | T(F32), 2, length, 0, NST_OPTIONAL | NST_COMPRESSIBLE}

#define PREDICTIONS \
	{"prediction/class", T(I32), 1, NST_ROWS, 0, 0}, \
	{"prediction/confidence", T(F32), 1, NST_ROWS, 0, 0}, \
	SOFT(NST_ROWS)

static const struct nst_schema schemas[NST_KINDS] = {
	[NST_SHARD] = {
		.name = "shard",
		.column = {IMAGES(0), KEYS_AND_LABELS, CLASSES},
	},
	[NST_PREDICTION] = {
		.name = "prediction",
		.column = {IMAGES(NST_OPTIONAL), SOURCES, KEYS_AND_LABELS, CLASSES, PREDICTIONS},
		.attr = {{"model", NST_STR, 1}, {"temperature", NST_F64, 1}},
	},
	[NST_SELECTION] = {
		.name = "selection",
		.column = {IMAGES(NST_OPTIONAL), SOURCES, KEYS_AND_LABELS, CLASSES, PREDICTIONS,
			   {"selection/copies", T(U32), 1, NST_ROWS, 0, 0}},
		.attr = {{"model", NST_STR, 1}, {"temperature", NST_F64, 1}},
	},
	[NST_STATISTICS] = {
		.name = "statistics",
		.column = {CLASSES,
			   {"statistics/count", T(U64), 1, NST_ROWS, 0, NST_COMPRESSIBLE},
			   {"statistics/histogram", T(U64), 2, NST_ROWS, 101, NST_COMPRESSIBLE}},
		.attr = {{"model", NST_STR, 1}},
	},
	[NST_MIX] = {
		.name = "mix",
		.column = {IMAGES(NST_OPTIONAL), SOURCES, KEYS_AND_LABELS, CLASSES,
			   {"mix/role", T(U8), 1, NST_ROWS, 0, 0},
			   {"mix/copy", T(U32), 1, NST_ROWS, 0, 0},
			   {"mix/weight", T(F32), 1, NST_ROWS, 0, 0}, SOFT(NST_FREE)},
		.attr = {{"model", NST_STR, 1}, {"ratio", NST_F64, 1}},
	},
	[NST_MODEL] = {
		.name = "model",
		.column = {{"arch/spec", T(STR), 1, NST_FREE, 0, 0}, CLASSES,
			   {"param/name", T(STR), 1, NST_ROWS, 0, 0},
			   {"param/shape", T(U32), 2, NST_ROWS, 4, 0},
			   {"param/data", T(F32), 1, NST_FREE, 0, NST_CHECKED_IN_USE},
			   {"param/ema", T(F32), 1, NST_FREE, 0, NST_OPTIONAL | NST_CHECKED_IN_USE},
			   {"param/slot", T(F32), 2, NST_FREE, 0, NST_OPTIONAL | NST_CHECKED_IN_USE},
			   {"train/option", T(STR), 1, NST_FREE, 0, NST_OPTIONAL},
			   {"train/log", T(STR), 1, NST_FREE, 0, NST_OPTIONAL}},
		.attr = {{"architecture", NST_STR, 1}, {"preprocessing", NST_STR, 1},
			 {"progress", NST_U64, 3}},
	},
	[NST_REPORT] = {
		.name = "report",
		.column = {CLASSES,
			   {"metric/name", T(STR), 1, NST_ROWS, 0, 0},
			   {"metric/value", T(F64), 1, NST_ROWS, 0, 0},
			   {"confusion/count", T(U64), 2, NST_FREE, 0, 0}},
		.attr = {{"model", NST_STR, 1}},
	},
};

const struct nst_schema *nst_schema(enum nst_kind kind)
{
	return &schemas[kind];
}

const char *nst_kind_name(enum nst_kind kind)
{
	return schemas[kind].name;
}

int nst_schema_column_index(const struct nst_schema *s, const char *name)
{
	for (int i = 0; s->column[i].name; i++)
		if (!strcmp(s->column[i].name, name))
			return i;
	return -1;
}

int nst_schema_attr_index(const struct nst_schema *s, const char *name)
{
	for (int i = 0; s->attr[i].name; i++)
		if (!strcmp(s->attr[i].name, name))
			return i;
	return -1;
}

size_t nst_type_size(enum nst_type type)
{
	static const size_t size[] = {
		[NST_U8] = 1,  [NST_U32] = 4, [NST_U64] = 8, [NST_I32] = 4,
		[NST_F16] = 2, [NST_F32] = 4, [NST_F64] = 8, [NST_STR] = 0,
	};

	return size[type];
}
