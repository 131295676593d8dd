-- 004.sql - what only administrators see: tokens, answers that are kept for requests that come twice,
-- and the record of what was done, for SQLite 3.31 or newer.
-- ADDS ONLY: what programs that know 001.sql to 003.sql alone do not look at, so they go on with it.

-- Who may do what. secret: SHA-256 of it, hexadecimal. tenant: what it may see, empty for all; owner:
-- the same, NULL for all, so that no tenant goes away, and comes back as another one's, below it.
CREATE TABLE tokens (
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  owner TEXT NULL REFERENCES tenants (name),
  name TEXT NOT NULL,
  secret TEXT NOT NULL,
  scopes TEXT NOT NULL,
  domains TEXT NOT NULL,
  networks TEXT NOT NULL,
  maker TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  revoked INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_secret ON tokens (secret);
CREATE INDEX tokens_tenant ON tokens (tenant, id);
CREATE INDEX tokens_owner ON tokens (owner);

-- id: SHA-256 of scope and idempotency, each as a netstring. at: when it was answered; 48 hours later
-- it counts no more.
CREATE TABLE replies (
  id TEXT NOT NULL PRIMARY KEY,
  scope TEXT NOT NULL,
  idempotency TEXT NOT NULL,
  body TEXT NOT NULL,
  status INTEGER NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX replies_at ON replies (at);

-- What was done, each row with the hash of the one before it. Rows are added, and nothing else is ever
-- done to them: the two triggers are there for programs that are not ours. was, became: SHA-256 of
-- the object before and after.
CREATE TABLE audit (
  seq INTEGER NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  method TEXT NOT NULL,
  source TEXT NOT NULL,
  tenant TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  was TEXT NOT NULL,
  became TEXT NOT NULL,
  request TEXT NOT NULL,
  idempotency TEXT NOT NULL,
  detail TEXT NOT NULL,
  result TEXT NOT NULL,
  prev TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_tenant ON audit (tenant, seq);
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_object ON audit (object, seq);
CREATE INDEX audit_tenant_actor ON audit (tenant, actor, seq);
CREATE INDEX audit_tenant_object ON audit (tenant, object, seq);
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'rows of the audit stay'); END;
CREATE TRIGGER audit_is BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'rows of the audit stay as they are'); END;

-- One row: the last one of audit. Who adds to that begins with adding to seq.
CREATE TABLE audit_head (
  id INTEGER NOT NULL PRIMARY KEY,
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL
);

INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
