-- 006.sql - quotas of tenants, which only administrators see, for SQLite 3.31 or newer.
-- ADDS ONLY: what programs that know 001.sql to 005.sql alone do not look at, so they go on with it.

-- How much a tenant may have and do; -1: no limit. max_keys: that are not destroyed. max_rotations:
-- in one day of UTC. max_requests: in one minute. rotated: rotations on this day (since 1970).
CREATE TABLE quotas (
  tenant TEXT NOT NULL REFERENCES tenants (name),
  max_domains INTEGER NOT NULL,
  max_keys INTEGER NOT NULL,
  max_rotations INTEGER NOT NULL,
  max_requests INTEGER NOT NULL,
  day INTEGER NOT NULL,
  rotated INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant)
) WITHOUT ROWID;
