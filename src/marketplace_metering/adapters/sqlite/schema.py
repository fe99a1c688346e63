"""The tables of the embedded store.

    book ─┬─ meter ─┬─ usage_group ── tally ── usage_record
          │         └─ entry ────────── │
          └─ version                    └── entry_id: at most one live entry, by the schema

A *tally* is the set of usage records of one meter, hour and set of tags that were recorded between
two seals, with its exact sum. Usage records point at their tally and never change; a tally points
at the entry that covers it. So sealing a million usage records is one update, a usage record is
in at most one entry by construction (money rule 2), and the marks on usage records
(`metering_pending` and its kin) are a view of the ledger that needs no writing.

A usage record names its group, tally and input without REFERENCES: SQLite would look all three up
for each of millions, and would search all of them when a tally goes. Only the intake writes it, in
the transaction that looked those three up or made them.
"""

VERSION = 2

# What a file of an older format lacks; it is added when the file is opened.
UPGRADES = {
    1: """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
ALTER TABLE entry ADD COLUMN duplicates INTEGER NOT NULL DEFAULT 0;
UPDATE entry SET duplicates = (
  SELECT count(*) FROM attempt WHERE entry_id = entry.id AND answer = 'Duplicate'
) WHERE state <> 'released';
CREATE INDEX input_source ON input (source);
CREATE TABLE known_input (
  name TEXT NOT NULL, source TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL,
  head TEXT NOT NULL, is_counted INTEGER NOT NULL, PRIMARY KEY (name, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_input_head ON known_input (head);
-- What they held was not noted; by the last part of their paths, for some were relative.
INSERT INTO known_input SELECT DISTINCT
  replace(source, rtrim(source, replace(source, '/', '')), ''), source, 0, '', '', 0
FROM input
WHERE source NOT IN ('-', 'standard input', 'command line') AND source NOT LIKE 'a correction of %';
CREATE TABLE license_owner (
  license_arn TEXT PRIMARY KEY, product TEXT NOT NULL, since_hour INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
""",
}

