-- 003.sql - the life cycle of keys: what is remembered of domains and keys, what gateways say, and
-- who leads, for SQLite 3.31 or newer.
-- ADDS ONLY: what programs that know 001.sql and 002.sql alone do not look at, so they go on with it.

-- life: what the life cycle knows of it (JSON). due: when it wants to look at the domain; 0: never.
ALTER TABLE domains ADD COLUMN life TEXT NULL;
ALTER TABLE domains ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
CREATE INDEX domains_due ON domains (due);

-- loading: the epoch at which gateways were asked to try the key; 0: they are not.
ALTER TABLE `keys` ADD COLUMN life TEXT NULL;
ALTER TABLE `keys` ADD COLUMN loading INTEGER NOT NULL DEFAULT 0;
CREATE INDEX keys_loading ON `keys` (loading);

-- What each gateway says of itself: its own row. at: when it said so.
CREATE TABLE gateways (
  node TEXT NOT NULL,
  version TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  tested INTEGER NOT NULL,
  failed TEXT NOT NULL,
  offset_ms INTEGER NOT NULL,
  started INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (node)
) WITHOUT ROWID;

-- Who alone may do something, until when. fence: how many times it was taken. used: grows with each
-- change that was made under it, so that the row is locked until that is there.
CREATE TABLE leases (
  name TEXT NOT NULL,
  owner TEXT NOT NULL,
  fence INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  used INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) WITHOUT ROWID;
