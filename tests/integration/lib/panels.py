"""The databases of panels in a MariaDB of ours, from the facts of their columns: PostfixAdmin's domain, dkim and dkim_signing
with their foreign keys, ISPConfig's mail_domain; a user for Signpost with the rights of signpost-mirrors(5), one that reads;
and Debian's opendkim with its tables in PostfixAdmin's.

    panel = PostfixAdmin(server, folder); panel.add(["a.example"]); panel.mirror()
"""
from pathlib import Path

from . import mariadb, milter, procs
from .gateways import message

OPENDKIM, ODBX = "/usr/sbin/opendkim", "/usr/lib/opendbx/libmysqlbackend.so"
PASSWORD = "s3cret-of-the-mirror"
STAMPS = "created timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, modified timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP"


class Panel:
    kind = name = tables = rights = ""

    def __init__(self, server, folder):
        self.server, self.folder = server, Path(folder)
        server.run(f"DROP DATABASE IF EXISTS {self.name}; CREATE DATABASE {self.name} CHARACTER SET utf8mb4")
        server.run(self.tables, self.name)
        for user, host in (("signpost", "127.0.0.1"), ("reader", "127.0.0.1")):
            server.run(f"CREATE USER IF NOT EXISTS '{user}'@'{host}' IDENTIFIED BY '{PASSWORD}'")
        server.run(self.rights.format(user="signpost@127.0.0.1", name=self.name))
        server.run(f"GRANT SELECT ON {self.name}.* TO reader@127.0.0.1")
        self.secret = self.folder / f"{self.name}.secret"
        self.secret.write_text(PASSWORD + "\n")
        self.secret.chmod(0o600)

    def mirror(self, more=""):
        """A line of KeyMirrors, named as its kind."""
        return f"{self.kind} {self.kind}:mysql://signpost@127.0.0.1:{self.server.port}/{self.name}?passwordfile={self.secret}{more}\n"

    def rows(self, question):
        return [line.split("\t") for line in self.server.run(question, self.name).splitlines()]

    def dsn(self):
        return f"dsn:mysql://reader:{PASSWORD}@{self.server.port}+127.0.0.1/{self.name}/preset={self.kind}"


class PostfixAdmin(Panel):
    kind, name = "postfixadmin", "pa"
    tables = f"""
CREATE TABLE domain(domain varchar(255) NOT NULL PRIMARY KEY, description varchar(255) NOT NULL DEFAULT '') ENGINE=InnoDB;
CREATE TABLE dkim(id INT AUTO_INCREMENT PRIMARY KEY, domain_name varchar(255) NOT NULL, description varchar(255) DEFAULT '',
 selector varchar(63) NOT NULL DEFAULT 'default', private_key text, public_key text, {STAMPS}, INDEX(domain_name, description),
 FOREIGN KEY (domain_name) REFERENCES domain(domain) ON DELETE CASCADE) ENGINE=InnoDB;
CREATE TABLE dkim_signing(id INT AUTO_INCREMENT PRIMARY KEY, author varchar(255) NOT NULL DEFAULT '', dkim_id INT NOT NULL,
 {STAMPS}, INDEX(author), FOREIGN KEY (dkim_id) REFERENCES dkim(id) ON DELETE CASCADE) ENGINE=InnoDB;
"""
    rights = ("GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.dkim TO {user};"
              "GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.dkim_signing TO {user}")

    def add(self, domains):
        for domain in domains:
            self.server.run(f"INSERT INTO domain(domain) VALUES ('{domain}')", self.name)
        return self

    def add_key(self, domain, selector, pem, author=None):
        self.server.run(f"INSERT INTO dkim(domain_name, selector, private_key) VALUES ('{domain}', '{selector}', "
                        f"{mariadb.quote(pem)}); INSERT INTO dkim_signing(author, dkim_id) VALUES "
                        f"('{author or domain}', LAST_INSERT_ID())", self.name)

    def shown(self, domain):
        """The selector that a sender of the domain signs with; None: none."""
        found = self.rows("SELECT k.selector FROM dkim_signing s JOIN dkim k ON k.id = s.dkim_id AND k.domain_name = "
                          f"'{domain}' WHERE s.author = '{domain}'")
        assert len(found) < 2, found
        return found[0][0] if found else None

    def selectors(self, domain):
        return [row[0] for row in self.rows(f"SELECT selector FROM dkim WHERE domain_name = '{domain}' ORDER BY id")]

    def all(self):
        return self.rows("SELECT * FROM dkim ORDER BY id"), self.rows("SELECT * FROM dkim_signing ORDER BY id")


class ISPConfig(Panel):
    kind, name = "ispconfig", "dbispconfig"
    tables = """
CREATE TABLE mail_domain(domain_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, server_id INT UNSIGNED NOT NULL DEFAULT 0,
 domain varchar(255) NOT NULL DEFAULT '', dkim enum('n','y') NOT NULL DEFAULT 'n', dkim_selector varchar(63) NOT NULL DEFAULT
 'default', dkim_private mediumtext, dkim_public mediumtext, active enum('n','y') NOT NULL DEFAULT 'n', KEY (server_id, domain))
 ENGINE=InnoDB;
"""
    rights = ("GRANT SELECT, UPDATE (dkim, dkim_selector, dkim_private, dkim_public) ON {name}.mail_domain TO {user}")

    def add(self, domains):
        for domain in domains:
            self.server.run(f"INSERT INTO mail_domain(server_id, domain, active) VALUES (1, '{domain}', 'y')", self.name)
        return self

    def add_key(self, domain, selector, pem):
        self.server.run(f"UPDATE mail_domain SET dkim = 'y', dkim_selector = '{selector}', dkim_private = {mariadb.quote(pem)} "
                        f"WHERE domain = '{domain}'", self.name)

    def shown(self, domain):
        found = self.rows(f"SELECT dkim_selector FROM mail_domain WHERE domain = '{domain}' AND dkim = 'y' AND active = 'y'")
        return found[0][0] if found else None

    def all(self):
        return self.rows("SELECT * FROM mail_domain ORDER BY domain_id")


class OpenDKIM:
    """Debian's, on PostfixAdmin's tables. As a gateway of lib/gateways.py: send()."""

    def __init__(self, folder, panel, name="opendkim"):
        self.folder, self.name = Path(folder), name
        self.port = procs.free_ports(1)[0]
        self.address = ("127.0.0.1", self.port)
        self.conf = self.folder / f"{name}.conf"
        place = f"dsn:mysql://reader:{PASSWORD}@{panel.server.port}+127.0.0.1/{panel.name}"
        self.conf.write_text(f"""Socket inet:{self.port}@127.0.0.1
SigningTable {place}/table=dkim_signing?keycol=author?datacol=dkim_id
KeyTable {place}/table=dkim?keycol=id?datacol=domain_name,selector,private_key
Canonicalization relaxed/relaxed
SignHeaders message-id,date,from,mime-version,to
Mode s
On-InternalError tempfail
SignatureAlgorithm rsa-sha256
Background no
Syslog no
""")

    def start(self):
        self.process = procs.Process([OPENDKIM, "-f", "-x", self.conf], self.folder / f"{self.name}.log", cwd=self.folder)
        procs.wait_connect(self.address, proc=self.process)
        return self

    def send(self, names, user="alice"):
        answers = {}
        with milter.Session(self.address) as session:
            session.hello(client="127.0.0.1")
            for name in names:
                data = message(name, user)
                result = session.message(data)
                answers[name] = (result, session.apply(data, result))
        return answers

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.process.stop()