TABLES = """
CREATE TABLE book (
  id INTEGER PRIMARY KEY,
  product TEXT NOT NULL,
  account TEXT NOT NULL,
  dimension TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 0,
  UNIQUE (product, account, dimension)
) STRICT;

CREATE TABLE meter (
  id INTEGER PRIMARY KEY,
  book_id INTEGER NOT NULL REFERENCES book,
  license_arn TEXT NOT NULL,  -- '' is by product code
  UNIQUE (book_id, license_arn)
) STRICT;

CREATE TABLE license_owner (
  license_arn TEXT PRIMARY KEY,
  product TEXT NOT NULL,  -- the only one under which the licence is sealed
  since_hour INTEGER NOT NULL  -- it fills no hour before
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_group (
  id INTEGER PRIMARY KEY,
  meter_id INTEGER NOT NULL REFERENCES meter,
  hour INTEGER NOT NULL,  -- UTC hours since 1970
  tags TEXT NOT NULL,  -- sorted JSON pairs; '[]' is untagged
  UNIQUE (meter_id, hour, tags)
) STRICT;

CREATE TABLE lane (
  id INTEGER PRIMARY KEY,
  product TEXT NOT NULL,
  is_licensed INTEGER NOT NULL,
  month TEXT NOT NULL,
  UNIQUE (product, is_licensed, month)
) STRICT;

CREATE TABLE entry (
  id INTEGER PRIMARY KEY,
  meter_id INTEGER NOT NULL REFERENCES meter,
  hour INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  lane_id INTEGER NOT NULL REFERENCES lane,
  quantity_micros INTEGER NOT NULL,
  stamp_s INTEGER NOT NULL,
  deadline_s INTEGER NOT NULL,
  lines TEXT NOT NULL,
  allocations TEXT,
  record_count INTEGER NOT NULL,
  sealed_at_ms INTEGER NOT NULL,
  retry_at_ms INTEGER NOT NULL,
  state TEXT NOT NULL,
  begun INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  metering_record_id TEXT,
  reason TEXT,
  duplicates INTEGER NOT NULL DEFAULT 0,
  UNIQUE (meter_id, hour, serial),
  CHECK (0 <= refused AND refused <= begun),
  CHECK (state <> 'released' OR begun = refused)
) STRICT;
CREATE UNIQUE INDEX entry_live_window ON entry (meter_id, hour) WHERE state <> 'released';
CREATE INDEX entry_unsettled ON entry (lane_id, state, deadline_s)
  WHERE state IN ('sealed', 'parked');

CREATE TABLE tally (
  id INTEGER PRIMARY KEY,
  group_id INTEGER NOT NULL REFERENCES usage_group,
  micros INTEGER NOT NULL,
  record_count INTEGER NOT NULL,
  earliest_ns INTEGER NOT NULL,
  is_closed INTEGER NOT NULL DEFAULT 0,  -- takes no more usage records
  entry_id INTEGER REFERENCES entry,
  released_from INTEGER REFERENCES entry,  -- the latest entry that gave it back
  failure TEXT  -- why it is listed instead of pending
) STRICT;
CREATE UNIQUE INDEX tally_open ON tally (group_id) WHERE is_closed = 0;
CREATE INDEX tally_pending ON tally (group_id) WHERE entry_id IS NULL AND failure IS NULL;
CREATE INDEX tally_failed ON tally (group_id) WHERE failure IS NOT NULL;
CREATE INDEX tally_of_entry ON tally (entry_id) WHERE entry_id IS NOT NULL;

CREATE TABLE input (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX input_source ON input (source);

CREATE TABLE known_input (  -- what an input held when it was last begun
  name TEXT NOT NULL,
  source TEXT NOT NULL,  -- as in input
  size INTEGER NOT NULL,
  digest TEXT NOT NULL,
  head TEXT NOT NULL,
  is_counted INTEGER NOT NULL,  -- although the same content was known
  PRIMARY KEY (name, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_input_head ON known_input (head);

CREATE TABLE usage_record (
  created_ns INTEGER NOT NULL,  -- first in the key: usage comes in order of time, to the end
  group_id INTEGER NOT NULL,
  micros INTEGER NOT NULL,
  tally_id INTEGER NOT NULL,
  input_id INTEGER NOT NULL,
  event_id TEXT,
  extras TEXT,
  PRIMARY KEY (created_ns, group_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  account TEXT NOT NULL,
  event_id TEXT NOT NULL,
  group_id INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  PRIMARY KEY (account, event_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE corrected (  -- what a correction took away: when its input comes again, it is known
  group_id INTEGER NOT NULL REFERENCES usage_group,
  created_ns INTEGER NOT NULL,
  micros INTEGER NOT NULL,
  input_id INTEGER NOT NULL REFERENCES input,
  event_id TEXT,
  extras TEXT
) STRICT;
CREATE INDEX corrected_place ON corrected (group_id, created_ns);

CREATE TABLE refused_input (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  source TEXT NOT NULL,
  text TEXT NOT NULL,
  problems TEXT NOT NULL,
  product TEXT,
  micros INTEGER,  -- where the quantity can be read
  received_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE attempt (
  entry_id INTEGER NOT NULL REFERENCES entry,
  number INTEGER NOT NULL,
  begun_at_ms INTEGER NOT NULL,
  answered_at_ms INTEGER,
  answer TEXT,
  words TEXT,
  PRIMARY KEY (entry_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  meter_id INTEGER REFERENCES meter,
  hour INTEGER,
  micros INTEGER,
  text TEXT NOT NULL,
  raised_at_ms INTEGER NOT NULL,
  delivered_at_ms INTEGER
) STRICT;
CREATE INDEX alarm_undelivered ON alarm (id) WHERE delivered_at_ms IS NULL;

CREATE TABLE fact (  -- of the ledger itself
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

# Temporary: each connection makes its own, and the file stays as every version knows it.
VIEWS = """
CREATE TEMP VIEW named_meter AS
SELECT meter.id AS meter_id, book_id, product, account, dimension, license_arn
FROM meter JOIN book ON book.id = book_id;

CREATE TEMP VIEW named_group AS
SELECT usage_group.id AS group_id, hour, tags, named_meter.*
FROM usage_group JOIN named_meter USING (meter_id);
"""
