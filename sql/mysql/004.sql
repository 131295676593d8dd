-- 004.sql - what only administrators see: tokens, answers that are kept for requests that come twice,
-- and the record of what was done, for MySQL 8 and MariaDB 10.5 or newer. Gateways have no right to
-- any of it: run grants.sql again after it.
-- ADDS ONLY: what programs that know 001.sql to 003.sql alone do not look at, so they go on with it.

-- Who may do what. secret: SHA-256 of it, hexadecimal. tenant: what it may see, empty for all; owner:
-- the same, NULL for all, so that no tenant goes away, and comes back as another one's, below it.
CREATE TABLE IF NOT EXISTS tokens (
  id VARCHAR(64) NOT NULL,
  tenant VARCHAR(63) NOT NULL,
  owner VARCHAR(63) NULL,
  name VARCHAR(200) NOT NULL,
  secret VARCHAR(64) NOT NULL,
  scopes TEXT NOT NULL,
  domains TEXT NOT NULL,
  networks TEXT NOT NULL,
  maker VARCHAR(200) NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  revoked BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY tokens_secret (secret),
  KEY tokens_tenant (tenant, id),
  KEY tokens_owner (owner),
  CONSTRAINT tokens_owner FOREIGN KEY (owner) REFERENCES tenants (name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- id: SHA-256 of scope and idempotency, each as a netstring. at: when it was answered; 48 hours later
-- it counts no more.
CREATE TABLE IF NOT EXISTS replies (
  id VARCHAR(64) NOT NULL,
  scope VARCHAR(512) NOT NULL,
  idempotency VARCHAR(255) NOT NULL,
  body VARCHAR(64) NOT NULL,
  status INT NOT NULL,
  answer MEDIUMTEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY replies_at (at)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was done, each row with the hash of the one before it. Rows are added, and nothing else is ever
-- done to them. was, became: SHA-256 of the object before and after.
CREATE TABLE IF NOT EXISTS audit (
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  actor VARCHAR(200) NOT NULL,
  method VARCHAR(200) NOT NULL,
  source VARCHAR(200) NOT NULL,
  tenant VARCHAR(63) NOT NULL,
  action VARCHAR(200) NOT NULL,
  object VARCHAR(512) NOT NULL,
  was VARCHAR(64) NOT NULL,
  became VARCHAR(64) NOT NULL,
  request VARCHAR(200) NOT NULL,
  idempotency VARCHAR(255) NOT NULL,
  detail VARCHAR(1024) NOT NULL,
  result VARCHAR(200) NOT NULL,
  prev VARCHAR(64) NOT NULL,
  hash VARCHAR(64) NOT NULL,
  PRIMARY KEY (seq),
  KEY audit_tenant (tenant, seq),
  KEY audit_actor (actor, seq),
  KEY audit_object (object, seq),
  KEY audit_tenant_actor (tenant, actor, seq),
  KEY audit_tenant_object (tenant, object, seq)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: the last one of audit. Who adds to that begins with adding to seq, and the lock on this row
-- is what keeps the chain one chain.
CREATE TABLE IF NOT EXISTS audit_head (
  id INT NOT NULL,
  seq BIGINT NOT NULL,
  hash VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO audit_head (id, seq, hash) VALUES (1, 0, REPEAT('0', 64));
