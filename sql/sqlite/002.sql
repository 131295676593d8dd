-- 002.sql - the identity of a key store, for SQLite 3.31 or newer: 32 hexadecimal digits that
-- "signpost store init" makes when there are none, and "signpost store renew" anew.
-- ADDS ONLY: what programs that know 001.sql alone do not look at, so they go on with it.

ALTER TABLE epoch ADD COLUMN identity TEXT NOT NULL DEFAULT '';
