-- 005.sql - DNS providers of tenants, which only administrators see, for SQLite 3.31 or newer.
-- ADDS ONLY: what programs that know 001.sql to 004.sql alone do not look at, so they go on with it.

-- Where records of a tenant's domains are put. address: never with a secret. secret: sealed with the
-- tenant's key, or empty. allow_private: 1 if the address may be one of hosts inside.
CREATE TABLE providers (
  tenant TEXT NOT NULL REFERENCES tenants (name),
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  address TEXT NOT NULL,
  secret TEXT NOT NULL,
  allow_private INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
