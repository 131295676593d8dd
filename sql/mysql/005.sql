-- 005.sql - DNS providers of tenants, which only administrators see, for MySQL 8 and MariaDB 10.5 or newer.
-- Gateways have no right to any of it: run grants.sql again after it.
-- ADDS ONLY: what programs that know 001.sql to 004.sql alone do not look at, so they go on with it.

-- Where records of a tenant's domains are put. address: never with a secret. secret: sealed with the
-- tenant's key, or empty. allow_private: 1 if the address may be one of hosts inside.
CREATE TABLE IF NOT EXISTS providers (
  tenant VARCHAR(63) NOT NULL,
  name VARCHAR(63) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  address VARCHAR(1024) NOT NULL,
  secret TEXT NOT NULL,
  allow_private INT NOT NULL,
  revision BIGINT NOT NULL,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, name),
  CONSTRAINT providers_tenant FOREIGN KEY (tenant) REFERENCES tenants (name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
