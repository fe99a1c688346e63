BEGIN TRANSACTION;
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
INSERT INTO "alarm" VALUES(1,'parked',1,498657,7000000,'AWS answered CustomerNotSubscribed: the buyer has no active agreement for the product, or the account is suspended. What to do: check the agreement in the Management Portal and the account id in the usage.',1795174200000,NULL);
CREATE TABLE attempt (
  entry_id INTEGER NOT NULL REFERENCES entry,
  number INTEGER NOT NULL,
  begun_at_ms INTEGER NOT NULL,
  answered_at_ms INTEGER,
  answer TEXT,
  words TEXT,
  PRIMARY KEY (entry_id, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "attempt" VALUES(1,1,1795174200000,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(1,2,1795174200000,1795174200000,'Duplicate',NULL);
INSERT INTO "attempt" VALUES(2,1,1795174200000,1795174200000,'NotSubscribed',NULL);
CREATE TABLE book (
  id INTEGER PRIMARY KEY,
  product TEXT NOT NULL,
  account TEXT NOT NULL,
  dimension TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 0,
  UNIQUE (product, account, dimension)
) STRICT;
INSERT INTO "book" VALUES(1,'prod-abc123','111122223333','api_calls',1);
CREATE TABLE corrected (  -- what a correction took away: when its input comes again, it is known
  group_id INTEGER NOT NULL REFERENCES usage_group,
  created_ns INTEGER NOT NULL,
  micros INTEGER NOT NULL,
  input_id INTEGER NOT NULL REFERENCES input,
  event_id TEXT,
  extras TEXT
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
  UNIQUE (meter_id, hour, serial),
  CHECK (0 <= refused AND refused <= begun),
  CHECK (state <> 'released' OR begun = refused)
) STRICT;
INSERT INTO "entry" VALUES(1,1,498656,0,1,5000000,1795162200,1795248600,'[[498656, 5000000, 1]]',NULL,1,1795174200000,1795162202000,'presumed',2,0,NULL,'AWS has the record: it accepted an earlier attempt of ours, whose answer was lost');
INSERT INTO "entry" VALUES(2,1,498657,0,1,7000000,1795165800,1795252200,'[[498657, 7000000, 1]]',NULL,1,1795174200000,1795177500000,'parked',1,1,NULL,'AWS answered CustomerNotSubscribed: the buyer has no active agreement for the product, or the account is suspended. What to do: check the agreement in the Management Portal and the account id in the usage.');
INSERT INTO "entry" VALUES(3,1,498658,0,1,3000000,1795169400,1795255800,'[[498658, 3000000, 1]]',NULL,1,1795174200000,1795169402000,'sealed',0,0,NULL,NULL);
CREATE TABLE event (
  account TEXT NOT NULL,
  event_id TEXT NOT NULL,
  group_id INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  PRIMARY KEY (account, event_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE input (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO "input" VALUES(1,'app',1795174200000);
INSERT INTO "input" VALUES(2,'app',1795174200000);
CREATE TABLE lane (
  id INTEGER PRIMARY KEY,
  product TEXT NOT NULL,
  is_licensed INTEGER NOT NULL,
  month TEXT NOT NULL,
  UNIQUE (product, is_licensed, month)
) STRICT;
INSERT INTO "lane" VALUES(1,'prod-abc123',0,'2026-11');
CREATE TABLE meter (
  id INTEGER PRIMARY KEY,
  book_id INTEGER NOT NULL REFERENCES book,
  license_arn TEXT NOT NULL,  -- '' is by product code
  UNIQUE (book_id, license_arn)
) STRICT;
INSERT INTO "meter" VALUES(1,1,'');
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
INSERT INTO "tally" VALUES(1,1,5000000,1,1795162200000000000,1,1,NULL,NULL);
INSERT INTO "tally" VALUES(2,2,7000000,1,1795165800000000000,1,2,NULL,NULL);
INSERT INTO "tally" VALUES(3,3,3000000,1,1795169400000000000,1,3,NULL,NULL);
INSERT INTO "tally" VALUES(4,4,2000000,1,1795172700000000000,0,NULL,NULL,NULL);
CREATE TABLE usage_group (
  id INTEGER PRIMARY KEY,
  meter_id INTEGER NOT NULL REFERENCES meter,
  hour INTEGER NOT NULL,  -- UTC hours since 1970
  tags TEXT NOT NULL,  -- sorted JSON pairs; '[]' is untagged
  UNIQUE (meter_id, hour, tags)
) STRICT;
INSERT INTO "usage_group" VALUES(1,1,498656,'[]');
INSERT INTO "usage_group" VALUES(2,1,498657,'[]');
INSERT INTO "usage_group" VALUES(3,1,498658,'[]');
INSERT INTO "usage_group" VALUES(4,1,498659,'[]');
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
INSERT INTO "usage_record" VALUES(1795162200000000000,1,5000000,1,1,NULL,NULL);
INSERT INTO "usage_record" VALUES(1795165800000000000,2,7000000,2,1,NULL,NULL);
INSERT INTO "usage_record" VALUES(1795169400000000000,3,3000000,3,1,NULL,NULL);
INSERT INTO "usage_record" VALUES(1795172700000000000,4,2000000,4,2,NULL,NULL);
CREATE UNIQUE INDEX entry_live_window ON entry (meter_id, hour) WHERE state <> 'released';
CREATE INDEX entry_unsettled ON entry (lane_id, state, deadline_s)
  WHERE state IN ('sealed', 'parked');
CREATE UNIQUE INDEX tally_open ON tally (group_id) WHERE is_closed = 0;
CREATE INDEX tally_pending ON tally (group_id) WHERE entry_id IS NULL AND failure IS NULL;
CREATE INDEX tally_failed ON tally (group_id) WHERE failure IS NOT NULL;
CREATE INDEX tally_of_entry ON tally (entry_id) WHERE entry_id IS NOT NULL;
CREATE INDEX corrected_place ON corrected (group_id, created_ns);
CREATE INDEX alarm_undelivered ON alarm (id) WHERE delivered_at_ms IS NULL;
COMMIT;
