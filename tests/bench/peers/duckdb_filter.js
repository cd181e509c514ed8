// The rule of nst-filter in SQL: rows that are confident enough, of each class the most confident
// ones, in a table of their own.  A peer of nst-filter.
//
// usage: DUCKDB_NODE=DIR node duckdb_filter.js WAY ROWS CLASSES MOST MIN_CONFIDENCE THREADS SECONDS
// DIR is the directory that the package @duckdb/node-api is installed in.  WAY is how to ask for
// the most confident rows: window or aggregate.  The table that is read is made beforehand, in
// memory, and its key is a number: DuckDB is timed without files.  Prints rows a second, after one
// query that warms up, and the memory used in MiB.
'use strict';
const path = require('path');

const [way, rows, classes, most, least, threads, seconds] = process.argv.slice(2);
const duckdb = require(path.resolve(process.env.DUCKDB_NODE, 'node_modules', '@duckdb/node-api'));

const queries = {
  window: `SELECT key, class, confidence FROM prediction WHERE confidence >= ${least}
    QUALIFY row_number() OVER (PARTITION BY class ORDER BY confidence DESC) <= ${most}`,
  aggregate: `SELECT class, unnest(max_by(key, confidence, ${most})) AS key,
    unnest(max(confidence, ${most})) AS confidence
    FROM prediction WHERE confidence >= ${least} GROUP BY class`,
};

const now = () => Number(process.hrtime.bigint()) * 1e-9;

async function main() {
  const db = await (await duckdb.DuckDBInstance.create(':memory:')).connect();
  let done = -1, start = 0, spent = 0;

  await db.run('SELECT setseed(0.5)');
  await db.run(`CREATE TABLE prediction AS SELECT range AS key,
    CAST(floor(random() * ${classes}) AS SMALLINT) AS class, CAST(random() AS FLOAT) AS confidence
    FROM range(${rows})`);
  await db.run(`SET threads = ${threads}`);
  await db.run('SET preserve_insertion_order = false');
  for (; done < 1 || spent < Number(seconds); done++) {
    await db.run('DROP TABLE IF EXISTS selection');
    start = now();
    await db.run(`CREATE TABLE selection AS ${queries[way]}`);
    spent = done < 0 ? 0 : spent + now() - start;
  }
  const kept = (await db.runAndReadAll('SELECT count(*)::INTEGER FROM selection')).getRows()[0][0];
  if (kept !== classes * most) throw new Error(`${kept} rows kept, not ${classes * most}`);
  console.log((done * rows / spent).toFixed(1), Math.round(process.resourceUsage().maxRSS / 1024));
}

main().catch((e) => {
  console.error(e.message);
  process.exit(1);
});
