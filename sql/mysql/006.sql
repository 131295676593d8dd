-- 006.sql - quotas of tenants, which only administrators see, for MySQL 8 and MariaDB 10.5 or newer.
-- Gateways have no right to any of it: run grants.sql again after it.
-- ADDS ONLY: what programs that know 001.sql to 005.sql alone do not look at, so they go on with it.

-- How much a tenant may have and do; -1: no limit. max_keys: that are not destroyed. max_rotations:
-- in one day of UTC. max_requests: in one minute. rotated: rotations on this day (since 1970).
CREATE TABLE IF NOT EXISTS quotas (
  tenant VARCHAR(63) NOT NULL,
  max_domains BIGINT NOT NULL,
  max_keys BIGINT NOT NULL,
  max_rotations BIGINT NOT NULL,
  max_requests BIGINT NOT NULL,
  day BIGINT NOT NULL,
  rotated BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant),
  CONSTRAINT quotas_tenant FOREIGN KEY (tenant) REFERENCES tenants (name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
