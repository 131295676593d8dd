-- 002.sql - the identity of a key store, for MySQL 8 and MariaDB 10.5 or newer: 32 hexadecimal
-- digits that "signpost store init" makes when there are none, and "signpost store renew" anew. Who
-- runs this by hand runs "signpost store init" besides, or writes some that are used nowhere else.
-- ADDS ONLY: what programs that know 001.sql alone do not look at, so they go on with it.
-- MySQL cannot add a column only where there is none yet, so that is asked first.

SET @signpost = IF((SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'epoch' AND column_name = 'identity') > 0,
  'DO 0', 'ALTER TABLE epoch ADD COLUMN identity VARCHAR(32) NOT NULL DEFAULT ''''');
PREPARE signpost_add FROM @signpost;
EXECUTE signpost_add;
DEALLOCATE PREPARE signpost_add;
