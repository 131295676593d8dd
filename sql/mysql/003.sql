-- 003.sql - the life cycle of keys: what is remembered of domains and keys, what gateways say, and
-- who leads, for MySQL 8 and MariaDB 10.5 or newer.
-- ADDS ONLY: what programs that know 001.sql and 002.sql alone do not look at, so they go on with it.
-- MySQL cannot add a column only where there is none yet, so that is asked first.

-- life: what the life cycle knows of it (JSON). due: when it wants to look at the domain; 0: never.
SET @signpost = IF((SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'domains' AND column_name = 'due') > 0,
  'DO 0', 'ALTER TABLE domains ADD COLUMN life MEDIUMTEXT NULL, ADD COLUMN due BIGINT NOT NULL DEFAULT 0, ADD KEY domains_due (due)');
PREPARE signpost_add FROM @signpost;
EXECUTE signpost_add;
DEALLOCATE PREPARE signpost_add;

-- loading: the epoch at which gateways were asked to try the key; 0: they are not.
SET @signpost = IF((SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'keys' AND column_name = 'loading') > 0,
  'DO 0', 'ALTER TABLE `keys` ADD COLUMN life MEDIUMTEXT NULL, ADD COLUMN loading BIGINT NOT NULL DEFAULT 0, ADD KEY keys_loading (loading)');
PREPARE signpost_add FROM @signpost;
EXECUTE signpost_add;
DEALLOCATE PREPARE signpost_add;

-- What each gateway says of itself: its own row. at: when it said so.
CREATE TABLE IF NOT EXISTS gateways (
  node VARCHAR(255) NOT NULL,
  version VARCHAR(255) NOT NULL,
  epoch BIGINT NOT NULL,
  tested BIGINT NOT NULL,
  failed TEXT NOT NULL,
  offset_ms BIGINT NOT NULL,
  started BIGINT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (node)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who alone may do something, until when. fence: how many times it was taken. used: grows with each
-- change that was made under it, so that the row is locked until that is there.
CREATE TABLE IF NOT EXISTS leases (
  name VARCHAR(63) NOT NULL,
  owner VARCHAR(63) NOT NULL,
  fence BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  used BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
