-- 001.sql - the tables of a key store, for MySQL 8 and MariaDB 10.5 or newer.
-- Run by "signpost store init", by hand, or by whatever migrates databases at a site; a file that
-- was released is never changed: what comes later is 002.sql. A statement ends with a semicolon at
-- the end of a line, and can be repeated, because a server does not roll back tables.
-- Names are compared octet by octet. Times are seconds since 1970 UTC by this server's clock; 0: not
-- yet. Who belongs to whom is kept by the foreign keys: what names a domain names its tenant too.

-- What was run here.
CREATE TABLE IF NOT EXISTS migrations (
  version INT NOT NULL,
  checksum VARCHAR(64) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (version)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row. Each transaction that writes begins with adding 1 to epoch; the lock on this row is
-- what lets epochs become visible in their order. last_change: rows that were ever put into
-- changes; trimmed: the last epoch of which a row was taken out of it again.
CREATE TABLE IF NOT EXISTS epoch (
  id INT NOT NULL,
  epoch BIGINT NOT NULL,
  last_change BIGINT NOT NULL,
  trimmed BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO epoch (id, epoch, last_change, trimmed) VALUES (1, 1, 0, 0);

-- What was changed when, the last 100,000 or so: "d:DOMAIN", "t:TENANT", "b:".
CREATE TABLE IF NOT EXISTS changes (
  number BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  subject VARCHAR(255) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (number),
  KEY changes_epoch (epoch, number)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tenants (
  name VARCHAR(63) NOT NULL,
  failure VARCHAR(1024) NOT NULL DEFAULT '',
  enabled TINYINT NOT NULL DEFAULT 1,
  revision BIGINT NOT NULL,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- plan: what the life cycle of keys goes by (JSON); the signing side does not read it.
CREATE TABLE IF NOT EXISTS policies (
  tenant VARCHAR(63) NOT NULL,
  name VARCHAR(63) NOT NULL,
  failure VARCHAR(1024) NOT NULL DEFAULT '',
  signature_ttl BIGINT NOT NULL DEFAULT -1,
  plan MEDIUMTEXT NOT NULL,
  revision BIGINT NOT NULL,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, name),
  CONSTRAINT policies_tenant FOREIGN KEY (tenant) REFERENCES tenants (name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A domain has one tenant, whoever asks. signs_as: of the same tenant.
CREATE TABLE IF NOT EXISTS domains (
  name VARCHAR(253) NOT NULL,
  tenant VARCHAR(63) NOT NULL,
  signs_as VARCHAR(253) NULL,
  policy VARCHAR(63) NULL,
  subdomains TINYINT NOT NULL DEFAULT 0,
  enabled TINYINT NOT NULL DEFAULT 1,
  revision BIGINT NOT NULL,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (name),
  UNIQUE KEY domains_tenant (tenant, name),
  KEY domains_signs_as (tenant, signs_as),
  KEY domains_policy (tenant, policy),
  CONSTRAINT domains_tenant FOREIGN KEY (tenant) REFERENCES tenants (name),
  CONSTRAINT domains_signs_as FOREIGN KEY (tenant, signs_as) REFERENCES domains (tenant, name),
  CONSTRAINT domains_policy FOREIGN KEY (tenant, policy) REFERENCES policies (tenant, name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- kind: 0 an address, 1 a domain, 2 a suffix, 3 a pattern. subject_domain: the domain in subject,
-- by which rules are found; empty for patterns.
CREATE TABLE IF NOT EXISTS rules (
  tenant VARCHAR(63) NOT NULL,
  id VARCHAR(64) NOT NULL,
  kind TINYINT NOT NULL,
  subject VARCHAR(512) NOT NULL,
  subject_domain VARCHAR(253) NOT NULL,
  domain VARCHAR(253) NOT NULL,
  identity VARCHAR(512) NOT NULL DEFAULT '',
  priority INT NOT NULL DEFAULT 0,
  enabled TINYINT NOT NULL DEFAULT 1,
  revision BIGINT NOT NULL,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, id),
  KEY rules_subject (subject_domain, kind, subject),
  KEY rules_order (tenant, kind, priority, id),
  KEY rules_domain (tenant, domain),
  CONSTRAINT rules_domain FOREIGN KEY (tenant, domain) REFERENCES domains (tenant, name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A selector is used once in its domain, for ever: rows of keys that were published stay.
-- revision: what private_key is sealed with. row_revision: of the row. created to sign_until: when
-- each step was reached. ttl to tomb: the times that the life cycle counted with for this key.
CREATE TABLE IF NOT EXISTS `keys` (
  id VARCHAR(64) NOT NULL,
  tenant VARCHAR(63) NOT NULL,
  domain VARCHAR(253) NOT NULL,
  selector VARCHAR(253) NOT NULL,
  algorithm VARCHAR(32) NOT NULL,
  bits INT NOT NULL DEFAULT 0,
  public_key MEDIUMTEXT NOT NULL,
  private_key MEDIUMTEXT NOT NULL,
  revision BIGINT NOT NULL,
  row_revision BIGINT NOT NULL,
  created BIGINT NOT NULL DEFAULT 0,
  publishing BIGINT NOT NULL DEFAULT 0,
  published BIGINT NOT NULL DEFAULT 0,
  proven BIGINT NOT NULL DEFAULT 0,
  loaded BIGINT NOT NULL DEFAULT 0,
  active BIGINT NOT NULL DEFAULT 0,
  retiring BIGINT NOT NULL DEFAULT 0,
  revoking BIGINT NOT NULL DEFAULT 0,
  revoked BIGINT NOT NULL DEFAULT 0,
  removed BIGINT NOT NULL DEFAULT 0,
  destroyed BIGINT NOT NULL DEFAULT 0,
  held BIGINT NOT NULL DEFAULT 0,
  compromised BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  sign_until BIGINT NOT NULL DEFAULT 0,
  ttl BIGINT NOT NULL DEFAULT 0,
  neg BIGINT NOT NULL DEFAULT 0,
  prev BIGINT NOT NULL DEFAULT 0,
  lease BIGINT NOT NULL DEFAULT 0,
  grace BIGINT NOT NULL DEFAULT 0,
  tomb BIGINT NOT NULL DEFAULT 0,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY keys_selector (domain, selector),
  KEY keys_active (domain, active),
  KEY keys_domain (tenant, domain),
  CONSTRAINT keys_domain FOREIGN KEY (tenant, domain) REFERENCES domains (tenant, name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS bindings (
  subject VARCHAR(512) NOT NULL,
  tenant VARCHAR(63) NOT NULL,
  changed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (subject),
  KEY bindings_tenant (tenant),
  CONSTRAINT bindings_tenant FOREIGN KEY (tenant) REFERENCES tenants (name)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
