/* The kinds of file of the NST format family; nst-shard(5) describes each. */
#ifndef NST_FORMATS_KIND_H
#define NST_FORMATS_KIND_H

enum nst_kind {
	NST_SHARD,      /* images, keys, labels */
	NST_PREDICTION, /* what a teacher says of each row */
	NST_SELECTION,  /* the rows a filter kept, with their number of copies */
	NST_STATISTICS, /* per-class counts and confidence histograms */
	NST_MIX,        /* training rows: role, weight, target */
	NST_MODEL,      /* architecture, parameters, training state */
	NST_REPORT,     /* what an evaluation measured */
	NST_KINDS
};

#define NST_KIND_BIT(kind) (1u << (kind))

/* Name as the attribute nst_kind spells it: "shard", ... */
const char *nst_kind_name(enum nst_kind kind);

#endif
