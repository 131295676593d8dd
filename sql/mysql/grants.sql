-- grants.sql - who may do what in a key store in MySQL or MariaDB. Run it once as an administrator
-- of the server, after "signpost store init" or mysql/001.sql to 006.sql; put your names for "signpost" (the
-- database) and for the users below.
--
-- signpost_owner   makes and migrates the tables: "signpost store init"
-- signpost_writer  changes rows; no right to change or drop a table
-- signpost_reader  signs: reads what it needs, and nothing else
-- signpost_gateway signs likewise, and says of itself what it has: writes the table of gateways.
--                  Without it the life cycle of keys waits for times in place of reports
CREATE ROLE IF NOT EXISTS signpost_owner;
CREATE ROLE IF NOT EXISTS signpost_writer;
CREATE ROLE IF NOT EXISTS signpost_reader;
CREATE ROLE IF NOT EXISTS signpost_gateway;

GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES ON signpost.* TO signpost_owner;

GRANT SELECT ON signpost.migrations TO signpost_writer;
GRANT SELECT, UPDATE ON signpost.epoch TO signpost_writer;
GRANT SELECT, INSERT, DELETE ON signpost.changes TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.tenants TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.policies TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.domains TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.rules TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.`keys` TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.bindings TO signpost_writer;
GRANT SELECT, DELETE ON signpost.gateways TO signpost_writer;
GRANT SELECT, INSERT, UPDATE ON signpost.leases TO signpost_writer;
-- The audit is added to; what is in it stays. Neither it nor tokens and answers are for gateways.
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.tokens TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.providers TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.replies TO signpost_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON signpost.quotas TO signpost_writer;
GRANT SELECT, INSERT ON signpost.audit TO signpost_writer;
GRANT SELECT, UPDATE ON signpost.audit_head TO signpost_writer;

GRANT SELECT ON signpost.migrations TO signpost_reader;
GRANT SELECT ON signpost.epoch TO signpost_reader;
GRANT SELECT ON signpost.changes TO signpost_reader;
GRANT SELECT ON signpost.tenants TO signpost_reader;
GRANT SELECT (tenant, name, failure, signature_ttl) ON signpost.policies TO signpost_reader;
GRANT SELECT ON signpost.domains TO signpost_reader;
GRANT SELECT ON signpost.rules TO signpost_reader;
GRANT SELECT ON signpost.`keys` TO signpost_reader;
GRANT SELECT ON signpost.bindings TO signpost_reader;

GRANT signpost_reader TO signpost_gateway;
GRANT SELECT, INSERT, UPDATE ON signpost.gateways TO signpost_gateway;

-- A user has a role by default, because Signpost does not ask for one. MariaDB:
--   CREATE USER signpostd@'192.0.2.%' IDENTIFIED BY '...' REQUIRE SSL;
--   GRANT signpost_gateway TO signpostd@'192.0.2.%';
--   SET DEFAULT ROLE signpost_gateway FOR signpostd@'192.0.2.%';
-- MySQL: the same, but
--   SET DEFAULT ROLE signpost_gateway TO signpostd@'192.0.2.%';
-- With signpost_reader in its place a gateway signs, and reports nothing.
