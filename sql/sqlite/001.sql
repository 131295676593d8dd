-- 001.sql - the tables of a key store, for SQLite 3.31 or newer.
-- Run by "signpost store init" in one transaction; a file that was released is never changed: what
-- comes later is 002.sql. A statement ends with a semicolon at the end of a line. Names are compared
-- octet by octet. Times are seconds since 1970 UTC by the clock of the machine that writes; 0: not
-- yet. Who belongs to whom is kept by the foreign keys: what names a domain names its tenant too.

-- What was run here.
CREATE TABLE IF NOT EXISTS migrations (
  version INTEGER PRIMARY KEY,
  checksum TEXT NOT NULL,
  at INTEGER NOT NULL
);

-- One row. Each transaction that writes begins with adding 1 to epoch, and only one writes at a time,
-- so epochs become visible in their order. last_change: rows that were ever put into
-- changes; trimmed: the last epoch of which a row was taken out of it again.
CREATE TABLE epoch (
  id INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  last_change INTEGER NOT NULL,
  trimmed INTEGER NOT NULL
);

INSERT INTO epoch (id, epoch, last_change, trimmed) VALUES (1, 1, 0, 0);

-- What was changed when, the last 100,000 or so: "d:DOMAIN", "t:TENANT", "b:".
CREATE TABLE changes (
  number INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  subject TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX changes_epoch ON changes (epoch, number);

CREATE TABLE tenants (
  name TEXT NOT NULL,
  failure TEXT NOT NULL DEFAULT '',
  enabled INTEGER NOT NULL DEFAULT 1,
  revision INTEGER NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) WITHOUT ROWID;

-- plan: what the life cycle of keys goes by (JSON); the signing side does not read it.
CREATE TABLE policies (
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  failure TEXT NOT NULL DEFAULT '',
  signature_ttl INTEGER NOT NULL DEFAULT -1,
  plan TEXT NOT NULL,
  revision INTEGER NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, name),
  FOREIGN KEY (tenant) REFERENCES tenants (name)
);

-- A domain has one tenant, whoever asks. signs_as: of the same tenant.
CREATE TABLE domains (
  name TEXT NOT NULL,
  tenant TEXT NOT NULL,
  signs_as TEXT NULL,
  policy TEXT NULL,
  subdomains INTEGER NOT NULL DEFAULT 0,
  enabled INTEGER NOT NULL DEFAULT 1,
  revision INTEGER NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (name),
  CONSTRAINT domains_tenant UNIQUE (tenant, name),
  FOREIGN KEY (tenant) REFERENCES tenants (name),
  FOREIGN KEY (tenant, signs_as) REFERENCES domains (tenant, name),
  FOREIGN KEY (tenant, policy) REFERENCES policies (tenant, name)
) WITHOUT ROWID;
CREATE INDEX domains_signs_as ON domains (tenant, signs_as);
CREATE INDEX domains_policy ON domains (tenant, policy);

-- kind: 0 an address, 1 a domain, 2 a suffix, 3 a pattern. subject_domain: the domain in subject,
-- by which rules are found; empty for patterns.
CREATE TABLE rules (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  kind INTEGER NOT NULL,
  subject TEXT NOT NULL,
  subject_domain TEXT NOT NULL,
  domain TEXT NOT NULL,
  identity TEXT NOT NULL DEFAULT '',
  priority INTEGER NOT NULL DEFAULT 0,
  enabled INTEGER NOT NULL DEFAULT 1,
  revision INTEGER NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant, domain) REFERENCES domains (tenant, name)
) WITHOUT ROWID;
CREATE INDEX rules_subject ON rules (subject_domain, kind, subject);
CREATE INDEX rules_order ON rules (tenant, kind, priority, id);
CREATE INDEX rules_domain ON rules (tenant, domain);

-- A selector is used once in its domain, for ever: rows of keys that were published stay.
-- revision: what private_key is sealed with. row_revision: of the row. created to sign_until: when
-- each step was reached. ttl to tomb: the times that the life cycle counted with for this key.
CREATE TABLE `keys` (
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  domain TEXT NOT NULL,
  selector TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  bits INTEGER NOT NULL DEFAULT 0,
  public_key TEXT NOT NULL,
  private_key TEXT NOT NULL,
  revision INTEGER NOT NULL,
  row_revision INTEGER NOT NULL,
  created INTEGER NOT NULL DEFAULT 0,
  publishing INTEGER NOT NULL DEFAULT 0,
  published INTEGER NOT NULL DEFAULT 0,
  proven INTEGER NOT NULL DEFAULT 0,
  loaded INTEGER NOT NULL DEFAULT 0,
  active INTEGER NOT NULL DEFAULT 0,
  retiring INTEGER NOT NULL DEFAULT 0,
  revoking INTEGER NOT NULL DEFAULT 0,
  revoked INTEGER NOT NULL DEFAULT 0,
  removed INTEGER NOT NULL DEFAULT 0,
  destroyed INTEGER NOT NULL DEFAULT 0,
  held INTEGER NOT NULL DEFAULT 0,
  compromised INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  sign_until INTEGER NOT NULL DEFAULT 0,
  ttl INTEGER NOT NULL DEFAULT 0,
  neg INTEGER NOT NULL DEFAULT 0,
  prev INTEGER NOT NULL DEFAULT 0,
  lease INTEGER NOT NULL DEFAULT 0,
  grace INTEGER NOT NULL DEFAULT 0,
  tomb INTEGER NOT NULL DEFAULT 0,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  CONSTRAINT keys_selector UNIQUE (domain, selector),
  FOREIGN KEY (tenant, domain) REFERENCES domains (tenant, name)
);
CREATE INDEX keys_active ON `keys` (domain, active);
CREATE INDEX keys_domain ON `keys` (tenant, domain);

CREATE TABLE bindings (
  subject TEXT NOT NULL,
  tenant TEXT NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (subject),
  FOREIGN KEY (tenant) REFERENCES tenants (name)
) WITHOUT ROWID;
CREATE INDEX bindings_tenant ON bindings (tenant);
