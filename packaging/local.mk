# sources of packaging
